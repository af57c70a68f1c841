"""Identifiers and secrets, all made in Python."""

from __future__ import annotations

import hashlib
import secrets
from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): unique anywhere, sorted by time of making."""
    return uuid_utils.compat.uuid7()


def parse_id(text: str | None) -> UUID | None:
    """The id that a form carries, or None if it is not one."""
    try:
        return UUID(text or "")
    except ValueError:
        return None


def parse_whole(text: object) -> int | None:
    """The whole number that a form or an address carries, or None if it is not one of at most nine plain digits."""
    typed = "" if text is None else str(text).strip()
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else None


def new_token() -> str:
    """256 random bits for a link or a session, URL-safe; only its hash is ever stored."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What is stored of a token: SHA-256, enough for 256 random bits."""
    return hashlib.sha256(token.encode()).digest()
