"""A run and its items."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, HasId, MadeOnce


class RunState(enum.StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"


class Run(MadeOnce, Base):
    """One long piece of work: apply to many, a bill run, an import. `kind` names the registered worker."""

    __tablename__ = "run"

    kind: Mapped[str]
    title: Mapped[str]
    state: Mapped[RunState] = mapped_column(default=RunState.RUNNING)
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)
    total: Mapped[int] = mapped_column(default=0)
    started_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    created_at: Mapped[dt.datetime]
    finished_at: Mapped[dt.datetime | None]
    undone_at: Mapped[dt.datetime | None]

    __table_args__ = (
        sa.Index("ix_run_running", "state", postgresql_where=sa.text("state = 'running'")),
        sa.Index("ix_run_kind_created_at", "kind", "created_at"),
    )


class FailedWork(HasId, Base):
    """Background work that ended in an error and has not succeeded since; `said` digests name and payload."""

    __tablename__ = "failed_work"

    name: Mapped[str]
    payload: Mapped[dict[str, Any]]
    said: Mapped[bytes] = mapped_column(unique=True)
    error: Mapped[str]
    times: Mapped[int]
    failed_at: Mapped[dt.datetime]
    last_at: Mapped[dt.datetime]
    asked_again_at: Mapped[dt.datetime | None]


class ItemState(enum.StrEnum):
    WAITING = "waiting"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class RunItem(Base):
    """One thing of a run; marked done in the transaction that did it, so that it happens once."""

    __tablename__ = "run_item"

    run_id: Mapped[UUID] = mapped_column(sa.ForeignKey("run.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str]
    payload: Mapped[dict[str, Any]]
    state: Mapped[ItemState] = mapped_column(default=ItemState.WAITING)
    message: Mapped[str] = mapped_column(default="")
    result: Mapped[dict[str, Any] | None]

    __table_args__ = (
        sa.Index("ix_run_item_waiting", "run_id", "position", postgresql_where=sa.text("state = 'waiting'")),
    )
