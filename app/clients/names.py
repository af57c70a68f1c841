"""Names as people write them."""

from __future__ import annotations

from app.core.errors import Refused

LONGEST_NAME = 300


def clean_name(name: str, *, field: str = "name", what: str = "name") -> str:
    """One line without control characters, at most 300 characters; refuses an empty one."""
    text = " ".join("".join(c for c in name if c >= " " or c in "\t\n").split())
    if not text:
        raise Refused(f"Give a {what}.", field=field)
    if len(text) > LONGEST_NAME:
        raise Refused(f"The {what} is {len(text)} characters long; {LONGEST_NAME} is the most.", field=field)
    return text


def clean_tags(tags: list[str] | tuple[str, ...]) -> list[str]:
    """Tags without doubles, in the order given, at most 40 characters each."""
    kept: dict[str, str] = {}
    for tag in tags:
        text = " ".join(tag.split())[:40]
        if text:
            kept.setdefault(text.casefold(), text)
    return list(kept.values())
