"""Letters that carry a way in: sealed while they wait, and without their links once they have gone."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from app.core.errors import Refused
from app.core.sealing import seal, unseal

MARK = "sealed:"
_LINK = re.compile(r"(/link/(?:[a-z-]+/)?)[\w-]{20,}")
_LOST = re.compile(r"/link/(?:[a-z-]+/)?…")
_LOST_ADDRESS = re.compile(r"[^\s\"'<>()]*/link/(?:[a-z-]+/)?…")


class Letter(sa.types.TypeDecorator[str]):
    """Text that is sealed in the database for as long as a link in it could let somebody in."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return MARK + seal(value, purpose="letter") if value and _LINK.search(value) else value

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        if not value or not value.startswith(MARK):
            return value
        try:
            return unseal(value.removeprefix(MARK), purpose="letter")
        except Refused:  # made with a key that is not known here: see `readable`
            return value


def readable(letter: str) -> str:
    """A letter that may go out; raises Refused for one that no known key opens."""
    if letter.startswith(MARK):
        raise Refused("The letter was sealed with another SECRET_KEY; see PREVIOUS_SECRET_KEYS.")
    return letter


def without_links(letter: str) -> str:
    """What was said, without what lets somebody in."""
    return _LINK.sub(r"\1…", letter)


def with_link(letter: str, link: str) -> str:
    """The same letter with this address where the one was that is gone."""
    return _LOST_ADDRESS.sub(lambda _lost: link, letter)


def has_lost_its_link(letter: str) -> bool:
    return _LOST.search(letter) is not None
