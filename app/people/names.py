"""A colleague's name, and which letters stand for it."""

from __future__ import annotations

import unicodedata

from app.core.errors import Refused
from app.core.permissions import Role

LONGEST = 200
ROLE_NAMES: dict[str, str] = {Role.ADMIN: "administrator", Role.BILLING: "billing clerk"}


def clean_name(name: str) -> str:
    """One line without control characters; refuses an empty or a very long one."""
    text = " ".join("".join(c for c in name if unicodedata.category(c) != "Cc" or c.isspace()).split())
    if not text:
        raise Refused("Give a name.", field="name")
    if len(text) > LONGEST:
        raise Refused(f"The name is {len(text)} characters long; {LONGEST} is the most.", field="name")
    return text


def role_name(role: str) -> str:
    """As it stands in a sentence."""
    return ROLE_NAMES.get(role, role)


def initials_of(name: str) -> str:
    words = [word for word in name.replace(".", " ").replace("-", " ").split() if word[0].isalnum()]
    picked = words[:1] + words[-1:] if len(words) > 1 else words
    return "".join(word[0] for word in picked).upper() or "?"
