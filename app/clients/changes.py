"""What a change of a client brings about in the rooms above: told before it is made, done in its own transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from uuid import UUID

from app.clients.models import Client, ClientStatus, PayrollFrequency
from app.core.actors import Actor
from app.core.errors import Refused
from app.core.once import digest_of


@dataclass(frozen=True)
class Years:
    """What a client says about its year, its VAT quarters and its payroll: the periods of its recurring work."""

    year_end_month: int | None = None
    year_end_day: int | None = None
    vat_stagger: int | None = None
    payroll_frequency: PayrollFrequency | None = None
    first_pay_day: dt.date | None = None


PERIOD_FIELDS = tuple(each.name for each in fields(Years))


def years_of(said: object) -> Years:
    """Of a client, or of facts about one."""
    return Years(**{name: getattr(said, name) for name in PERIOD_FIELDS})


@dataclass(frozen=True)
class Standing:
    """What of a client decides which work recurs and whether there is any."""

    years: Years
    status: ClientStatus
    archived: bool

    @property
    def is_served(self) -> bool:
        """Whether the firm works for them at present."""
        return self.status is ClientStatus.ACTIVE and not self.archived

    @property
    def words(self) -> str:
        return "archived" if self.archived else self.status.value


def standing_of(client: Client) -> Standing:
    return Standing(years_of(client), client.status, client.archived_at is not None)


@dataclass(frozen=True)
class ClientChange:
    """A client before and after; `redate` says that jobs to come follow and are not kept as they are.

    `because`: why they may then be due past a deadline that is not met.
    """

    client_id: UUID
    before: Standing
    after: Standing
    redate: bool = True
    because: str = ""

    @property
    def moves_periods(self) -> bool:
        return self.before.years != self.after.years

    @property
    def ends_service(self) -> bool:
        """Also where one that is not served is archived: what is still open at it goes out of sight with it."""
        archives = self.after.archived and not self.before.archived
        return archives or (self.before.is_served and not self.after.is_served)

    @property
    def begins_service(self) -> bool:
        return not self.before.is_served and self.after.is_served


@dataclass(frozen=True)
class Effect:
    """One thing that the change touches: in words with its address, and for what moves, from what to what.

    `overrun` says of a job which deadline it would then be due after: that it moves needs a reason.
    """

    words: str
    url: str
    before: str = ""
    after: str = ""
    of_job: bool = False
    overrun: str = ""


Foresees = Callable[[Sequence[ClientChange], Actor], Mapping[UUID, Sequence[Effect]]]
Follows = Callable[[ClientChange, Actor], None]
Holds = Callable[[ClientChange], None]
_foresee: list[Foresees] = []
_hold: list[Holds] = []
_follow: list[Follows] = []


def foresees(function: Foresees) -> Foresees:
    """Register what tells of the effects of changes, by client; it writes nothing."""
    _foresee.append(function)
    return function


def holds(function: Holds) -> Holds:
    """Register what locks the rows that come before the client in the order of locks and that the change will write."""
    _hold.append(function)
    return function


def follows(function: Follows) -> Follows:
    """Register what brings them about, inside the transaction of the change."""
    _follow.append(function)
    return function


def effects_of(change: ClientChange, *, seen_by: Actor) -> list[Effect]:
    return effects_of_each([change], seen_by=seen_by).get(change.client_id, [])


def effects_of_each(changes: Sequence[ClientChange], *, seen_by: Actor) -> dict[UUID, list[Effect]]:
    """The same of many clients, by their ids, in as many statements as of one."""
    real = [change for change in changes if change.before != change.after]
    found: dict[UUID, list[Effect]] = {}
    for foresee in _foresee if real else ():
        for client_id, effects in foresee(real, seen_by).items():
            found.setdefault(client_id, []).extend(effects)
    return found


def digest_of_effects(effects: Sequence[Effect]) -> str:
    return str(digest_of([(each.words, each.before, each.after, each.overrun) for each in effects]))


def hold(change: ClientChange) -> None:
    """Before the client itself is locked."""
    if change.before != change.after:
        for each in _hold:
            each(change)


def follow(change: ClientChange, *, by: Actor) -> None:
    if change.before != change.after:
        for each in _follow:
            each(change, by)


def check_foreseen(change: ClientChange, foreseen: str | None, *, by: Actor) -> None:
    """Refuse a change whose effects are no longer those that were shown and confirmed. None: nobody was asked."""
    if foreseen is not None and foreseen != digest_of_effects(effects_of(change, seen_by=by)):
        raise Refused("What this brings about has changed since it was shown. Look at it again.")
