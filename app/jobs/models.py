"""Jobs, their tasks, dependencies, team and deadlines."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.catalogue.models import DependencyKind, JobTemplate, Service, Stage, StepKind, WorkRole
from app.clients.models import Client, Engagement
from app.core.clock import today
from app.core.db import Base, HasId, HasVersion, MadeOnce
from app.core.errors import Refused
from app.core.finding import found_by, index_of
from app.people.models import Person


class JobStatus(enum.StrEnum):
    ACTIVE = "active"
    ON_HOLD = "on_hold"
    COMPLETED = "completed"
    CANCELLED = "cancelled"

    @property
    def words(self) -> str:
        return self.value.replace("_", " ")


JOB_MOVES: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.ACTIVE: frozenset({JobStatus.ON_HOLD, JobStatus.COMPLETED, JobStatus.CANCELLED}),
    JobStatus.ON_HOLD: frozenset({JobStatus.ACTIVE, JobStatus.CANCELLED}),
    JobStatus.COMPLETED: frozenset({JobStatus.ACTIVE}),
    JobStatus.CANCELLED: frozenset({JobStatus.ACTIVE}),
}
OPEN_JOBS = (JobStatus.ACTIVE, JobStatus.ON_HOLD)


_ACTIVE, _MUST_BY = sa.text("status = 'active'"), sa.text("least(due_on, deadline_on)")


class Job(MadeOnce, HasVersion, Base):
    """One piece of work for a client under an engagement. `origin` makes creating it twice create it once.

    `deadline_on` and `deadline_name` are of its earliest deadline that is not met; the database keeps them.
    `due_locked`: the due date was set by hand and does not follow its rule. `due_because`: why it was let past a
    deadline that is not met. `named_dates` are those that its template names, as ISO dates: the hearing, completion.
    """

    __tablename__ = "job"

    number: Mapped[str] = mapped_column(unique=True)
    origin: Mapped[str | None] = mapped_column(unique=True)
    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    engagement_id: Mapped[UUID] = mapped_column(sa.ForeignKey("engagement.id"))
    service_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("service.id"))
    template_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("job_template.id"))
    stage_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("stage.id"))
    stage_since: Mapped[dt.date] = mapped_column(default=today, server_default=sa.func.current_date())
    title: Mapped[str]
    found_by: Mapped[str] = found_by("title", "number")
    status: Mapped[JobStatus] = mapped_column(default=JobStatus.ACTIVE)
    period_start: Mapped[dt.date | None]
    period_end: Mapped[dt.date | None]
    period_name: Mapped[str] = mapped_column(default="")
    starts_on: Mapped[dt.date]
    due_on: Mapped[dt.date | None]
    deadline_on: Mapped[dt.date | None]
    deadline_name: Mapped[str] = mapped_column(default="", server_default="")
    due_locked: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    due_because: Mapped[str] = mapped_column(default="", server_default="")
    named_dates: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    owner_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    budget: Mapped[dt.timedelta | None]
    fee: Mapped[Decimal | None]
    priority: Mapped[int] = mapped_column(default=0)
    notes: Mapped[str] = mapped_column(default="")
    tasks_total: Mapped[int] = mapped_column(default=0)
    tasks_done: Mapped[int] = mapped_column(default=0)
    waiting_items: Mapped[int] = mapped_column(default=0)
    waiting_total: Mapped[int] = mapped_column(default=0)
    at_risk_because: Mapped[str] = mapped_column(default="")
    plan_stale: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    planned_at: Mapped[dt.datetime | None]
    held_because: Mapped[str] = mapped_column(default="", server_default="")
    completed_at: Mapped[dt.datetime | None]

    client: Mapped[Client] = relationship(lazy="raise")
    engagement: Mapped[Engagement] = relationship(lazy="raise")
    service: Mapped[Service | None] = relationship(lazy="raise")
    template: Mapped[JobTemplate | None] = relationship(lazy="raise")
    stage: Mapped[Stage | None] = relationship(lazy="raise")
    owner: Mapped[Person | None] = relationship(lazy="raise")

    @hybrid_property
    def must_by(self) -> dt.date | None:
        """The earlier of its own due date and of the earliest deadline that is not met: past it the job is late."""
        return min((each for each in (self.due_on, self.deadline_on) if each), default=None)

    @must_by.inplace.expression
    @classmethod
    def _must_by(cls) -> sa.ColumnElement[dt.date | None]:
        return sa.func.least(cls.due_on, cls.deadline_on, type_=sa.Date)

    def move_to(self, status: JobStatus) -> None:
        """The only way that a job's status changes."""
        if status not in JOB_MOVES[self.status]:
            raise Refused(f"A job that is {self.status.words} cannot become {status.words}.")
        self.status = status

    __table_args__ = (
        sa.Index("ix_job_client_id", "client_id", "due_on"),
        sa.Index("ix_job_engagement_id", "engagement_id"),
        sa.Index("ix_job_open_board", "service_id", "stage_id", _MUST_BY, "id", postgresql_where=_ACTIVE),
        sa.Index("ix_job_open_owner", "owner_id", _MUST_BY, postgresql_where=_ACTIVE),
        sa.Index("ix_job_open_due", _MUST_BY, "id", postgresql_where=_ACTIVE),
        sa.Index("ix_job_plan_stale", "id", postgresql_where=sa.text("plan_stale AND status = 'active'")),
        index_of("job"),
    )


