"""Reading what people work and what is left of their work, for `jobs.load`: its sums, and the steps that they sum."""

from __future__ import annotations

import datetime as dt
import enum
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.models import WorkRole
from app.clients.models import Client
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.firm.calendars import WorkingCalendar, calendar_for
from app.firm.models import Closure, Office
from app.jobs.load import NOTHING, Hours, left_sql
from app.jobs.models import OPEN_STATES, Job, JobStatus, Task
from app.people.models import Person, WorkingPattern
from app.people.queries import leave_from

LEFT: Any = sa.cast(sa.literal_column(left_sql()), sa.BigInteger)
# The one rule of which steps are load; whoever asks adds whose they are and when.
IS_LOAD = (Job.status == JobStatus.ACTIVE, Task.state.in_(OPEN_STATES))
IS_GUESSED = sa.and_(Task.estimate.is_(None), Task.remaining.is_(None))
PER_PAGE = 50
NO_ROLE, NOBODY = "none", "nobody"


class Due(enum.StrEnum):
    """When load is due: by the Sunday of this week, what is late among it; after that; on no day."""

    WEEK = "week"
    LATER = "later"
    UNDATED = "undated"

    @property
    def condition(self) -> Any:
        sunday = today() + dt.timedelta(days=6 - today().weekday())
        within = {Due.WEEK: Task.due_on <= sunday, Due.LATER: Task.due_on > sunday, Due.UNDATED: Task.due_on.is_(None)}
        return within[self]


@dataclass(frozen=True, kw_only=True)
class LoadFilter:
    """What the list of load is narrowed to. `role` is of steps that nobody has: a work role, NO_ROLE, or NOBODY for all
    of them."""

    person_id: UUID | None = None
    role: str = ""
    due: Due | None = None
    guessed: bool = False

    def conditions(self, seen_by: Actor) -> list[Any]:
        found = [*IS_LOAD, sa.literal(not seen_by.is_contact)]
        found += within_sight(seen_by, Task.client_id, Task.engagement_id)
        if self.person_id:
            found.append(Task.assignee_id == self.person_id)
        if self.role:
            found.append(Task.assignee_id.is_(None))
        if self.role == NO_ROLE:
            found.append(Task.work_role.is_(None))
        elif self.role and self.role != NOBODY:
            found.append(Task.work_role == WorkRole(self.role))
        if self.due:
            found.append(self.due.condition)
        return [*found, IS_GUESSED] if self.guessed else found


@dataclass(frozen=True)
class Load:
    """What is left on one person, or on a work role (None: on no role) where nobody has the steps."""

    person_id: UUID | None
    role: WorkRole | None
    week: dt.timedelta = NOTHING
    later: dt.timedelta = NOTHING
    undated: dt.timedelta = NOTHING
    guessed: int = 0


@dataclass(frozen=True)
class LoadRow:
    """One step of the list. `guessed`: it has no estimate, and counts by what such steps usually take."""

    id: UUID
    name: str
    job_id: UUID
    job: str
    client_id: UUID
    client: str
    person: str | None
    role: WorkRole | None
    due_on: dt.date | None
    left: dt.timedelta
    guessed: bool


@dataclass(frozen=True)
class LoadPage:
    """`total` and `left` are over all pages."""

    rows: Sequence[LoadRow]
    total: int
    left: dt.timedelta
    page: int

    @property
    def has_next(self) -> bool:
        return self.page * PER_PAGE < self.total


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
        .where(*IS_LOAD, Task.assignee_id.in_(ids), Task.due_on.is_not(None))
        .group_by(Task.assignee_id, Task.due_on)
    )
    for person, due_on, left in db.session.execute(work) if promised_too else ():
        promised[person].append((due_on, _time(left)))
    return Hours(
        {row.id: row.name for row in named}, patterns, promised,
        {row.id: offices[row.office_id] for row in named if row.office_id in offices},
        leave_from(ids, since or today()),
    )


def office_calendars() -> dict[UUID, WorkingCalendar]:
    """By office: its holidays and closures."""
    closed = sa.or_(Closure.office_id.is_(None), Closure.office_id == Office.id)
    found: dict[tuple[UUID, str], list[dt.date]] = defaultdict(list)
    for office_id, calendar, day in db.session.execute(
        sa.select(Office.id, Office.calendar, Closure.closed_on).outerjoin(Closure, closed)
    ):
        found[office_id, calendar] += [day] if day else []
    return {office_id: calendar_for(calendar, closures=days) for (office_id, calendar), days in found.items()}


def load_of(*, seen_by: Actor) -> list[Load]:
    """Everything that is left: by person, then by the role of what nobody has; one query."""
    role = sa.case((Task.assignee_id.is_(None), Task.work_role))
    rows = db.session.execute(
        sa.select(
            Task.assignee_id, role, *(sa.func.sum(LEFT).filter(due.condition) for due in Due),
            sa.func.count().filter(IS_GUESSED),
        ).join(Job, Job.id == Task.job_id).where(*LoadFilter().conditions(seen_by)).group_by(sa.text("1, 2"))
    )
    found = [
        Load(person, WorkRole(role) if role else None, _time(week), _time(later), _time(undated), guessed)
        for person, role, week, later, undated, guessed in rows
    ]
    return sorted(found, key=lambda load: (load.person_id is None, load.role is None, load.role or ""))


def list_load(found: LoadFilter, *, seen_by: Actor, page: int = 1) -> LoadPage:
    """One page of the steps that a sum of load counts, the first due first: two queries."""
    conditions = found.conditions(seen_by)
    total, left = db.session.execute(
        sa.select(sa.func.count(), sa.func.sum(LEFT)).select_from(Task).join(Job, Job.id == Task.job_id)
        .where(*conditions)
    ).one()
    rows = db.session.execute(
        sa.select(
            Task.id, Task.name, Task.job_id, Job.title.label("job"), Task.client_id, Client.name.label("client"),
            Person.name.label("person"), Task.work_role.label("role"), Task.due_on, LEFT.label("left"),
            IS_GUESSED.label("guessed"),
        )
        .join(Job, Job.id == Task.job_id).join(Client, Client.id == Task.client_id)
        .outerjoin(Person, Person.id == Task.assignee_id).where(*conditions)
        .order_by(Task.due_on.asc().nulls_last(), Task.id).limit(PER_PAGE).offset((page - 1) * PER_PAGE)
    ).all()
    return LoadPage([LoadRow(**(row._asdict() | {"left": _time(row.left)})) for row in rows], total, _time(left), page)


def _time(seconds: Any) -> dt.timedelta:
    return dt.timedelta(seconds=int(seconds or 0))
