"""What somebody has in hand: each room says what of its own a person holds, and gives it to a colleague or nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from app.core.actors import Actor
from app.people.models import Person


@dataclass(frozen=True)
class Scope:
    """Everything of a client, of an engagement, or (both None) everything there is."""

    client_id: UUID | None = None
    engagement_id: UUID | None = None


@dataclass(frozen=True)
class Holding:
    """Something that a person is to do or answers for: `part` is the column or role by which they hold the row `id`."""

    kind: str
    id: UUID
    what: str
    name: str
    client_id: UUID
    client: str
    engagement_id: UUID | None = None
    part: str = ""


Find = Callable[[UUID, Scope], Sequence[Holding]]
Give = Callable[[Sequence[Holding], Person, Person | None, Actor], None]
Sight = Callable[[Person, Sequence[Holding]], Sequence[Holding]]


@dataclass(frozen=True)
class Kind:
    """`find(person_id, scope)` and `give(held, person, to, by)` of one kind; `rank` follows the order of locks.

    `lock(held, person)` is told of all that is given before the first is: several may receive it.
    """

    name: str
    rank: int
    find: Find
    give: Give
    lock: Callable[[Sequence[Holding], Person], None] = lambda held, person: None


_kinds: dict[str, Kind] = {}
_hidden: list[Sight] = []


def register_holdings(kind: Kind) -> None:
    _kinds[kind.name] = kind


def hides(sight: Sight) -> Sight:
    """Register which holdings may not be given to a person, because they must not see them."""
    if sight not in _hidden:
        _hidden.append(sight)
    return sight


def held_by(person: Person, scope: Scope | None = None) -> list[Holding]:
    """All that a person holds within a scope, in the order in which it is given away."""
    found = scope or Scope()
    return [held for kind in _in_order() for held in kind.find(person.id, found)]


def hidden_from(person: Person, held: Sequence[Holding]) -> list[Holding]:
    """Those of them that may not be given to this person."""
    out = {each for sight in _hidden for each in sight(person, held)}
    return [each for each in held if each in out]


def told_to(reader: Person, held: Sequence[Holding]) -> list[Holding]:
    """The same for whoever reads of it: what a wall keeps from them is counted and has no name."""
    out = set(hidden_from(reader, held))
    return [replace(each, what="", name="", client="") if each in out else each for each in held]


def give(held: Sequence[Holding], receivers: Mapping[Holding, Person | None], person: Person, by: Actor) -> None:
    """Give each of them to whom `receivers` names; kind by kind, so that every room locks in its turn."""
    for kind in _in_order():
        kind.lock([each for each in held if each.kind == kind.name], person)
        own: dict[Person | None, list[Holding]] = {}
        for each in held:
            if each.kind == kind.name:
                own.setdefault(receivers[each], []).append(each)
        for to, rows in own.items():
            kind.give(rows, person, to, by)


def _in_order() -> list[Kind]:
    return sorted(_kinds.values(), key=lambda kind: kind.rank)
