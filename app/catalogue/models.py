"""Services, stages, job templates with their steps, dependencies, requests and deadlines."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, HasId, HasVersion, MadeOnce


class Cadence(enum.StrEnum):
    """How often a service is usually done; the client's own year end, VAT stagger and payroll say when."""

    ONCE = "once"
    MONTH = "month"
    QUARTER = "quarter"
    VAT_QUARTER = "vat_quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"
    CALENDAR_YEAR = "calendar_year"
    TAX_YEAR = "tax_year"
    PAYROLL = "payroll"


class Service(MadeOnce, HasVersion, Base):
    """A thing that the firm sells again and again; owns its stages and template versions.

    `own_engagement`: each of its jobs is a matter of its own, under an engagement opened for it; otherwise they share
    the client's engagement for the service.
    """

    __tablename__ = "service"

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    practice_area: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    cadence: Mapped[Cadence] = mapped_column(default=Cadence.ONCE, server_default="once")
    own_engagement: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    archived_at: Mapped[dt.datetime | None]

    stages: Mapped[list[Stage]] = relationship(back_populates="service", order_by="Stage.position", lazy="raise")


class Stage(MadeOnce, Base):
    """A column of the service's board. `client_words` is what its clients read; `moves_itself` when all is done.

    Stages are the service's, so that a board has one set of columns: the steps of each version and every job name a
    stage by its id, which stays when it is renamed or moved.
    """

    __tablename__ = "stage"

    service_id: Mapped[UUID] = mapped_column(sa.ForeignKey("service.id"))
    position: Mapped[int]
    name: Mapped[str]
    client_words: Mapped[str] = mapped_column(default="")
    limit_days: Mapped[int | None]
    moves_itself: Mapped[bool] = mapped_column(default=True)

    service: Mapped[Service] = relationship(back_populates="stages", lazy="raise")

    __table_args__ = (sa.UniqueConstraint("service_id", "position", deferrable=True, initially="DEFERRED"),)


class TemplateState(enum.StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    RETIRED = "retired"


class JobTemplate(HasId, HasVersion, Base):
    """One version of how a service is done. Published, it never changes; editing makes the next.

    `start_rule` gives the day on which a job about a period starts; without one it is the day after the period.
    """

    __tablename__ = "job_template"

    service_id: Mapped[UUID] = mapped_column(sa.ForeignKey("service.id"))
    number: Mapped[int]
    state: Mapped[TemplateState] = mapped_column(default=TemplateState.DRAFT)
    title_pattern: Mapped[str] = mapped_column(default="{client} {service} {period}")
    due_rule: Mapped[dict[str, Any]] = mapped_column(default=dict)
    start_rule: Mapped[dict[str, Any] | None]
    priority: Mapped[int] = mapped_column(default=0)
    fee: Mapped[Decimal | None]
    published_at: Mapped[dt.datetime | None]
    published_by: Mapped[UUID | None]

    service: Mapped[Service] = relationship(lazy="raise")
    steps: Mapped[list[TemplateStep]] = relationship(
        back_populates="template", order_by="TemplateStep.position", lazy="raise", cascade="all, delete-orphan"
    )
    dependencies: Mapped[list[TemplateDependency]] = relationship(lazy="raise", cascade="all, delete-orphan")
    requests: Mapped[list[TemplateRequest]] = relationship(
        order_by="TemplateRequest.position", lazy="raise", cascade="all, delete-orphan"
    )
    deadlines: Mapped[list[TemplateDeadline]] = relationship(lazy="raise", cascade="all, delete-orphan")

    __table_args__ = (
        sa.UniqueConstraint("service_id", "number"),
        sa.Index(
            "uq_job_template_draft", "service_id", unique=True, postgresql_where=sa.text("state = 'draft'")
        ),
    )


class StepKind(enum.StrEnum):
    """A review is done by somebody other than the last preparer."""

    WORK = "work"
    REVIEW = "review"


class WorkRole(enum.StrEnum):
    PREPARER = "preparer"
    REVIEWER = "reviewer"
    PARTNER = "partner"
    ADMINISTRATOR = "administrator"


class TemplateStep(MadeOnce, Base):
    """One step; `key` stays the same across versions, so that changes can be carried over.

    `checklist` has its lines in order, {key, text}; a line keeps its key when it is moved or reworded.
    """

    __tablename__ = "template_step"

    template_id: Mapped[UUID] = mapped_column(sa.ForeignKey("job_template.id"))
    key: Mapped[str]
    position: Mapped[int]
    stage_id: Mapped[UUID] = mapped_column(sa.ForeignKey("stage.id"))
    name: Mapped[str]
    instructions: Mapped[str] = mapped_column(default="")
    kind: Mapped[StepKind] = mapped_column(default=StepKind.WORK)
    work_role: Mapped[WorkRole] = mapped_column(default=WorkRole.PREPARER)
    estimate: Mapped[dt.timedelta | None]
    due_rule: Mapped[dict[str, Any] | None]
    checklist: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    required: Mapped[bool] = mapped_column(default=True)

    template: Mapped[JobTemplate] = relationship(back_populates="steps", lazy="raise")
    stage: Mapped[Stage] = relationship(lazy="raise")

    __table_args__ = (sa.UniqueConstraint("template_id", "key"),)


class DependencyKind(enum.StrEnum):
    """Hard: cannot start before. Soft: only re-dates."""

    HARD = "hard"
    SOFT = "soft"


class TemplateDependency(HasId, Base):
    """`step_key` comes after `on_key`, with a lag in working days."""

    __tablename__ = "template_dependency"

    template_id: Mapped[UUID] = mapped_column(sa.ForeignKey("job_template.id"))
    step_key: Mapped[str]
    on_key: Mapped[str]
    kind: Mapped[DependencyKind] = mapped_column(default=DependencyKind.HARD)
    lag_days: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        sa.UniqueConstraint("template_id", "step_key", "on_key"),
        sa.CheckConstraint("step_key <> on_key", name="not_itself"),
        sa.CheckConstraint("lag_days BETWEEN 0 AND 366", name="lag_days"),
    )