class JobRole(Base):
    """Who holds a work role on a job; changing it re-resolves the open tasks only."""

    __tablename__ = "job_role"

    job_id: Mapped[UUID] = mapped_column(sa.ForeignKey("job.id"), primary_key=True)
    work_role: Mapped[WorkRole] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("person.id"))


class TaskState(enum.StrEnum):
    """Blocked and ready are derived from the graph, never set by hand."""

    BLOCKED = "blocked"
    READY = "ready"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    IN_REVIEW = "in_review"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def words(self) -> str:
        said = {"ready": "ready to start", "waiting": "waiting for the client"}
        return said.get(self.value, self.value.replace("_", " "))


TASK_MOVES: dict[TaskState, frozenset[TaskState]] = {
    TaskState.BLOCKED: frozenset({TaskState.READY, TaskState.WAITING, TaskState.CANCELLED}),
    TaskState.READY: frozenset({
        TaskState.BLOCKED, TaskState.WAITING, TaskState.IN_PROGRESS, TaskState.IN_REVIEW, TaskState.DONE,
        TaskState.CANCELLED,
    }),
    TaskState.IN_PROGRESS: frozenset({
        TaskState.DONE, TaskState.WAITING, TaskState.READY, TaskState.BLOCKED, TaskState.CANCELLED,
    }),
    TaskState.IN_REVIEW: frozenset({
        TaskState.DONE, TaskState.WAITING, TaskState.READY, TaskState.BLOCKED, TaskState.CANCELLED,
    }),
    TaskState.WAITING: frozenset({
        TaskState.READY, TaskState.IN_PROGRESS, TaskState.IN_REVIEW, TaskState.BLOCKED, TaskState.CANCELLED,
    }),
    TaskState.DONE: frozenset({TaskState.READY, TaskState.BLOCKED, TaskState.WAITING}),
    TaskState.CANCELLED: frozenset({TaskState.READY, TaskState.BLOCKED, TaskState.WAITING}),
}
OPEN_STATES = (TaskState.BLOCKED, TaskState.READY, TaskState.IN_PROGRESS, TaskState.WAITING, TaskState.IN_REVIEW)
DOABLE_STATES = (TaskState.READY, TaskState.IN_PROGRESS, TaskState.IN_REVIEW)


