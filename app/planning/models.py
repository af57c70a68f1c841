"""Series of jobs and their occurrences."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.catalogue.models import Cadence, JobTemplate, Service
from app.clients.models import Client
from app.core.db import Base, HasId, HasVersion, MadeOnce
from app.core.once import digest_of
from app.planning.periods import Period


class VersionPolicy(enum.StrEnum):
    PIN = "pin"
    LATEST = "latest"


class SeriesState(enum.StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class Series(HasId, HasVersion, Base):
    """A recurrence: which service, for which client, how often, created how far ahead.

    Its periods follow from the cadence and from the client's own year end and VAT stagger, which are not copied here.

    A job starts on the day after its period, `offset_days` later or earlier; it is created `ahead_days` before that.
    `roles` holds person ids by work role, and `owner`. Forecasts are complete for periods that begin before
    `forecast_until`. `is_stuck`: after a change its dates could not be worked out; that is tried again every hour.
    """

    __tablename__ = "series"

    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    engagement_id: Mapped[UUID] = mapped_column(sa.ForeignKey("engagement.id"))
    service_id: Mapped[UUID] = mapped_column(sa.ForeignKey("service.id"))
    template_id: Mapped[UUID] = mapped_column(sa.ForeignKey("job_template.id"))
    version_policy: Mapped[VersionPolicy] = mapped_column(default=VersionPolicy.LATEST)
    state: Mapped[SeriesState] = mapped_column(default=SeriesState.ACTIVE)
    cadence: Mapped[Cadence]
    anchor_on: Mapped[dt.date]
    ends_on: Mapped[dt.date | None]
    ahead_days: Mapped[int] = mapped_column(default=14)
    offset_days: Mapped[int] = mapped_column(default=0)
    roles: Mapped[dict[str, Any]] = mapped_column(default=dict)
    forecast_until: Mapped[dt.date | None]
    is_stuck: Mapped[bool] = mapped_column(default=False, server_default=sa.false())

    client: Mapped[Client] = relationship(lazy="raise")
    service: Mapped[Service] = relationship(lazy="raise")
    template: Mapped[JobTemplate] = relationship(lazy="raise")

    __table_args__ = (
        sa.UniqueConstraint("client_id", "engagement_id", "service_id", "anchor_on", "cadence"),
        sa.Index("ix_series_active", "forecast_until", "id", postgresql_where=sa.text("state = 'active'")),
        sa.Index("ix_series_service_id", "service_id"),
        sa.Index("ix_series_stuck", "id", postgresql_where=sa.text("is_stuck")),
        sa.CheckConstraint("ahead_days BETWEEN 0 AND 400", name="ahead_days"),
        sa.CheckConstraint("cadence <> 'once'", name="recurs"),
    )


class OccurrenceState(enum.StrEnum):
    FORECAST = "forecast"
    CREATED = "created"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class ByHand:
    """What somebody set for one occurrence alone; what is empty is as the rule and the series say.

    `roles` holds person ids by work role, and `owner`, in place of those of the series; `note` goes to the job.
    `because`: why it may be due past a deadline.
    """

    starts_on: dt.date | None = None
    due_on: dt.date | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    note: str = ""
    because: str = ""

    def __bool__(self) -> bool:
        return self != ByHand()

    def told(self) -> dict[str, str]:
        """As text by what it is about; what is empty is left out."""
        days = {"starts_on": self.starts_on, "due_on": self.due_on}
        said = {name: day.isoformat() for name, day in days.items() if day}
        words = {"title": self.title, "note": self.note, "because": self.because}
        return said | dict(self.roles) | {name: word for name, word in words.items() if word}

    @property
    def digest(self) -> str:
        """What a form or a way back has seen, to be held against what is there when it comes."""
        return str(digest_of(self.told()))

    @classmethod
    def read(cls, told: Mapping[str, str]) -> ByHand:
        """The same from its text."""
        left = dict(told)
        starts_on, due_on = (left.pop(name, "") for name in ("starts_on", "due_on"))
        title, note, because = (left.pop(name, "") for name in ("title", "note", "because"))
        return cls(
            dt.date.fromisoformat(starts_on) if starts_on else None, dt.date.fromisoformat(due_on) if due_on else None,
            left, title, note, because,
        )


class Occurrence(HasId, Base):
    """One period of a series: a forecast until its job is created, once. `period_end` is its last day.

    `skipped_because` says why: what somebody wrote, or that the client was dormant, former, a prospect or archived.
    What somebody has set for this one alone (`by_hand`) goes before the rule and the series, also when they or the
    periods change.
    """

    __tablename__ = "occurrence"

    series_id: Mapped[UUID] = mapped_column(sa.ForeignKey("series.id"))
    client_id: Mapped[UUID]
    period_start: Mapped[dt.date]
    period_end: Mapped[dt.date]
    create_on: Mapped[dt.date]
    starts_on: Mapped[dt.date]
    due_on: Mapped[dt.date | None]
    title: Mapped[str]
    state: Mapped[OccurrenceState] = mapped_column(default=OccurrenceState.FORECAST)
    skipped_because: Mapped[str] = mapped_column(default="", server_default="")
    starts_by_hand: Mapped[dt.date | None]
    due_by_hand: Mapped[dt.date | None]
    roles_by_hand: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    title_by_hand: Mapped[str] = mapped_column(default="", server_default="")
    note: Mapped[str] = mapped_column(default="", server_default="")
    due_because: Mapped[str] = mapped_column(default="", server_default="")
    job_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("job.id"))

    __table_args__ = (
        sa.UniqueConstraint("series_id", "period_start"),
        sa.Index("ix_occurrence_due", "create_on", postgresql_where=sa.text("state = 'forecast'")),
        sa.Index("ix_occurrence_job_id", "job_id"),
        sa.CheckConstraint("period_end >= period_start", name="period"),
        sa.CheckConstraint("due_by_hand >= starts_by_hand", name="by_hand"),
    )

    @property
    def period(self) -> Period:
        return Period(self.period_start, self.period_end + dt.timedelta(days=1))

    @property
    def by_hand(self) -> ByHand:
        return ByHand(
            self.starts_by_hand, self.due_by_hand, dict(self.roles_by_hand or {}), self.title_by_hand or "",
            self.note or "", self.due_because or "",
        )

    @classmethod
    def is_by_hand(cls) -> sa.ColumnElement[bool]:
        """Whether anything was set for it alone."""
        return sa.or_(
            cls.starts_by_hand.is_not(None), cls.due_by_hand.is_not(None), cls.roles_by_hand != sa.text("'{}'"),
            cls.title_by_hand != "", cls.note != "", cls.due_because != "",
        )


class Redating(Base):
    """A change of a calendar or a service that recurring work has to follow: done in pieces, in order of the series.

    Written by the database with a closure or an office's calendar. Whoever follows it moves `after_id` on with each
    piece and takes the row away at the end. Without an office: of the whole firm; without a service: of all.
    """

    __tablename__ = "redating"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    office_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("office.id"))
    service_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("service.id"))
    closed_on: Mapped[dt.date | None]
    after_id: Mapped[UUID | None]


class Application(MadeOnce, HasVersion, Base):
    """A service about to be applied to many clients: chosen, previewed, changed one by one, then run under the same id.

    `period` is a PeriodPattern; `roles` as in Series; `repeat` holds the series to begin, or nothing. With
    `own_engagement` each job gets one of its own, as the service says unless it is chosen otherwise.
    """

    __tablename__ = "application"

    service_id: Mapped[UUID] = mapped_column(sa.ForeignKey("service.id"))
    template_id: Mapped[UUID] = mapped_column(sa.ForeignKey("job_template.id"))
    period: Mapped[dict[str, Any]] = mapped_column(default=dict)
    period_on: Mapped[dt.date]
    starts_on: Mapped[dt.date | None]
    roles: Mapped[dict[str, Any]] = mapped_column(default=dict)
    repeat: Mapped[dict[str, Any]] = mapped_column(default=dict)
    send_requests: Mapped[bool] = mapped_column(default=True)
    own_engagement: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    started_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    started_at: Mapped[dt.datetime | None]

    service: Mapped[Service] = relationship(lazy="raise")
    template: Mapped[JobTemplate] = relationship(lazy="raise")


class ApplicationClient(Base):
    """One client of an application, with what was changed for it alone.

    Its job goes to `engagement_id`, or to a new engagement named `new_engagement`; without either, to the one that fits
    the service, else to a new one. `due_because`: why it may be due past a deadline.
    """

    __tablename__ = "application_client"

    application_id: Mapped[UUID] = mapped_column(sa.ForeignKey("application.id"), primary_key=True)
    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"), primary_key=True)
    skip: Mapped[bool] = mapped_column(default=False)
    owner_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    starts_on: Mapped[dt.date | None]
    due_on: Mapped[dt.date | None]
    engagement_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("engagement.id"))
    new_engagement: Mapped[str] = mapped_column(default="", server_default="")
    due_because: Mapped[str] = mapped_column(default="", server_default="")

    client: Mapped[Client] = relationship(lazy="raise")

    __table_args__ = (sa.CheckConstraint("engagement_id IS NULL OR new_engagement = ''", name="one_engagement"),)