ASKING_TIME = dt.time(9)


class TemplateRequest(HasId, Base):
    """What is asked of the client; `step_key` waits until its required items are accepted.

    `send_rule` gives the day on which it is asked, `send_time` the time of that day in the office's zone. Without a
    rule it is asked when its step opens, and never before the job's period has ended or the job has started.
    `key` stays the same across versions, as a step's does; so does the `code` of each item.
    """

    __tablename__ = "template_request"

    template_id: Mapped[UUID] = mapped_column(sa.ForeignKey("job_template.id"))
    key: Mapped[str]
    step_key: Mapped[str | None]
    position: Mapped[int] = mapped_column(default=0)
    name: Mapped[str]
    message: Mapped[str] = mapped_column(default="")
    due_rule: Mapped[dict[str, Any] | None]
    send_rule: Mapped[dict[str, Any] | None]
    send_time: Mapped[dt.time] = mapped_column(default=ASKING_TIME, server_default="09:00")
    remind_after_days: Mapped[int] = mapped_column(default=3)
    remind_every_days: Mapped[int] = mapped_column(default=4)
    remind_at_most: Mapped[int] = mapped_column(default=5)
    items: Mapped[list[dict[str, Any]]] = mapped_column(default=list)

    __table_args__ = (sa.UniqueConstraint("template_id", "key"),)


class TemplateDeadline(HasId, Base):
    """A statutory date that every job of this template has; `rule` names it in the statutory table.

    `trigger_rule` is the due rule that gives the date the statute counts from; without one it is the period's end.
    `edition` is that of the rule which the version counts with. `code` stays the same across versions. `met_by` is the
    key of the step that meets it, else the last required one.
    """

    __tablename__ = "template_deadline"

    template_id: Mapped[UUID] = mapped_column(sa.ForeignKey("job_template.id"))
    code: Mapped[str]
    rule: Mapped[str]
    edition: Mapped[str]
    trigger_rule: Mapped[dict[str, Any] | None]
    met_by: Mapped[str | None]

    __table_args__ = (
        sa.UniqueConstraint("template_id", "code"),
        sa.CheckConstraint("edition <> ''", name="edition"),
        sa.ForeignKeyConstraint(["template_id", "met_by"], ["template_step.template_id", "template_step.key"]),
    )
