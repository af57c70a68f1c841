"""Reading time: timers, a person's days and weeks, rates, why a rate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.clients.models import Client, Engagement
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db, get_or_404
from app.core.errors import NotFound
from app.jobs.models import Job, Task
from app.people.models import Person
from app.timekeeping.models import RATE_KEY, Expense, Rate, TimeEntry, Timer
from app.timekeeping.policy import can_see_rates

PAGE = 50


def entries_seen_by(actor: Actor) -> sa.Select[TimeEntry]:
    """Time on the clients that one may see, one's own and the colleagues'. Contacts see none."""
    if actor.is_contact:
        return sa.select(TimeEntry).where(sa.false())
    return sa.select(TimeEntry).where(
        TimeEntry.deleted_at.is_(None), *within_sight(actor, TimeEntry.client_id, TimeEntry.engagement_id)
    )


def with_names(statement: sa.Select[TimeEntry]) -> sa.Select[TimeEntry]:
    """With what a row of time names: client, engagement, job, step, person."""
    return statement.options(
        joinedload(TimeEntry.client).load_only(Client.id, Client.name, Client.code),
        joinedload(TimeEntry.engagement).load_only(Engagement.id, Engagement.name, Engagement.number),
        joinedload(TimeEntry.job).load_only(Job.id, Job.title, Job.number),
        joinedload(TimeEntry.task).load_only(Task.id, Task.name),
        joinedload(TimeEntry.person).load_only(Person.id, Person.name),
    )


def get_entry(entry_id: UUID, *, seen_by: Actor, deleted: bool = False) -> TimeEntry:
    if deleted and not seen_by.is_contact:
        base = sa.select(TimeEntry).where(*within_sight(seen_by, TimeEntry.client_id, TimeEntry.engagement_id))
    else:
        base = entries_seen_by(seen_by)
    statement = with_names(base.where(TimeEntry.id == entry_id))
    return get_or_404(statement.execution_options(populate_existing=True))


def list_entries(
    *,
    seen_by: Actor,
    person_id: UUID | None = None,
    first: dt.date | None = None,
    last: dt.date | None = None,
    job_id: UUID | None = None,
    client_id: UUID | None = None,
    engagement_id: UUID | None = None,
    page: int = 1,
    per_page: int = PAGE,
) -> Sequence[TimeEntry]:
    """Entries newest first, `per_page` and one more (so that a pager knows of a next page)."""
    statement = entries_seen_by(seen_by)
    filters = {
        TimeEntry.person_id: person_id,
        TimeEntry.job_id: job_id,
        TimeEntry.client_id: client_id,
        TimeEntry.engagement_id: engagement_id,
    }
    for column, value in filters.items():
        if value is not None:
            statement = statement.where(column == value)
    if first:
        statement = statement.where(TimeEntry.worked_on >= first)
    if last:
        statement = statement.where(TimeEntry.worked_on <= last)
    statement = statement.order_by(TimeEntry.worked_on.desc(), TimeEntry.id.desc())
    return db.session.scalars(with_names(statement).limit(per_page + 1).offset((page - 1) * per_page)).unique().all()


@dataclass(frozen=True)
class DaySum:
    """Recorded, charged and billable time of one day."""

    day: dt.date
    recorded: dt.timedelta
    charged: dt.timedelta
    billable: dt.timedelta


def sum_by_day(person_id: UUID, first: dt.date, last: dt.date, *, seen_by: Actor) -> list[DaySum]:
    """One row for each day of the span, empty days too."""
    rows = db.session.execute(
        sa.select(
            TimeEntry.worked_on,
            sa.func.sum(sa.cast(TimeEntry.recorded, sa.Integer)),
            sa.func.sum(sa.cast(TimeEntry.charged, sa.Integer)),
            sa.func.sum(sa.cast(TimeEntry.charged, sa.Integer)).filter(TimeEntry.billable),
        )
        .where(
            TimeEntry.person_id == person_id,
            TimeEntry.worked_on.between(first, last),
            TimeEntry.deleted_at.is_(None),
            *within_sight(seen_by, TimeEntry.client_id, TimeEntry.engagement_id),
        )
        .group_by(TimeEntry.worked_on)
    ).all()
    found = {row[0]: [dt.timedelta(seconds=int(value or 0)) for value in row[1:]] for row in rows}
    zero = [dt.timedelta()] * 3
    return [
        DaySum(day, *found.get(day, zero)) for day in (first + dt.timedelta(n) for n in range((last - first).days + 1))
    ]


def _timers(seen_by: Actor) -> sa.Select[Timer]:
    return (
        sa.select(Timer)
        .where(*_own(seen_by))
        .options(
            joinedload(Timer.client).load_only(Client.id, Client.name, Client.code),
            joinedload(Timer.engagement).load_only(Engagement.id, Engagement.name),
            joinedload(Timer.job).load_only(Job.id, Job.title),
            joinedload(Timer.task).load_only(Task.id, Task.name),
        )
    )


@dataclass(frozen=True)
class TimerGlance:
    """What the bar over every page tells of a timer."""

    id: UUID
    running_since: dt.datetime | None
    gathered: dt.timedelta
    overran: bool
    task_id: UUID | None
    job_id: UUID | None
    name: str
    client: str


def _glance(*conditions: sa.ColumnElement[bool]) -> sa.Select[*tuple[Any, ...]]:
    """The timer that runs and one that was forgotten, and how many there are in all."""
    return (
        sa.select(
            Timer.id,
            Timer.running_since,
            Timer.gathered,
            Timer.overran,
            Timer.task_id,
            Timer.job_id,
            sa.func.coalesce(Task.name, Job.title, Engagement.name).label("name"),
            Client.name.label("client"),
            sa.func.count().over().label("total"),
        )
        .join(Client, Client.id == Timer.client_id)
        .join(Engagement, Engagement.id == Timer.engagement_id)
        .outerjoin(Job, Job.id == Timer.job_id)
        .outerjoin(Task, Task.id == Timer.task_id)
        .where(Timer.discarded_at.is_(None), *conditions)
        .order_by(Timer.running_since.nulls_last(), Timer.overran.desc())
        .limit(2)
    )


@lru_cache(maxsize=512)
def _glance_of(seen_by: Actor) -> sa.Select[*tuple[Any, ...]]:
    return _glance(*_own(seen_by))


def timers_at_a_glance(*, seen_by: Actor) -> tuple[list[TimerGlance], int]:
    """For the bar over every page, in one small query: the timer that runs and one that was forgotten, and how many
    there are in all."""
    rows = db.session.execute(_glance_of(seen_by)).all()
    return [TimerGlance(*row[:-1]) for row in rows], rows[0].total if rows else 0


def has_timers(person_id: sa.ScalarSelect[UUID]) -> sa.ColumnElement[bool]:
    """Whether there is anything for that bar, for the question that brings a person in; it knows of no walls."""
    return sa.exists().where(Timer.person_id == person_id, Timer.discarded_at.is_(None))


def _own(seen_by: Actor) -> list[sa.ColumnElement[bool]]:
    return [
        Timer.person_id == seen_by.id if seen_by.is_person else sa.false(),
        Timer.discarded_at.is_(None),
        *within_sight(seen_by, Timer.client_id, Timer.engagement_id),
    ]


def list_timers(*, seen_by: Actor) -> Sequence[Timer]:
    """One's own timers, the running one first; the hundred latest."""
    statement = _timers(seen_by).order_by(Timer.running_since.desc().nulls_last(), Timer.started_at.desc()).limit(100)
    return db.session.scalars(statement).unique().all()


