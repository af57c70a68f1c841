"""My work: what one person has to do, in a fixed order that can be told in words."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.models import StepKind
from app.clients.models import Client
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import local, now, today
from app.core.db import db
from app.core.wording import day, distance
from app.jobs.models import OPEN_STATES, Dependency, Job, Task, TaskState
from app.jobs.waits import why_waiting
from app.people.models import Person

PER_PAGE, MOST_COUNTED, FINISHED = 40, 100, 12
PRIORITIES = ("normal priority", "high priority", "urgent")
# The whole order, as it is printed on the page. Ties go by age.
ORDER = ("deadline pressure", "priority", "who waits on it")


class Tab(enum.StrEnum):
    TODAY = "today"
    WEEK = "week"
    WAITING = "waiting"
    NOBODY = "nobody"


OWN_TABS = (Tab.TODAY, Tab.WEEK, Tab.WAITING)


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
    deadline_on: dt.date | None = None
    deadline_name: str = ""
    on: dt.date = field(default_factory=today)
    waits_for: str = ""

    @property
    def pressure(self) -> dt.date | None:
        return min((each for each in (self.due_on, self.latest_start_on, self._passed) if each), default=None)

    @property
    def _passed(self) -> dt.date | None:
        """A deadline of the job presses by itself once it has passed; until then by the latest starts."""
        return self.deadline_on if self.deadline_on and self.deadline_on < self.on else None

    @property
    def is_late(self) -> bool:
        """Past its own date, or a step of a job that is past what the law wants."""
        return any(each is not None and each < self.on for each in (self.due_on, self.deadline_on))

    @property
    def group(self) -> str:
        if self.state is TaskState.WAITING:
            return "client"
        if self.state is TaskState.BLOCKED:
            return "colleagues"
        if self.snoozed_until and self.snoozed_until > self.on:
            return "put_off"
        if self.is_late:
            return "late"
        return "today" if self.pressure and self.pressure <= self.on else "next"

    @property
    def order(self) -> tuple[dt.date, int, int]:
        """Smaller comes first: pressure, priority, who waits on it."""
        return self.pressure or dt.date.max, -self.priority, -self.waited_on_by

    @property
    def why(self) -> str:
        """The same order in words."""
        late = self._passed and f"“{self.deadline_name}” was due {distance(self._passed, self.on)}"
        parts = [late or pressure_words(self.due_on, self.latest_start_on, self.on)]
        if self.priority:
            parts.append(PRIORITIES[min(self.priority, 2)])
        if self.waited_on_by:
            parts.append(f"{self.waited_on_by} {'step waits' if self.waited_on_by == 1 else 'steps wait'} for it")
        return ", ".join(parts)


@lru_cache(maxsize=4096)
def pressure_words(due: dt.date | None, start: dt.date | None, on: dt.date) -> str:
    """What presses, as a person would say it on that day."""
    if due and due < on:
        return f"was due {distance(due, on)}"
    if start and (not due or start < due):
        return f"{'should have started' if start < on else 'must start'} by {day(start, on)} to be in time"
    return f"due {distance(due, on)}" if due else "no due date"


# Tables and prepared statements instead of mapped classes: this list is asked more often than anything else.
_T, _J, _C = (cast(sa.Table, each.__table__) for each in (Task, Job, Client))
_TODAY, _SUNDAY = sa.bindparam("today", type_=sa.Date), sa.bindparam("sunday", type_=sa.Date)
# In the words of the partial indexes, so that every plan can use them.
_OPEN = sa.text("task.state NOT IN ('done', 'cancelled')")
_DOABLE = sa.text("task.state IN ('ready', 'in_progress', 'in_review')")
_PASSED = sa.case((_J.c.deadline_on < _TODAY, _J.c.deadline_on))
_LATE = sa.or_(_T.c.due_on < _TODAY, _J.c.deadline_on < _TODAY)
_PRESSURE = sa.func.least(_T.c.due_on, _T.c.latest_start_on, _PASSED)
# The rule of `WorkRow.group`.
_GROUP = sa.case(
    (_T.c.state == TaskState.WAITING, "client"), (_T.c.state == TaskState.BLOCKED, "colleagues"),
    (_T.c.snoozed_until > _TODAY, "put_off"), (_LATE, "late"), (_PRESSURE <= _TODAY, "today"), else_="next",
)
_COLUMNS = (
    _T.c.id, _T.c.name, _T.c.state, _T.c.kind, _T.c.version, _T.c.due_on, _T.c.latest_start_on, _T.c.open_after,
    _T.c.snoozed_until, _T.c.priority, _T.c.waited_on_by, _T.c.estimate, _T.c.spent, _T.c.return_note, _T.c.job_id,
    _J.c.title.label("job_title"), _T.c.client_id, _C.c.name.label("client_name"), _J.c.deadline_on, _J.c.deadline_name,
)
_JOINED = _T.join(_J, _J.c.id == _T.c.job_id).join(_C, _C.c.id == _T.c.client_id)


def list_work(
    tab: Tab, *, of: UUID, seen_by: Actor, group: str = "", page: int = 1
) -> tuple[list[WorkRow], bool]:
    """One page of somebody's work, or of what is nobody's yet, or of one group of it, and whether there is more; two
    queries at most."""
    asked = {**_days(), "person": of, "offset": (page - 1) * PER_PAGE} | ({"group": group} if group else {})
    found = db.session.execute(_listing(tab, seen_by, bool(group)), asked)
    rows = [WorkRow(*tuple(row)) for row in found]
    more, rows = len(rows) > PER_PAGE, rows[:PER_PAGE]
    return (_with_causes(rows) if tab in (Tab.WAITING, Tab.NOBODY) else rows), more


def count_work(*, of: UUID, seen_by: Actor) -> dict[Tab, int]:
    """How much stands in each tab; what waits is counted to MOST_COUNTED."""
    row = db.session.execute(_counting(seen_by), {**_days(), "person": of}).one()
    return dict(zip(OWN_TABS, row, strict=True))


def count_groups(tab: Tab, *, of: UUID, seen_by: Actor) -> dict[str, int]:
    """How many rows of a tab stand in each group over all its pages."""
    counting = (
        sa.select(_GROUP, sa.func.count()).select_from(_T.join(_J, _J.c.id == _T.c.job_id))
        .where(*_mine(seen_by, tab), *_in_tab(tab)).group_by(sa.text("1"))
    )
    return {row[0]: row[1] for row in db.session.execute(counting, {**_days(), "person": of})}


def every_task(*, seen_by: Actor) -> Iterator[Any]:
    """Every open step of an active job with who has it, streamed, for the file; asked when the first is drawn."""
    person = cast(sa.Table, Person.__table__)
    statement = (
        sa.select(*_COLUMNS, person.c.name.label("assignee"))
        .select_from(_JOINED.outerjoin(person, person.c.id == _T.c.assignee_id))
        .where(_OPEN, sa.text("job.status = 'active'"), *within_sight(seen_by, _T.c.client_id, _T.c.engagement_id))
        .order_by(_PRESSURE.asc().nulls_last(), _T.c.id).execution_options(yield_per=1000)
    )
    yield from db.session.execute(statement, _days())


def list_finished(*, by: UUID, seen_by: Actor, limit: int = FINISHED) -> list[WorkRow]:
    """What somebody has finished today, the latest first: to look back at, and to open again."""
    done, midnight = sa.text("task.state = 'done'"), local(now()).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = db.session.execute(
        sa.select(*_COLUMNS).select_from(_JOINED).where(
            done, _T.c.done_by == by, _T.c.done_at >= midnight,
            *within_sight(seen_by, _T.c.client_id, _T.c.engagement_id),
        ).order_by(_T.c.done_at.desc()).limit(limit)
    )
    return [WorkRow(*tuple(row)) for row in rows]


def row_of(task: Task) -> WorkRow:
    """The row of a task that is at hand with its job and client, after something was done to it."""
    return WorkRow(
        task.id, task.name, task.state, task.kind, task.version, task.due_on, task.latest_start_on, task.open_after,
        task.snoozed_until, task.priority, task.waited_on_by, task.estimate, task.spent, task.return_note, task.job_id,
        task.job.title, task.client_id, task.client.name, task.job.deadline_on, task.job.deadline_name,
    )


@lru_cache(maxsize=512)
def _listing(tab: Tab, seen_by: Actor, of_group: bool) -> sa.Select[Any]:
    asked = sa.bindparam("group", type_=sa.Text)
    group = [asked == _GROUP] if of_group else []
    return (
        sa.select(*_COLUMNS).select_from(_JOINED).where(*_mine(seen_by, tab), *_in_tab(tab), *group)
        .order_by(*_order(tab), _T.c.id).limit(PER_PAGE + 1).offset(sa.bindparam("offset", type_=sa.Integer))
    )


@lru_cache(maxsize=512)
def _counting(seen_by: Actor) -> sa.Select[Any]:
    """What is doable is counted whole; what waits, which may be a thousand steps, only as far as it is told."""
    source = _T.join(_J, _J.c.id == _T.c.job_id)
    today_, week = (sa.func.count().filter(*_in_tab(tab)) for tab in (Tab.TODAY, Tab.WEEK))
    waits = sa.select(_T.c.id).select_from(source).where(*_mine(seen_by), *_in_tab(Tab.WAITING)).limit(MOST_COUNTED)
    waiting = sa.select(sa.func.count()).select_from(waits.subquery()).scalar_subquery()
    counting = sa.select(today_, week, waiting).select_from(source).where(*_mine(seen_by), _DOABLE)
    return cast(sa.Select[Any], counting)


def _days() -> dict[str, dt.date]:
    on = today()
    return {"today": on, "sunday": on + dt.timedelta(days=6 - on.weekday())}


def _mine(seen_by: Actor, tab: Tab = Tab.TODAY) -> list[Any]:
    whose = _T.c.assignee_id.is_(None) if tab is Tab.NOBODY else _T.c.assignee_id == sa.bindparam("person")
    return [
        whose, _OPEN, sa.text("job.status = 'active'"),
        *within_sight(seen_by, _T.c.client_id, _T.c.engagement_id),
    ]


def _in_tab(tab: Tab) -> list[Any]:
    awake = sa.or_(_T.c.snoozed_until.is_(None), _T.c.snoozed_until <= _TODAY)
    doable = _DOABLE
    if tab is Tab.NOBODY:
        return []
    if tab is Tab.TODAY:
        return [doable, awake]
    if tab is Tab.WEEK:
        return [doable, awake, _PRESSURE <= _SUNDAY]
    return [sa.or_(sa.text("task.state IN ('blocked', 'waiting')"), ~awake)]


def _order(tab: Tab) -> list[Any]:
    by_order = [_PRESSURE.asc().nulls_last(), _T.c.priority.desc(), _T.c.waited_on_by.desc()]
    if tab is Tab.WAITING:
        place = sa.case((_T.c.state == TaskState.WAITING, 0), (_T.c.state == TaskState.BLOCKED, 1), else_=2)
        return [place, *by_order]
    place = sa.case((_LATE, 0), (_PRESSURE <= _TODAY, 1), else_=2)
    if tab is Tab.NOBODY:
        # Whatever nobody has is in sight, what can be begun first.
        place = sa.case(
            (_T.c.state == TaskState.WAITING, 3), (_T.c.state == TaskState.BLOCKED, 4),
            (_T.c.snoozed_until > _TODAY, 5), (_LATE, 0), (_PRESSURE <= _TODAY, 1), else_=2,
        )
    return [place, *by_order]


def _with_causes(rows: Sequence[WorkRow]) -> list[WorkRow]:
    """Blocked rows with the names of what they come after and of who has it, waiting ones with what is asked."""
    blocked = [row.id for row in rows if row.state is TaskState.BLOCKED]
    asked = why_waiting([row.id for row in rows if row.state is TaskState.WAITING])
    causes: dict[UUID, list[str]] = {task_id: [why] for task_id, why in asked.items()}
    if not blocked:
        return [replace(row, waits_for=asked.get(row.id, "")) for row in rows]
    for task_id, name, person in db.session.execute(
        sa.select(Dependency.task_id, Task.name, Person.name).join(Task, Task.id == Dependency.on_id)
        .outerjoin(Person, Person.id == Task.assignee_id)
        .where(Dependency.task_id.in_(blocked), Dependency.kind == "hard", Task.state.in_(OPEN_STATES))
        .order_by(Task.position)
    ):
        causes.setdefault(task_id, []).append(f"“{name}”" + (f" ({person})" if person else ""))
    return [replace(row, waits_for=", ".join(causes.get(row.id, ()))) for row in rows]