class Task(MadeOnce, HasVersion, Base):
    """One step of a job. Client and engagement stand here too: visibility and My work ask for them.

    `remaining` is what somebody said is left, on `remaining_on`, when `remaining_spent` had been recorded.
    """

    __tablename__ = "task"

    job_id: Mapped[UUID] = mapped_column(sa.ForeignKey("job.id"))
    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    engagement_id: Mapped[UUID] = mapped_column(sa.ForeignKey("engagement.id"))
    stage_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("stage.id"))
    step_key: Mapped[str | None]
    position: Mapped[int] = mapped_column(default=0)
    name: Mapped[str]
    instructions: Mapped[str] = mapped_column(default="")
    kind: Mapped[StepKind] = mapped_column(default=StepKind.WORK)
    work_role: Mapped[WorkRole | None]
    assignee_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    state: Mapped[TaskState] = mapped_column(default=TaskState.READY)
    required: Mapped[bool] = mapped_column(default=True)
    priority: Mapped[int] = mapped_column(default=0)
    estimate: Mapped[dt.timedelta | None]
    spent: Mapped[dt.timedelta] = mapped_column(default=dt.timedelta(0))
    remaining: Mapped[dt.timedelta | None]
    remaining_spent: Mapped[dt.timedelta | None]
    remaining_on: Mapped[dt.date | None]
    due_on: Mapped[dt.date | None]
    due_locked: Mapped[bool] = mapped_column(default=False)
    open_after: Mapped[dt.date | None]
    waits_for_client: Mapped[bool] = mapped_column(default=False)
    latest_start_on: Mapped[dt.date | None]
    is_critical: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    waited_on_by: Mapped[int] = mapped_column(default=0)
    snoozed_until: Mapped[dt.date | None]
    returns: Mapped[int] = mapped_column(default=0)
    return_note: Mapped[str] = mapped_column(default="", server_default="")
    fell_away: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    ready_at: Mapped[dt.datetime | None]
    started_at: Mapped[dt.datetime | None]
    done_at: Mapped[dt.datetime | None]
    done_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))

    job: Mapped[Job] = relationship(lazy="raise")
    client: Mapped[Client] = relationship(lazy="raise")
    assignee: Mapped[Person | None] = relationship(foreign_keys=[assignee_id], lazy="raise")
    stage: Mapped[Stage | None] = relationship(lazy="raise")

    def check_move(self, state: TaskState) -> None:
        if state not in TASK_MOVES[self.state]:
            raise Refused(f"“{self.name}” is {self.state.words}; it cannot become {state.words}.")

    def move_to(self, state: TaskState) -> None:
        """Where people move a task; blocked, ready and waiting are written by readiness alone."""
        self.check_move(state)
        self.state = state

    __table_args__ = (
        sa.Index("ix_task_job_id", "job_id", "position"),
        sa.Index(
            "ix_task_open_assignee", "assignee_id", "due_on", "id",
            postgresql_where=sa.text("state NOT IN ('done', 'cancelled')"),
        ),
        sa.Index(
            "ix_task_doable", "assignee_id", "due_on",
            postgresql_where=sa.text("state IN ('ready', 'in_progress', 'in_review')"),
        ),
        sa.Index(
            "ix_task_open_after", "open_after", postgresql_where=sa.text("state = 'blocked' AND open_after IS NOT NULL")
        ),
        sa.Index("ix_task_finished", "done_by", "done_at", postgresql_where=sa.text("state = 'done'")),
        sa.UniqueConstraint("job_id", "step_key"),
        sa.CheckConstraint("(state = 'done') = (done_at IS NOT NULL)", name="done_at"),
        sa.CheckConstraint("num_nonnulls(remaining, remaining_spent, remaining_on) IN (0, 3)", name="remaining"),
    )


class UsualTime(HasId, Base):
    """How long a step usually takes: the median of what was recorded on finished ones, counted once a day.

    Of one template step (service and key), of a service (no key), of the firm (neither).
    """

    __tablename__ = "usual_time"

    service_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("service.id"))
    step_key: Mapped[str | None]
    takes: Mapped[dt.timedelta]
    counted: Mapped[int]
    counted_on: Mapped[dt.date]

    __table_args__ = (
        sa.UniqueConstraint("service_id", "step_key", name="uq_usual_time_of", postgresql_nulls_not_distinct=True),
    )


class LoadChange(Base):
    """Somebody's load or hours have changed: written by the database, taken by whoever plans their jobs again.

    From the day `since` on; what must be done before it is not touched. Without a day it is about `job_id` alone, and
    without that about all that they have. Without a person, a step that `job_id` waits for in another job has changed.
    """

    __tablename__ = "load_change"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    person_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    job_id: Mapped[UUID | None]
    since: Mapped[dt.date | None]

    __table_args__ = (
        sa.Index("ix_load_change_person_id", "person_id"),
        sa.CheckConstraint("person_id IS NOT NULL OR job_id IS NOT NULL", name="of"),
    )


class ChecklistItem(HasId, Base):
    """One tick of a task's checklist. `key` is the template's; a line that somebody added has none."""

    __tablename__ = "checklist_item"

    task_id: Mapped[UUID] = mapped_column(sa.ForeignKey("task.id"))
    key: Mapped[str | None]
    position: Mapped[int]
    text: Mapped[str]
    done_at: Mapped[dt.datetime | None]
    done_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))

    __table_args__ = (
        sa.UniqueConstraint("task_id", "key"),
        sa.Index("ix_checklist_item_task_id", "task_id", "position"),
    )