def get_timer(timer_id: UUID, *, seen_by: Actor) -> Timer:
    """One of one's own timers, a discarded one too; anybody else's is not there."""
    return get_or_404(sa.select(Timer).where(
        Timer.id == timer_id, Timer.person_id == seen_by.person_id,
        *within_sight(seen_by, Timer.client_id, Timer.engagement_id),
    ))


def discarded_timer(timer_id: UUID | None, *, seen_by: Actor) -> Timer | None:
    """One of one's own that was thrown away and can still be taken back."""
    wanted = sa.select(Timer).where(
        Timer.id == timer_id, Timer.person_id == seen_by.person_id, Timer.discarded_at.is_not(None),
        *within_sight(seen_by, Timer.client_id, Timer.engagement_id),
    )
    return db.session.scalar(wanted) if timer_id else None


def entry_of_timer(timer_id: UUID, *, seen_by: Actor) -> TimeEntry | None:
    """What one's own timer became when it was stopped."""
    return db.session.scalar(
        sa.select(TimeEntry).where(TimeEntry.timer_id == timer_id, TimeEntry.person_id == seen_by.person_id)
    )


def expenses_seen_by(actor: Actor) -> sa.Select[Expense]:
    if actor.is_contact:
        return sa.select(Expense).where(sa.false())
    return sa.select(Expense).where(
        Expense.deleted_at.is_(None), *within_sight(actor, Expense.client_id, Expense.engagement_id)
    )


def get_expense(expense_id: UUID, *, seen_by: Actor, deleted: bool = False) -> Expense:
    base = expenses_seen_by(seen_by)
    if deleted and not seen_by.is_contact:
        base = sa.select(Expense).where(*within_sight(seen_by, Expense.client_id, Expense.engagement_id))
    return get_or_404(
        base.where(Expense.id == expense_id)
        .options(
            joinedload(Expense.client),
            joinedload(Expense.engagement),
            joinedload(Expense.job),
            joinedload(Expense.task),
            joinedload(Expense.document),
            joinedload(Expense.person).load_only(Person.id, Person.name),
        )
        .execution_options(populate_existing=True)
    )


