"""Reading one job: its steps, order, team, deadlines, drawing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.catalogue.graph import Edge
from app.catalogue.models import DependencyKind, Service, Stage, StepKind, WorkRole
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db, get_or_404, rows_in_one
from app.core.finding import Typed, has_words
from app.jobs.models import (
    OPEN_JOBS,
    OPEN_STATES,
    ChecklistItem,
    Deadline,
    Dependency,
    Job,
    JobRole,
    JobStatus,
    Task,
    TaskState,
)
from app.jobs.policy import jobs_seen_by
from app.jobs.queries.lateness import late_words, next_words
from app.jobs.waits import why_waiting
from app.people.models import Person

JOBS_A_PAGE = 100


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
class StageName:
    id: UUID
    name: str


@dataclass(frozen=True)
class JobSheet:
    """Everything that the job page shows of its own room."""

    job: Job
    tasks: Sequence[TaskRow]
    edges: Sequence[Edge[UUID]]
    stages: Sequence[StageName]
    deadlines: Sequence[Deadline]
    team: Mapping[WorkRole, str]
    critical: frozenset[UUID]
    waits: Mapping[UUID, str] = field(default_factory=dict)

    @property
    def stalled_for(self) -> int:
        """Days beyond the time limit of its stage; 0 within it."""
        stage = self.job.stage
        if stage is None or stage.limit_days is None:
            return 0
        return max((today() - self.job.stage_since).days - stage.limit_days, 0)

    @property
    def why_late(self) -> str:
        return late_words(self.job.due_on, self.job.deadline_on, self.job.deadline_name)

    @property
    def comes_first(self) -> str:
        """Which deadline comes before the job's own due date."""
        return next_words(self.job.due_on, self.job.deadline_on, self.job.deadline_name)

    def in_stage(self, stage_id: UUID | None) -> list[TaskRow]:
        known = {stage.id for stage in self.stages}
        return [t for t in self.tasks if t.stage_id == stage_id or (stage_id is None and t.stage_id not in known)]

    def before(self, task_id: UUID) -> tuple[str, ...]:
        """Names of the open steps that this one comes after."""
        return tuple(self._before.get(task_id, ()))

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
            joinedload(Job.service).load_only(Service.name), joinedload(Job.stage), joinedload(Job.owner),
        )
    )


def get_sheet(job_id: UUID, *, seen_by: Actor) -> JobSheet:
    """The job page in a fixed number of queries, all but the first prepared: it is asked often."""
    job = get_job(job_id, seen_by=seen_by)
    of = {"job": job.id, "service": job.service_id}
    tasks = list_tasks(job)
    around = db.session.execute(_AROUND, of).one()
    edges = [
        Edge(UUID(row["on_id"]), UUID(row["task_id"]), row["kind"] == DependencyKind.HARD, row["lag_days"])
        for row in around.edges
    ]
    stages = [StageName(UUID(row["id"]), row["name"]) for row in around.stages]
    team = {WorkRole(row["work_role"]): row["name"] for row in around.team}
    deadlines = db.session.scalars(_DEADLINES, of).all()
    critical = frozenset(task.id for task in tasks if task.is_critical and task.is_open)
    waits = why_waiting([task.id for task in tasks if task.state is TaskState.WAITING])
    return JobSheet(job, tasks, edges, stages, deadlines, team, critical, waits)