class Dependency(HasId, Base):
    """`task_id` comes after `on_id` (finish to start), with a lag in working days; may cross jobs.

    `opens_on` is where the lag ends, written when `on_id` is done. `from_template`: it stands as the template says;
    otherwise a person made it so.
    """

    __tablename__ = "dependency"

    task_id: Mapped[UUID] = mapped_column(sa.ForeignKey("task.id"))
    on_id: Mapped[UUID] = mapped_column(sa.ForeignKey("task.id"))
    kind: Mapped[DependencyKind] = mapped_column(default=DependencyKind.HARD)
    lag_days: Mapped[int] = mapped_column(default=0)
    from_template: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    opens_on: Mapped[dt.date | None]

    __table_args__ = (
        sa.UniqueConstraint("task_id", "on_id"),
        sa.Index("ix_dependency_on_id", "on_id"),
        sa.CheckConstraint("task_id <> on_id", name="not_itself"),
        sa.CheckConstraint("lag_days BETWEEN 0 AND 366", name="lag_days"),
    )


class DeadlineState(enum.StrEnum):
    OPEN = "open"
    SATISFIED = "satisfied"
    EXTENDED = "extended"
    MISSED = "missed"
    WAIVED = "waived"


UNMET = (DeadlineState.OPEN, DeadlineState.EXTENDED, DeadlineState.MISSED)
DEADLINE_MOVES: dict[DeadlineState, frozenset[DeadlineState]] = {
    DeadlineState.OPEN: frozenset(DeadlineState) - {DeadlineState.OPEN},
    DeadlineState.EXTENDED: frozenset(DeadlineState) - {DeadlineState.OPEN},
    DeadlineState.MISSED: frozenset(DeadlineState) - {DeadlineState.MISSED},
    DeadlineState.SATISFIED: frozenset({DeadlineState.OPEN, DeadlineState.EXTENDED, DeadlineState.MISSED}),
    DeadlineState.WAIVED: frozenset({DeadlineState.OPEN, DeadlineState.EXTENDED, DeadlineState.MISSED}),
}


class Deadline(MadeOnce, HasVersion, Base):
    """A statutory date of a job. The original date is never lost; filing and payment are two deadlines.

    `rule` names it in the statutory table, `edition` says which reading of it counts, `trigger_on` is the date that
    the rule counts from. `met_by_task_id` is the step that meets it, else the job's last required one. `met_on` is the
    day on which it was met, late or not. `missed_day` is its last day when it was last found missed: of which those
    whom it concerns were told.
    `trigger_locked`, `due_locked`: that day was set by hand and does not follow its rule.
    """

    __tablename__ = "deadline"

    job_id: Mapped[UUID] = mapped_column(sa.ForeignKey("job.id"))
    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    engagement_id: Mapped[UUID] = mapped_column(sa.ForeignKey("engagement.id"))
    code: Mapped[str]
    name: Mapped[str]
    jurisdiction: Mapped[str] = mapped_column(default="")
    statutory_on: Mapped[dt.date]
    effective_on: Mapped[dt.date]
    rule: Mapped[str] = mapped_column(default="", server_default="")
    edition: Mapped[str] = mapped_column(default="", server_default="")
    trigger_on: Mapped[dt.date | None]
    trigger_locked: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    due_locked: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    basis: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="rule")
    state: Mapped[DeadlineState] = mapped_column(default=DeadlineState.OPEN)
    met_by_task_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("task.id"))
    met_on: Mapped[dt.date | None]
    missed_day: Mapped[dt.date | None]
    reference: Mapped[str] = mapped_column(default="", server_default="")
    decided_at: Mapped[dt.datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    evidence_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("document.id"))
    extra: Mapped[dict[str, Any]] = mapped_column(default=dict)

    @property
    def is_unmet(self) -> bool:
        return self.state in UNMET

    @property
    def was_met_late(self) -> bool:
        return self.met_on is not None and self.met_on > self.effective_on

    def move_to(self, state: DeadlineState) -> None:
        if state not in DEADLINE_MOVES[self.state]:
            raise Refused(f"The deadline is {self.state.value}; it cannot become {state.value}.")
        self.state = state

    __table_args__ = (
        sa.UniqueConstraint("job_id", "code"),
        sa.Index("ix_deadline_open", "effective_on", postgresql_where=sa.text("state IN ('open', 'extended')")),
        sa.Index("ix_deadline_met_by_task_id", "met_by_task_id"),
        sa.Index(
            "ix_deadline_edition", "rule", "edition",
            postgresql_where=sa.text("NOT due_locked AND state IN ('open', 'missed')"),
        ),
        sa.CheckConstraint("state <> 'missed' OR missed_day IS NOT NULL", name="missed_day"),
        sa.CheckConstraint("(state = 'satisfied') = (met_on IS NOT NULL)", name="met_on"),
        sa.CheckConstraint("effective_on >= statutory_on OR state <> 'extended'", name="extended"),
        sa.CheckConstraint("(rule = '') = (edition = '')", name="edition"),
    )
