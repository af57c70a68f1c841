"""What waits for a rate: time without an hourly rate, and whatever is in a currency without an exchange rate. It is
kept, is worth nothing yet and is never billed; it is valued when the rate comes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Client, Engagement
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import among, db, ids_given
from app.firm.models import Entity
from app.people.models import Person
from app.timekeeping.models import Expense, Rate, TimeEntry
from app.timekeeping.policy import can_see_all_time

PAGE = 50


@dataclass(frozen=True)
class Waiting:
    """How many entries and expenses wait for a rate, the time of the entries and the first day of any; and whether
    there is any rate card at all."""

    entries: int
    expenses: int
    recorded: dt.timedelta
    first: dt.date | None
    any_rate: bool

    @property
    def count(self) -> int:
        return self.entries + self.expenses

    @property
    def words(self) -> str:
        """“3 entries and 1 expense”."""
        parts = [
            f"{number} {one if number == 1 else many}"
            for number, one, many in ((self.entries, "entry", "entries"), (self.expenses, "expense", "expenses"))
            if number
        ]
        return " and ".join(parts)


def still_waiting(table: type[TimeEntry] | type[Expense]) -> list[Any]:
    return [table.waiting, table.deleted_at.is_(None)]


def count_waiting(
    *,
    seen_by: Actor,
    person_id: UUID | None = None,
    client_id: UUID | None = None,
    engagement_ids: Collection[UUID] | None = None,
    until: dt.date | None = None,
) -> Waiting:
    """What waits, of one person, client or some engagements, up to a day; else all that may be seen. One query over the
    few rows that wait."""
    asked = {
        "person": person_id, "client": client_id, "until": until,
        "engagements": None if engagement_ids is None else list(engagement_ids),
    }
    values = {name: value for name, value in asked.items() if value is not None}
    return as_waiting(db.session.execute(sa.select(waiting_of(seen_by, *values)), values).one())


def as_waiting(row: Any) -> Waiting:
    """What a row of `waiting_of` says."""
    return Waiting(row.entries, row.expenses, dt.timedelta(seconds=int(row.recorded)), row.first, row.any_rate)


@lru_cache(maxsize=256)
def waiting_of(seen_by: Actor, *narrowed: str) -> sa.Subquery:
    """What waits as one row, for a page that asks more at once: `as_waiting` reads it. Made once for each pair of eyes.

    `narrowed` names what is given as parameters: `person`, `client`, `engagements`, `until`.
    """
    parts = []
    for table in (TimeEntry, Expense):
        given = {
            "person": table.person_id == sa.bindparam("person", type_=sa.Uuid()),
            "client": table.client_id == sa.bindparam("client", type_=sa.Uuid()),
            "engagements": among(table.engagement_id, ids_given("engagements")),
            "until": table.worked_on <= sa.bindparam("until", type_=sa.Date()),
        }
        recorded = sa.cast(TimeEntry.recorded, sa.Integer) if table is TimeEntry else sa.null()
        parts.append(
            sa.select(sa.cast(recorded, sa.Integer).label("recorded"), table.worked_on).where(
                *still_waiting(table), *(given[name] for name in narrowed),
                *within_sight(seen_by, table.client_id, table.engagement_id), sa.literal(not seen_by.is_contact),
            )
        )  # fmt: skip
    both = sa.union_all(*parts).subquery()
    return sa.select(
        sa.func.count(both.c.recorded).label("entries"),
        (sa.func.count() - sa.func.count(both.c.recorded)).label("expenses"),
        sa.func.coalesce(sa.func.sum(both.c.recorded), 0).label("recorded"),
        sa.func.min(both.c.worked_on).label("first"),
        sa.select(sa.exists().where(Rate.archived_at.is_(None))).scalar_subquery().label("any_rate"),
    ).subquery("waiting")


@dataclass(frozen=True)
class WaitingRow:
    """An entry or expense that waits, and for what. `recorded` is None for an expense."""

    id: UUID
    kind: str
    worked_on: dt.date
    client_id: UUID
    client: str
    engagement: str
    person: str
    narrative: str
    recorded: dt.timedelta | None
    currency: str
    base: str
    why: str

    @property
    def is_expense(self) -> bool:
        return self.kind == Expense.__tablename__

    @property
    def is_other(self) -> bool:
        """Whether it is in a currency that needs an exchange rate too."""
        return self.currency != self.base


def list_waiting(*, seen_by: Actor, page: int = 1) -> tuple[list[WaitingRow], bool]:
    """What waits, the oldest first, and whether there is more: everybody's for whoever may see it, else one's own."""
    parts = []
    for table in (TimeEntry, Expense):
        time = table is TimeEntry
        conditions = [*still_waiting(table), *within_sight(seen_by, table.client_id, table.engagement_id)]
        if not can_see_all_time(seen_by):
            conditions.append(table.person_id == seen_by.person_id)
        parts.append(
            sa.select(
                table.id, sa.literal(table.__tablename__).label("kind"), table.worked_on, table.client_id,
                table.engagement_id, table.person_id, table.narrative,
                (TimeEntry.recorded if time else sa.cast(sa.null(), TimeEntry.recorded.type)).label("recorded"),
                table.currency,
                (TimeEntry.rate_source if time else sa.literal("")).label("why"),
            ).where(*conditions)
        )  # fmt: skip
    both = sa.union_all(*parts).subquery()
    rows: Any = db.session.execute(
        sa.select(
            both.c.id, both.c.kind, both.c.worked_on, both.c.client_id, Client.name, Engagement.name, Person.name,
            both.c.narrative, both.c.recorded, both.c.currency, Entity.currency, both.c.why,
        )
        .join(Client, Client.id == both.c.client_id)
        .join(Engagement, Engagement.id == both.c.engagement_id)
        .join(Entity, Entity.id == Engagement.entity_id)
        .join(Person, Person.id == both.c.person_id)
        .order_by(both.c.worked_on, both.c.id)
        .limit(PAGE + 1)
        .offset((page - 1) * PAGE)
    ).all()  # fmt: skip
    found = [WaitingRow(*row) for row in rows]
    return found[:PAGE], len(found) > PAGE