_T, _D, _S, _P, _C, _R = (
    cast(sa.Table, each.__table__) for each in (Task, Dependency, Stage, Person, ChecklistItem, JobRole)
)
_JOB, _SERVICE = sa.bindparam("job", type_=sa.Uuid), sa.bindparam("service", type_=sa.Uuid)
_B = _T.alias("before")
_TICKS = (
    sa.select(_C.c.task_id, sa.func.count().label("ticks"), sa.func.count(_C.c.done_at).label("ticked"))
    .join(_T, _T.c.id == _C.c.task_id).where(_T.c.job_id == _JOB).group_by(_C.c.task_id).subquery()
)
_TASKS = (
    sa.select(
        _T.c.id, _T.c.name, _T.c.state, _T.c.kind, _T.c.stage_id, _T.c.due_on, _T.c.latest_start_on, _T.c.open_after,
        _T.c.estimate, _T.c.spent, _T.c.required, _T.c.priority, _T.c.returns, _T.c.return_note, _T.c.version,
        _T.c.assignee_id, _P.c.name.label("assignee"), _T.c.is_critical,
        sa.func.coalesce(_TICKS.c.ticked, 0), sa.func.coalesce(_TICKS.c.ticks, 0),
    )
    .select_from(_T.outerjoin(_P, _P.c.id == _T.c.assignee_id).outerjoin(_TICKS, _TICKS.c.task_id == _T.c.id))
    .where(_T.c.job_id == _JOB).order_by(_T.c.position, _T.c.id)
)
_EDGES = (
    sa.select(_D.c.on_id, _D.c.task_id, _D.c.kind, _D.c.lag_days)
    .select_from(_D.join(_T, _T.c.id == _D.c.task_id).join(_B, _B.c.id == _D.c.on_id))
    .where(_T.c.job_id == _JOB, _B.c.job_id == _JOB)
)
_STAGES = sa.select(_S.c.id, _S.c.name).where(_S.c.service_id == _SERVICE).order_by(_S.c.position)
_TEAM = (
    sa.select(_R.c.work_role, _P.c.name).select_from(_R.join(_P, _P.c.id == _R.c.person_id)).where(_R.c.job_id == _JOB)
)
_AROUND = sa.select(
    rows_in_one(_EDGES).label("edges"), rows_in_one(_STAGES).label("stages"), rows_in_one(_TEAM).label("team")
)
_DEADLINES = sa.select(Deadline).where(Deadline.job_id == _JOB).order_by(Deadline.effective_on, Deadline.code)


def list_tasks(job: Job) -> list[TaskRow]:
    """The steps of a job that is at hand, in their order."""
    return [TaskRow(*tuple(row)) for row in db.session.execute(_TASKS, {"job": job.id})]


def list_jobs_of(
    client_id: UUID, *, seen_by: Actor, closed: bool = False, limit: int = JOBS_A_PAGE, page: int = 1
) -> Sequence[Job]:
    """A client's jobs: the open ones by due date, or the finished ones, latest first."""
    order = (Job.completed_at.desc().nulls_last(), Job.id.desc()) if closed else (Job.must_by, Job.id)
    return db.session.scalars(
        _jobs_of(client_id, seen_by, closed)
        .options(joinedload(Job.stage), joinedload(Job.owner), joinedload(Job.service)).order_by(*order)
        .limit(limit).offset((page - 1) * limit)
    ).all()


def count_jobs_of(client_id: UUID, *, seen_by: Actor, closed: bool = False) -> int:
    """How many jobs that list holds over all its pages."""
    return db.session.scalar(_jobs_of(client_id, seen_by, closed).with_only_columns(sa.func.count())) or 0


def _jobs_of(client_id: UUID, seen_by: Actor, closed: bool) -> sa.Select[Job]:
    states = (JobStatus.COMPLETED, JobStatus.CANCELLED) if closed else OPEN_JOBS
    return jobs_seen_by(seen_by).where(Job.client_id == client_id, Job.status.in_(states))


def find_jobs(text: str, *, seen_by: Actor, limit: int = 20) -> Sequence[Job]:
    """Active jobs whose title or number begins with or holds the text; for look-ups."""
    statement = jobs_seen_by(seen_by).where(Job.status == JobStatus.ACTIVE)
    if text:
        statement = statement.where(has_words(Job.found_by, Typed.of(text)))
    return db.session.scalars(statement.options(joinedload(Job.client)).order_by(Job.due_on, Job.id).limit(limit)).all()
