"""Reading one job: its steps, order, team, deadlines, drawing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased, joinedload

from app.catalogue.models import DependencyKind, Stage, StepKind, WorkRole
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db, get_or_404
from app.jobs.graph import Edge
from app.jobs.models import OPEN_STATES, ChecklistItem, Deadline, Dependency, Job, JobRole, JobStatus, Task, TaskState
from app.jobs.policy import jobs_seen_by
from app.people.models import Person


@dataclass(frozen=True)
class TaskRow:
    """A step as the job page shows it."""

    id: UUID
    name: str
    state: TaskState
    kind: StepKind
    stage_id: UUID | None
    due_on: dt.date | None
    latest_start_on: dt.date | None
    open_after: dt.date | None
    estimate: dt.timedelta | None
    spent: dt.timedelta
    required: bool
    priority: int
    returns: int
    return_note: str
    version: int
    assignee_id: UUID | None
    assignee: str | None
    is_critical: bool
    ticked: int
    ticks: int

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def is_late(self) -> bool:
        return self.is_open and self.due_on is not None and self.due_on < today()

    @property
    def meaning(self) -> str:
        """The word after which the drawing and the badge are coloured."""
        if self.state in (TaskState.DONE, TaskState.CANCELLED):
            return "done"
        if self.is_late:
            return "late"
        if self.state in (TaskState.WAITING, TaskState.BLOCKED):
            return self.state.value
        return "ready"


@dataclass(frozen=True)
class JobSheet:
    """Everything that the job page shows of its own room."""

    job: Job
    tasks: Sequence[TaskRow]
    edges: Sequence[Edge[UUID]]
    stages: Sequence[Stage]
    deadlines: Sequence[Deadline]
    team: Mapping[WorkRole, Person]
    critical: frozenset[UUID]

    def in_stage(self, stage_id: UUID | None) -> list[TaskRow]:
        known = {stage.id for stage in self.stages}
        return [t for t in self.tasks if t.stage_id == stage_id or (stage_id is None and t.stage_id not in known)]

    def before(self, task_id: UUID) -> list[str]:
        """Names of the open steps that this one comes after."""
        return self._before.get(task_id, [])

    @cached_property
    def _before(self) -> dict[UUID, list[str]]:
        names = {task.id: task.name for task in self.tasks if task.is_open}
        found: dict[UUID, list[str]] = {}
        for edge in self.edges:
            if edge.hard and edge.before in names:
                found.setdefault(edge.after, []).append(names[edge.before])
        return found


def get_job(job_id: UUID, *, seen_by: Actor) -> Job:
    """A job with its client, engagement, service, stage and owner; NotFound when it may not be seen."""
    return get_or_404(
        jobs_seen_by(seen_by).where(Job.id == job_id).options(
            joinedload(Job.client, innerjoin=True), joinedload(Job.engagement, innerjoin=True),
            joinedload(Job.service), joinedload(Job.stage), joinedload(Job.owner),
        )
    )


def get_sheet(job_id: UUID, *, seen_by: Actor) -> JobSheet:
    """The job page in a fixed number of queries."""
    job = get_job(job_id, seen_by=seen_by)
    tasks = list_tasks(job)
    edges = list_edges(job)
    critical = frozenset(task.id for task in tasks if task.is_critical and task.is_open)
    stages = db.session.scalars(
        sa.select(Stage).where(Stage.service_id == job.service_id).order_by(Stage.position)
    ).all()
    deadlines = db.session.scalars(
        sa.select(Deadline).where(Deadline.job_id == job.id).order_by(Deadline.effective_on, Deadline.code)
    ).all()
    holders = sa.select(JobRole.work_role, Person).join(Person, Person.id == JobRole.person_id)
    team = db.session.execute(holders.where(JobRole.job_id == job.id)).all()
    return JobSheet(job, tasks, edges, stages, deadlines, {row[0]: row[1] for row in team}, critical)


def list_tasks(job: Job, *, task_id: UUID | None = None) -> list[TaskRow]:
    """The steps of a job in their order; with `task_id` that one only."""
    ticks = (
        sa.select(ChecklistItem.task_id, sa.func.count().label("ticks"),
                  sa.func.count(ChecklistItem.done_at).label("ticked"))
        .join(Task, Task.id == ChecklistItem.task_id).where(Task.job_id == job.id)
        .group_by(ChecklistItem.task_id).subquery()
    )
    statement = (
        sa.select(
            Task.id, Task.name, Task.state, Task.kind, Task.stage_id, Task.due_on, Task.latest_start_on,
            Task.open_after, Task.estimate, Task.spent, Task.required, Task.priority, Task.returns, Task.return_note,
            Task.version, Task.assignee_id, Person.name.label("assignee"), Task.is_critical,
            sa.func.coalesce(ticks.c.ticked, 0),
            sa.func.coalesce(ticks.c.ticks, 0),
        )
        .outerjoin(Person, Person.id == Task.assignee_id).outerjoin(ticks, ticks.c.task_id == Task.id)
        .where(Task.job_id == job.id).order_by(Task.position, Task.id)
    )
    if task_id is not None:
        statement = statement.where(Task.id == task_id)
    return [TaskRow(*tuple(row)) for row in db.session.execute(statement)]


def list_edges(job: Job) -> list[Edge[UUID]]:
    """The dependencies between the job's own steps."""
    before = aliased(Task)
    rows = db.session.execute(
        sa.select(Dependency.on_id, Dependency.task_id, Dependency.kind, Dependency.lag_days)
        .join(Task, Task.id == Dependency.task_id).join(before, before.id == Dependency.on_id)
        .where(Task.job_id == job.id, before.job_id == job.id)
    )
    return [Edge(row[0], row[1], row[2] is DependencyKind.HARD, row[3]) for row in rows]


def list_jobs_of(client_id: UUID, *, seen_by: Actor, closed: bool = False, limit: int = 100) -> Sequence[Job]:
    """A client's jobs: the open ones by due date, or the finished ones, latest first."""
    states = (JobStatus.COMPLETED, JobStatus.CANCELLED) if closed else (JobStatus.ACTIVE, JobStatus.ON_HOLD)
    order = (Job.completed_at.desc().nulls_last(), Job.id.desc()) if closed else (Job.due_on, Job.id)
    return db.session.scalars(
        jobs_seen_by(seen_by).where(Job.client_id == client_id, Job.status.in_(states))
        .options(joinedload(Job.stage), joinedload(Job.owner), joinedload(Job.service)).order_by(*order).limit(limit)
    ).all()


def find_jobs(text: str, *, seen_by: Actor, limit: int = 20) -> Sequence[Job]:
    """Active jobs whose title or number begins with or holds the text; for look-ups."""
    statement = jobs_seen_by(seen_by).where(Job.status == JobStatus.ACTIVE)
    if text:
        pattern = f"%{text.lower().replace('%', '')}%"
        statement = statement.where(sa.or_(sa.func.lower(Job.title).like(pattern), Job.number == text.upper()))
    return db.session.scalars(statement.options(joinedload(Job.client)).order_by(Job.due_on, Job.id).limit(limit)).all()
