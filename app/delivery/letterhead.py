"""What stands around every letter: the firm's name and colours, given by the room above that knows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.core.colour import DEFAULT_ACCENT, Accent, light_accent


@dataclass(frozen=True)
class Letterhead:
    """The sender as a letter shows it."""

    name: str = "Firmament"
    accent: Accent = light_accent(DEFAULT_ACCENT)


_sources: list[Callable[[], Letterhead]] = []


def letterhead_from(source: Callable[[], Letterhead]) -> Callable[[], Letterhead]:
    """Register where letters learn who the firm is; the last one registered holds."""
    _sources[:] = [source]
    return source


def letterhead() -> Letterhead:
    return _sources[0]() if _sources else Letterhead()
