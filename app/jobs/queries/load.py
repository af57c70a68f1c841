"""Reading what people work and what is left of their work, for `jobs.load`."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.firm.calendars import WorkingCalendar, calendar_for
from app.firm.models import Closure, Office
from app.jobs.load import Hours, left_sql
from app.jobs.models import OPEN_STATES, Job, JobStatus, Task
from app.people.models import Person, WorkingPattern
from app.people.queries import leave_from

LEFT: Any = sa.cast(sa.literal_column(left_sql()), sa.BigInteger)


def hours_of(people: Collection[UUID], *, since: dt.date | None = None, promised_too: bool = True) -> Hours:
    """What these people work from today (or an earlier day) on, and what they have promised by when, if that is asked.
    """
    ids = list(people)
    if not ids:
        return Hours()
    named = db.session.execute(sa.select(Person.id, Person.name, Person.office_id).where(Person.id.in_(ids))).all()
    offices = office_calendars()
    patterns: dict[UUID, list[tuple[dt.date, list[int]]]] = defaultdict(list)
    for row in db.session.execute(
        sa.select(WorkingPattern.person_id, WorkingPattern.from_on, WorkingPattern.minutes)
        .where(WorkingPattern.person_id.in_(ids)).order_by(WorkingPattern.from_on)
    ):
        patterns[row.person_id].append((row.from_on, row.minutes))
    promised: dict[UUID, list[tuple[dt.date, dt.timedelta]]] = defaultdict(list)
    work = (
        sa.select(Task.assignee_id, Task.due_on, sa.func.sum(LEFT)).join(Job, Job.id == Task.job_id)
        .where(Job.status == JobStatus.ACTIVE, Task.state.in_(OPEN_STATES), Task.assignee_id.in_(ids),
               Task.due_on.is_not(None))
        .group_by(Task.assignee_id, Task.due_on)
    )
    for person, due_on, left in db.session.execute(work) if promised_too else ():
        promised[person].append((due_on, dt.timedelta(seconds=int(left))))
    return Hours(
        {row.id: row.name for row in named}, patterns, promised,
        {row.id: offices[row.office_id] for row in named if row.office_id in offices},
        leave_from(ids, since or today()),
    )


def office_calendars() -> dict[UUID, WorkingCalendar]:
    """By office: its holidays and closures."""
    closures = db.session.execute(sa.select(Closure.office_id, Closure.closed_on)).all()
    return {
        row.id: calendar_for(row.calendar, closures=[c.closed_on for c in closures if c.office_id in (None, row.id)])
        for row in db.session.execute(sa.select(Office.id, Office.calendar))
    }


def due_by(day: dt.date, *, seen_by: Actor) -> dict[UUID | None, dt.timedelta]:
    """By person: what is left of the steps that are due by a day, late ones among them; under None what nobody has."""
    rows = db.session.execute(
        sa.select(Task.assignee_id, sa.func.sum(LEFT)).join(Job, Job.id == Task.job_id)
        .where(
            Job.status == JobStatus.ACTIVE, Task.state.in_(OPEN_STATES), Task.due_on <= day,
            sa.literal(not seen_by.is_contact), *within_sight(seen_by, Task.client_id, Task.engagement_id),
        ).group_by(Task.assignee_id)
    )
    return {person: dt.timedelta(seconds=int(left)) for person, left in rows}
