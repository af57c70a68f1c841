"""Small secrets at rest: sealed with a key made of SECRET_KEY, readable while that key or a previous one is known."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app

from app.core.errors import Refused


def seal(text: str, *, purpose: str) -> str:
    return _box(purpose).encrypt(text.encode()).decode()


def unseal(sealed: str, *, purpose: str) -> str:
    """What was sealed for the same purpose; raises Refused when no known key opens it."""
    try:
        return _box(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Refused("A stored secret needs the SECRET_KEY it was made with; see PREVIOUS_SECRET_KEYS.") from None


def _box(purpose: str) -> MultiFernet:
    settings = current_app.config["SETTINGS"]
    return MultiFernet([_key(secret, purpose) for secret in (settings.secret_key, *settings.previous_secret_keys)])


def _key(secret: str, purpose: str) -> Fernet:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"firmament {purpose}".encode()).derive
    return Fernet(base64.urlsafe_b64encode(derive(secret.encode())))
