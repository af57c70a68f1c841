"""The text of a saved mail, read in the process made for it (core.reading)."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import IO


def plain_text(file: IO[bytes]) -> str:
    """Empty where it has no part in plain text."""
    letter = message_from_bytes(file.read(), policy=policy.default)
    plain = letter.get_body(("plain",))
    return str(plain.get_content()) if plain is not None else ""