def list_expenses(*, seen_by: Actor, person_id: UUID | None = None, page: int = 1) -> Sequence[Expense]:
    """Expenses newest first, a page and one more."""
    statement = expenses_seen_by(seen_by).options(
        joinedload(Expense.client).load_only(Client.id, Client.name, Client.code),
        joinedload(Expense.engagement).load_only(Engagement.id, Engagement.name),
        joinedload(Expense.person).load_only(Person.id, Person.name),
    )
    if person_id:
        statement = statement.where(Expense.person_id == person_id)
    return (
        db.session.scalars(
            statement.order_by(Expense.worked_on.desc(), Expense.id.desc()).limit(PAGE + 1).offset((page - 1) * PAGE)
        )
        .unique()
        .all()
    )


@dataclass(frozen=True)
class RateRow:
    """A rate with the names of whom and what it is for."""

    rate: Rate
    person: str | None
    client: str | None
    engagement: str | None


def list_rates(*, seen_by: Actor, everything: bool = False) -> list[RateRow]:
    """Rates in use, the most exact first, or with `everything` ended and archived ones too. Takes a permission."""
    if not can_see_rates(seen_by):
        return []
    statement = (
        sa.select(Rate, Person.name, Client.name, Engagement.name)
        .outerjoin(Person, Person.id == Rate.person_id)
        .outerjoin(Engagement, Engagement.id == Rate.engagement_id)
        .outerjoin(Client, Client.id == sa.func.coalesce(Rate.client_id, Engagement.client_id))
        .where(*within_sight(seen_by, Client.id, Rate.engagement_id))
        .order_by(
            Rate.engagement_id.is_(None),
            Rate.client_id.is_(None),
            Client.sort_key,
            Rate.person_id.is_(None),
            Person.sort_key,
            Rate.grade,
            Rate.work_role,
            Rate.activity,
            Rate.currency,
            Rate.from_on.desc(),
        )
    )
    if not everything:
        statement = statement.where(Rate.archived_at.is_(None), sa.or_(Rate.to_on.is_(None), Rate.to_on > today()))
    return [RateRow(*row) for row in db.session.execute(statement.limit(2000))]


@dataclass(frozen=True)
class RateHole:
    """Days without a card of one's own after one has ended: from when until when (None: on and on), and whose."""

    from_on: dt.date
    to_on: dt.date | None
    currency: str
    row: RateRow


def rate_holes(*, seen_by: Actor) -> list[RateHole]:
    """Where a card in use ends and none for the same people and work goes on: a more general rate applies, or none."""
    if not can_see_rates(seen_by):
        return []
    following = sa.func.lead(Rate.from_on).over(
        partition_by=[sa.text(f"({key})") for key in RATE_KEY], order_by=Rate.from_on
    )
    cards = sa.select(Rate.id, following.label("next_on")).where(Rate.archived_at.is_(None)).subquery()
    rows = db.session.execute(
        sa.select(Rate, Person.name, Client.name, Engagement.name, cards.c.next_on)
        .join(cards, cards.c.id == Rate.id)
        .outerjoin(Person, Person.id == Rate.person_id)
        .outerjoin(Engagement, Engagement.id == Rate.engagement_id)
        .outerjoin(Client, Client.id == sa.func.coalesce(Rate.client_id, Engagement.client_id))
        .where(
            Rate.to_on.is_not(None), cards.c.next_on.is_distinct_from(Rate.to_on),
            *within_sight(seen_by, Client.id, Rate.engagement_id),
        )
        .order_by(Person.sort_key, Rate.to_on)
        .limit(100)
    ).all()  # fmt: skip
    return [RateHole(rate.to_on, next_on, rate.currency, RateRow(rate, *names)) for rate, *names, next_on in rows]


def get_rate(rate_id: UUID, *, seen_by: Actor) -> Rate:
    if not can_see_rates(seen_by):
        raise NotFound()
    return get_or_404(
        sa.select(Rate).where(Rate.id == rate_id, *within_sight(seen_by, Rate.client_id, Rate.engagement_id))
    )


def every_expense(*, seen_by: Actor, person_id: UUID | None = None) -> Iterator[Any]:
    """Rows for an export, streamed."""
    statement = (
        sa.select(Expense, Person.name, Client.code, Client.name, Engagement.number, Engagement.name)
        .join(Person, Person.id == Expense.person_id)
        .join(Client, Client.id == Expense.client_id)
        .join(Engagement, Engagement.id == Expense.engagement_id)
        .where(
            sa.literal(not seen_by.is_contact),
            Expense.deleted_at.is_(None),
            *within_sight(seen_by, Expense.client_id, Expense.engagement_id),
        )
        .order_by(Expense.worked_on, Expense.id)
        .execution_options(yield_per=500)
    )
    yield from db.session.execute(statement.where(Expense.person_id == person_id) if person_id else statement)
