"""What a closure brings about in the rooms above: told before it is made, carried out after it is confirmed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.core.actors import Actor
from app.core.errors import Refused
from app.core.once import digest_of

# A day off moves what is counted over it, and what would fall on it: never anything that lies farther off than this.
REACH = dt.timedelta(days=120)


@dataclass(frozen=True)
class ClosureChange:
    """A day that is worked no more, or again, in one office or (None) in the whole firm."""

    on: dt.date
    office_id: UUID | None
    closed: bool = True


@dataclass(frozen=True)
class Moved:
    """One thing whose dates would move: its name, whose it is, where it is found, each date old → new.

    `item` is what the room that tells of it needs to move it; `stays_because` says why it is not moved with the others.
    """

    name: str
    of: str
    url: str
    dates: tuple[tuple[str, dt.date | None, dt.date | None], ...]
    item: Mapping[str, Any]
    stays_because: str = ""


Foresees = Callable[[ClosureChange, Actor], Sequence[Moved]]
Follows = Callable[[ClosureChange, Sequence[Moved], UUID, Actor], None]
_foresee: list[Foresees] = []
_follow: list[Follows] = []


def foresees_closure(function: Foresees) -> Foresees:
    """Register what tells of whose dates would move; it writes nothing."""
    _foresee.append(function)
    return function


def follows_closure(function: Follows) -> Follows:
    """Register what moves them, begun in the transaction of the change under the id given."""
    _follow.append(function)
    return function


def moved_by(change: ClosureChange, *, seen_by: Actor) -> list[Moved]:
    return [moved for foresee in _foresee for moved in foresee(change, seen_by)]


def digest_of_moved(moved: Sequence[Moved]) -> str:
    return str(digest_of(moved))


def follow_closure(change: ClosureChange, seen: str, run_id: UUID, *, by: Actor) -> None:
    """Begin to move what was shown, before the day itself is written; refused where it is no longer that."""
    moved = moved_by(change, seen_by=by)
    if digest_of_moved(moved) != seen:
        raise Refused("Something has changed since these dates were shown. Look at them once more.")
    for follow in _follow:
        follow(change, moved, run_id, by)
