"""My work: what one person has to do, in a fixed order that can be told in words."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.models import StepKind
from app.clients.models import Client
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.core.wording import day, distance
from app.jobs.models import DOABLE_STATES, OPEN_STATES, Dependency, Job, JobStatus, Task, TaskState
from app.people.models import Person

PER_PAGE = 50
PRIORITIES = ("normal priority", "high priority", "urgent")
# The whole order, as it is printed on the page. Ties go by age.
ORDER = ("deadline pressure", "priority", "who waits on it")


class Tab(enum.StrEnum):
    TODAY = "today"
    WEEK = "week"
    WAITING = "waiting"


@dataclass(frozen=True)
class WorkRow:
    """A task as My work shows it. `pressure` is the day by which it must be started, or is due without a plan."""

    id: UUID
    name: str
    state: TaskState
    kind: StepKind
    version: int
    due_on: dt.date | None
    latest_start_on: dt.date | None
    open_after: dt.date | None
    snoozed_until: dt.date | None
    priority: int
    waited_on_by: int
    estimate: dt.timedelta | None
    spent: dt.timedelta
    return_note: str
    job_id: UUID
    job_title: str
    client_id: UUID
    client_name: str
    assignee: str | None = None
    waits_for: str = ""

    @property
    def pressure(self) -> dt.date | None:
        return min((each for each in (self.due_on, self.latest_start_on) if each), default=None)

    @property
    def is_late(self) -> bool:
        return self.due_on is not None and self.due_on < today()

    @property
    def group(self) -> str:
        if self.state is TaskState.WAITING:
            return "client"
        if self.state is TaskState.BLOCKED:
            return "colleagues"
        if self.snoozed_until and self.snoozed_until > today():
            return "put_off"
        if self.is_late:
            return "late"
        return "today" if self.pressure and self.pressure <= today() else "next"

    @property
    def order(self) -> tuple[dt.date, int, int]:
        """Smaller comes first: pressure, priority, who waits on it."""
        return self.pressure or dt.date.max, -self.priority, -self.waited_on_by

    @property
    def why(self) -> str:
        """The same order in words."""
        parts = [self._pressure_words()]
        if self.priority:
            parts.append(PRIORITIES[min(self.priority, 2)])
        if self.waited_on_by:
            parts.append(f"{self.waited_on_by} {'step waits' if self.waited_on_by == 1 else 'steps wait'} for it")
        return ", ".join(parts)

    def _pressure_words(self) -> str:
        start, due = self.latest_start_on, self.due_on
        if due and due < today():
            return f"was due {distance(due)}"
        if start and (not due or start < due):
            late = start < today()
            return f"{'should have started' if late else 'must start'} by {day(start)} to be in time"
        return f"due {distance(due)}" if due else "no due date"


_PRESSURE = sa.func.least(Task.due_on, Task.latest_start_on)
_COLUMNS = (
    Task.id, Task.name, Task.state, Task.kind, Task.version, Task.due_on, Task.latest_start_on, Task.open_after,
    Task.snoozed_until, Task.priority, Task.waited_on_by, Task.estimate, Task.spent, Task.return_note, Task.job_id,
    Job.title.label("job_title"), Task.client_id, Client.name.label("client_name"),
)


def list_work(tab: Tab, *, of: UUID, seen_by: Actor, page: int = 1) -> tuple[list[WorkRow], bool]:
    """One page of somebody's work and whether there is more; two queries at most."""
    statement = (
        sa.select(*_COLUMNS).join(Job, Job.id == Task.job_id).join(Client, Client.id == Task.client_id)
        .where(*_mine(of, seen_by), *_in_tab(tab)).order_by(*_order(tab), Task.id)
        .limit(PER_PAGE + 1).offset((page - 1) * PER_PAGE)
    )
    rows = [WorkRow(*tuple(row)) for row in db.session.execute(statement)]
    more, rows = len(rows) > PER_PAGE, rows[:PER_PAGE]
    return (_with_causes(rows) if tab is Tab.WAITING else rows), more


def count_work(*, of: UUID, seen_by: Actor) -> dict[Tab, int]:
    """How much stands in each tab, in one pass."""
    counts = [sa.func.count().filter(*_in_tab(tab)) for tab in Tab]
    row = db.session.execute(
        sa.select(*counts).select_from(Task).join(Job, Job.id == Task.job_id).where(*_mine(of, seen_by))
    ).one()
    return dict(zip(Tab, row, strict=True))


def get_work_row(task_id: UUID, *, seen_by: Actor) -> WorkRow | None:
    """One row of the list, after something was done to it."""
    row = db.session.execute(
        sa.select(*_COLUMNS).join(Job, Job.id == Task.job_id).join(Client, Client.id == Task.client_id)
        .where(Task.id == task_id, *within_sight(seen_by, Task.client_id, Task.engagement_id))
    ).one_or_none()
    return WorkRow(*tuple(row)) if row else None


def _mine(person: UUID, seen_by: Actor) -> list[Any]:
    return [
        Task.assignee_id == person, Task.state.in_(OPEN_STATES), Job.status == JobStatus.ACTIVE,
        *within_sight(seen_by, Task.client_id, Task.engagement_id),
    ]


def _in_tab(tab: Tab) -> list[Any]:
    awake = sa.or_(Task.snoozed_until.is_(None), Task.snoozed_until <= today())
    doable = Task.state.in_(DOABLE_STATES)
    if tab is Tab.TODAY:
        return [doable, awake]
    if tab is Tab.WEEK:
        sunday = today() + dt.timedelta(days=6 - today().weekday())
        return [doable, awake, sunday >= _PRESSURE]
    return [sa.or_(~doable, ~awake)]


def _order(tab: Tab) -> list[Any]:
    by_order = [_PRESSURE.asc().nulls_last(), Task.priority.desc(), Task.waited_on_by.desc()]
    if tab is Tab.WAITING:
        place = sa.case((Task.state == TaskState.WAITING, 0), (Task.state == TaskState.BLOCKED, 1), else_=2)
        return [place, *by_order]
    return [sa.case((Task.due_on < today(), 0), (today() >= _PRESSURE, 1), else_=2), *by_order]


def _with_causes(rows: Sequence[WorkRow]) -> list[WorkRow]:
    """Blocked rows with the names of what they come after, and of who has it."""
    from dataclasses import replace

    blocked = [row.id for row in rows if row.state is TaskState.BLOCKED]
    if not blocked:
        return list(rows)
    causes: dict[UUID, list[str]] = {}
    for task_id, name, person in db.session.execute(
        sa.select(Dependency.task_id, Task.name, Person.name).join(Task, Task.id == Dependency.on_id)
        .outerjoin(Person, Person.id == Task.assignee_id)
        .where(Dependency.task_id.in_(blocked), Dependency.kind == "hard", Task.state.in_(OPEN_STATES))
        .order_by(Task.position)
    ):
        causes.setdefault(task_id, []).append(f"“{name}”" + (f" ({person})" if person else ""))
    return [replace(row, waits_for=", ".join(causes.get(row.id, ()))) for row in rows]
