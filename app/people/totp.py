"""Codes of an authenticator app (RFC 6238) and the recovery codes that stand in for it; pure, no database."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import secrets

import pyotp
import segno

STEP_SECONDS = 30
RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstvwxyz23456789"


def new_secret() -> str:
    return pyotp.random_base32(32)


def matching_step(secret: str, code: str, at: dt.datetime) -> int | None:
    """The time step that a code belongs to: this one, the one before or the one after; None for a wrong code."""
    code = "".join(code.split())
    if len(code) != 6 or not (code.isascii() and code.isdigit()):
        return None
    step = int(at.timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    found = None
    for candidate in (step - 1, step, step + 1):
        if secrets.compare_digest(totp.generate_otp(candidate), code):
            found = candidate
    return found


def enrolment_uri(secret: str, *, email: str, firm: str) -> str:
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=firm.replace(":", " "))


def qr_svg(uri: str) -> str:
    """The code to point a camera at, as inline SVG without any style."""
    out = io.BytesIO()
    segno.make(uri, error="m").save(
        out, kind="svg", xmldecl=False, svgns=True, scale=5, border=3, dark="#000", light="#fff", svgclass="qr",
        lineclass=None, omitsize=False,
    )
    return out.getvalue().decode()


def new_recovery_codes() -> list[str]:
    """Ten codes of about 78 bits each, four groups of four letters."""
    def group() -> str:
        return "".join(secrets.choice(_LETTERS) for _ in range(4))

    return ["-".join(group() for _ in range(4)) for _ in range(RECOVERY_CODES)]


def recovery_hash(code: str) -> str:
    """What is stored of a recovery code; plain SHA-256 is enough for that many random bits."""
    return hashlib.sha256("".join(c for c in code.casefold() if c.isalnum()).encode()).hexdigest()
