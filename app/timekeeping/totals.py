"""Sums over the entries of a job, client or engagement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Client, Engagement
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import db
from app.jobs.models import Job, Task
from app.people.models import Person
from app.timekeeping.models import TimeEntry
from app.timekeeping.queries import PAGE, with_names


@dataclass(frozen=True, kw_only=True)
class EntryFilter:
    """Which entries; what is empty does not narrow."""

    person_id: UUID | None = None
    client_id: UUID | None = None
    engagement_id: UUID | None = None
    job_id: UUID | None = None
    first: dt.date | None = None
    last: dt.date | None = None
    billable: bool = False

    def conditions(self, seen_by: Actor) -> list[Any]:
        if seen_by.is_contact:
            return [sa.false()]
        found: list[Any] = [TimeEntry.deleted_at.is_(None)]
        found += within_sight(seen_by, TimeEntry.client_id, TimeEntry.engagement_id)
        for name in ("person_id", "client_id", "engagement_id", "job_id"):
            if (value := getattr(self, name)) is not None:
                found.append(getattr(TimeEntry, name) == value)
        if self.first:
            found.append(TimeEntry.worked_on >= self.first)
        if self.last:
            found.append(TimeEntry.worked_on <= self.last)
        return [*found, TimeEntry.billable] if self.billable else found


@dataclass(frozen=True)
class Totals:
    """What one person has put in, and what it was valued at; in all without a person."""

    person: str
    entries: int
    recorded: dt.timedelta
    charged: dt.timedelta
    value: Decimal
    unbilled: Decimal
    currency: str


_RECORDED = sa.func.coalesce(sa.func.sum(sa.cast(TimeEntry.recorded, sa.BigInteger)), 0)
# What is charged is of billable time alone: a screen that sums it says so.
_CHARGED = sa.func.coalesce(
    sa.func.sum(sa.cast(TimeEntry.charged, sa.BigInteger)).filter(TimeEntry.billable), 0
)


def recorded_by(found: EntryFilter, *, seen_by: Actor) -> dict[UUID, tuple[dt.timedelta, dt.timedelta]]:
    """By person: what they recorded and what of it is charged; one query."""
    rows = db.session.execute(
        sa.select(TimeEntry.person_id, _RECORDED, _CHARGED).where(*found.conditions(seen_by))
        .group_by(TimeEntry.person_id)
    )
    return {person: (_time(recorded), _time(charged)) for person, recorded, charged in rows}


@dataclass(frozen=True)
class EntryPage:
    """One page of entries; `total` and the sums are over all pages."""

    rows: Sequence[TimeEntry]
    total: int
    recorded: dt.timedelta
    charged: dt.timedelta
    page: int

    @property
    def has_next(self) -> bool:
        return self.page * PAGE < self.total


def list_found(found: EntryFilter, *, seen_by: Actor, page: int = 1) -> EntryPage:
    """The entries that a sum counts, newest first; two queries."""
    conditions = found.conditions(seen_by)
    total, recorded, charged = db.session.execute(
        sa.select(sa.func.count(), _RECORDED, _CHARGED).where(*conditions)
    ).one()
    chosen = sa.select(TimeEntry).where(*conditions).order_by(TimeEntry.worked_on.desc(), TimeEntry.id.desc())
    rows = db.session.scalars(with_names(chosen).limit(PAGE).offset((page - 1) * PAGE)).unique().all()
    return EntryPage(rows, total, _time(recorded), _time(charged), page)


def _time(seconds: int) -> dt.timedelta:
    return dt.timedelta(seconds=int(seconds))


def total_by_person(found: EntryFilter, *, seen_by: Actor) -> list[Totals]:
    """One row a person and currency, those with the most time first; one query."""
    seconds = [sa.func.sum(sa.cast(column, sa.Integer)) for column in (TimeEntry.recorded, TimeEntry.charged)]
    rows: Any = db.session.execute(
        sa.select(
            Person.name,
            sa.func.count(),
            *seconds,
            sa.func.sum(TimeEntry.value),
            sa.func.sum(TimeEntry.open_value),
            TimeEntry.currency,
        )
        .join(Person, Person.id == TimeEntry.person_id)
        .where(*found.conditions(seen_by))
        .group_by(Person.id, TimeEntry.currency)
        .order_by(seconds[0].desc(), Person.sort_key)
    )
    return [_totals(*row) for row in rows]


def _totals(
    name: str, count: int, recorded: int, charged: int, value: Decimal, unbilled: Decimal, currency: str
) -> Totals:
    seconds = dt.timedelta(seconds=int(recorded)), dt.timedelta(seconds=int(charged))
    return Totals(name, count, *seconds, value, unbilled, currency)


def every_entry(found: EntryFilter, *, seen_by: Actor) -> Iterator[Any]:
    """Rows for an export, streamed, oldest first."""
    yield from (
        db.session.execute(
            sa.select(
                TimeEntry,
                Person.name,
                Client.code,
                Client.name,
                Engagement.number,
                Engagement.name,
                Job.title,
                Task.name,
            )
            .join(Person, Person.id == TimeEntry.person_id)
            .join(Client, Client.id == TimeEntry.client_id)
            .join(Engagement, Engagement.id == TimeEntry.engagement_id)
            .outerjoin(Job, Job.id == TimeEntry.job_id)
            .outerjoin(Task, Task.id == TimeEntry.task_id)
            .where(*found.conditions(seen_by))
            .order_by(TimeEntry.worked_on, TimeEntry.id)
            .execution_options(yield_per=500)
        )
    )
