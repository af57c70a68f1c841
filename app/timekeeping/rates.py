"""Which hourly rate applies, and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.models import WorkRole
from app.clients.models import Engagement
from app.core.db import db
from app.people.models import Person
from app.timekeeping.models import Rate, TimeEntry


class Card(NamedTuple):
    """What a rate card says, read as a row: a model's object of each would take longer than asking for them."""

    id: UUID
    from_on: dt.date
    amount: Decimal
    currency: str
    person_id: UUID | None
    grade: str | None
    work_role: WorkRole | None
    activity: str | None
    client_id: UUID | None
    engagement_id: UUID | None


CARD = tuple(getattr(Rate, name).label(f"card_{name}") for name in Card._fields)


@dataclass(frozen=True)
class FoundRate:
    """The rate per hour (None where there is none), the words for where it came from or why not, and every rate that
    was looked at, best first."""

    amount: Decimal | None
    source: str
    rate_id: UUID | None
    considered: tuple[tuple[str, Card], ...] = ()


Names = Callable[[Card], bool]

# rules/money: engagement + person, engagement + role, client + person, client + role, activity, person, role.
ORDER: tuple[tuple[str, Names], ...] = (
    ("this engagement and person", lambda r: bool(r.engagement_id and r.person_id)),
    ("this engagement and role", lambda r: bool(r.engagement_id and (r.work_role or r.grade))),
    ("this engagement", lambda r: bool(r.engagement_id)),
    ("this client and person", lambda r: bool(r.client_id and r.person_id)),
    ("this client and role", lambda r: bool(r.client_id and (r.work_role or r.grade))),
    ("this client", lambda r: bool(r.client_id)),
    ("the activity", lambda r: bool(r.activity)),
    ("the person", lambda r: bool(r.person_id)),
    ("the role", lambda r: bool(r.work_role)),
    ("the grade", lambda r: bool(r.grade)),
    ("the firm's standard", lambda r: True),
)


def applies(**wanted: Any) -> sa.ColumnElement[bool]:
    """Whether a card is valid `on` the day, in the `currency`: what it leaves empty holds for everything, what it names
    must be so."""
    on, currency = wanted.pop("on"), wanted.pop("currency")
    columns = {name: getattr(Rate, name) for name in wanted}
    return sa.and_(
        Rate.archived_at.is_(None),
        Rate.currency == currency,
        Rate.from_on <= on,
        sa.or_(Rate.to_on.is_(None), Rate.to_on > on),
        *(sa.or_(column.is_(None), column == wanted[name]) for name, column in columns.items()),
    )


def given(*names: str) -> dict[str, sa.BindParameter[Any]]:
    """Parameters for `applies` that are given with each question."""
    return {name: sa.bindparam(name, type_=sa.Date() if name == "on" else getattr(Rate, name).type) for name in names}


_CARDS = sa.select(*CARD).where(
    applies(**given("on", "currency", "person_id", "grade", "work_role", "activity", "client_id", "engagement_id"))
)


def place(rate: Card) -> int:
    return next(i for i, (_, holds) in enumerate(ORDER) if holds(rate))


def find_rate(
    engagement: Engagement,
    person: Person,
    on: dt.date,
    *,
    work_role: WorkRole | None = None,
    activity: str = "",
) -> FoundRate:
    """The most specific rate valid on the day, in the engagement's currency; None with its reason if there is none."""
    rates = db.session.execute(
        _CARDS,
        {
            "person_id": person.id,
            "grade": person.grade or None,
            "work_role": work_role,
            "activity": activity or None,
            "client_id": engagement.client_id,
            "engagement_id": engagement.id,
            "currency": engagement.currency,
            "on": on,
        },
    ).all()
    return choose([Card(*rate) for rate in rates], engagement.currency, on)


def choose(cards: Iterable[Card], currency: str, on: dt.date) -> FoundRate:
    """The most specific of the cards that apply."""
    ordered = sorted(cards, key=lambda rate: (place(rate), -rate.from_on.toordinal()))
    considered = tuple((ORDER[place(rate)][0], rate) for rate in ordered)
    if not ordered:
        return FoundRate(None, f"no rate card in {currency} covers {on:%-d %B %Y}", None)
    best = ordered[0]
    return FoundRate(best.amount, f"{considered[0][0]}, from {best.from_on:%-d %B %Y}", best.id, considered)


def rate_of_entry(entry: TimeEntry) -> FoundRate:
    """What would be found for an entry today, beside what it keeps: for telling why."""
    engagement = db.session.get_one(Engagement, entry.engagement_id)
    person = db.session.get_one(Person, entry.person_id)
    return find_rate(engagement, person, entry.worked_on, work_role=entry.work_role, activity=entry.activity)
