"""Handing over what somebody has in hand: to a colleague who may see it, or to nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.locking import take_turn, to_lock
from app.core.permissions import authorize
from app.people.holdings import Holding, Scope, give, held_by, hidden_from
from app.people.models import Person, PersonState
from app.people.policy import can_hand_over

HOLDING = "people.holding"
# What rooms lock of a person before the first of them gives away: before the person's own row, and after it.
locked_first: list[Callable[[UUID], None]] = []
locked_next: list[Callable[[UUID], None]] = []


class NeedsAnother(Refused):
    """A colleague cannot be given all of it: `held` says what somebody else has to take."""

    def __init__(self, message: str, held: Sequence[Holding], *, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.held = held


def share_holding() -> None:
    """For whoever gives work to somebody: beside others who do, but not beside one who takes all of it away."""
    take_turn(HOLDING, at="turn of holding", shared=True)


def lock_first(person: Person) -> None:
    """What comes before everything that a form takes a turn for; `begin_hand_over` does it too, where there is none."""
    for lock in locked_first:
        lock(person.id)


def begin_hand_over(person: Person) -> None:
    """For whoever takes all of it away, by a wall or a hand-over: nobody gives them more meanwhile.

    Locks in the one order what comes before clients and jobs; what is taken already is not taken again.
    """
    lock_first(person)
    db.session.execute(to_lock(sa.select(Person.id).where(Person.id == person.id), lightly=True))
    take_turn(HOLDING, at="turn of holding")
    for lock in locked_next:
        lock(person.id)


@dataclass(frozen=True)
class Handed:
    """What became of it: given to colleagues, and left to nobody."""

    given: int = 0
    left: int = 0


def hand_over(
    person: Person, *, by: Actor, to: Person | None = None, scope: Scope | None = None,
    instead: Mapping[UUID, Person | None] | None = None,
) -> Handed:
    """Give all that a person holds within a scope to `to`; None leaves it to nobody, in the unassigned list.

    `instead` says, by client, who takes what a wall keeps from `to`. Raises NeedsAnother while that is not said.
    """
    authorize(by, can_hand_over)
    with transaction():
        begin_hand_over(person)
        held = held_by(person, scope)
        receivers = _receivers(held, person, to, instead or {})
        give(held, receivers, person, by)
        given = sum(receiver is not None for receiver in receivers.values())
        return Handed(given, len(held) - given)


def _receivers(
    held: Sequence[Holding], person: Person, to: Person | None, instead: Mapping[UUID, Person | None]
) -> dict[Holding, Person | None]:
    _check(to, person)
    hidden = set(hidden_from(to, held)) if to is not None else set()
    unsaid = [each for each in held if each in hidden and each.client_id not in instead]
    if unsaid and to is not None:
        raise NeedsAnother(f"{to.name} must not see all of it. Say who takes the rest.", unsaid, field="to")
    for other in {other for other in instead.values() if other is not None}:
        _check(other, person)
        own = [each for each in held if each in hidden and instead[each.client_id] == other]
        if refused := hidden_from(other, own):
            raise NeedsAnother(f"{other.name} must not see that either. Choose somebody else.", refused)
    return {each: instead[each.client_id] if each in hidden else to for each in held}


def _check(to: Person | None, person: Person) -> None:
    if to is not None and (to.id == person.id or to.state is not PersonState.ACTIVE):
        raise Refused("Choose a colleague who works here.", field="to")
