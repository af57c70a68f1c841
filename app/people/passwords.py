"""Passwords: kept as Argon2id, taken exactly as typed, refused when everybody uses them."""

from __future__ import annotations

import functools
import re
import secrets
from base64 import b64encode
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from app.core.errors import Refused

SHORTEST, LONGEST = 10, 1024
COMMON = [Path(__file__).with_name(name) for name in ("common_passwords.txt", "common_long_passwords.txt")]
# OWASP's advice for Argon2id is 19 MiB and two passes or more; this is 32 MiB and three.
hasher = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1, hash_len=32, salt_len=16)
_AROUND = re.compile(r"^[\W\d_]+|[\W\d_]+$")


def check_password(password: str, *, about: tuple[str, ...] = ()) -> None:
    """Raise Refused unless it may be used; `about` are words that must not be all of it (name, e-mail, firm)."""
    if len(password) < SHORTEST:
        raise Refused(f"Take at least {SHORTEST} characters. Three or four random words do well.", field="password")
    if len(password) > LONGEST:
        raise Refused(f"A password has at most {LONGEST:,} characters.", field="password")
    if is_common(password):
        raise Refused("This is one of the most used passwords, so it is among the first to be tried.", field="password")
    plain = password.casefold()
    if any(plain in (word.casefold(), word.casefold().replace(" ", "")) for word in about if word):
        raise Refused("This password is your own name or address. Take another.", field="password")


def is_common(password: str) -> bool:
    """On the list as it is, or once the digits and signs around it are taken off; or one or two characters repeated."""
    plain = password.casefold()
    return len(set(plain)) < 3 or plain in common_passwords() or _AROUND.sub("", plain) in common_passwords()


@functools.cache
def common_passwords() -> frozenset[str]:
    return frozenset(word for path in COMMON for word in path.read_text("utf-8").casefold().split("\n")) - {""}


def hash_password(password: str) -> str:
    return hasher.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Whether it is the one; where nothing is stored the same work is done in vain, so that time tells nothing."""
    try:
        return hasher.verify(stored or _nobody(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(stored: str) -> bool:
    """Whether it was hashed with other parameters than today's."""
    return hasher.check_needs_rehash(stored)


@functools.cache
def _nobody() -> str:
    """A hash that no password has, with today's parameters: made up, so that not even the first try shows."""
    salt, digest = (b64encode(secrets.token_bytes(n)).decode().rstrip("=") for n in (hasher.salt_len, hasher.hash_len))
    how = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${how}${salt}${digest}"
