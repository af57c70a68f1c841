"""Notices in a person's inbox."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, HasId


class Notice(HasId, Base):
    """One thing told to one person, once."""

    __tablename__ = "notice"

    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("person.id"))
    event_id: Mapped[int] = mapped_column(sa.BigInteger)
    kind: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    client_id: Mapped[UUID | None]
    engagement_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[dt.datetime]
    read_at: Mapped[dt.datetime | None]

    __table_args__ = (
        sa.UniqueConstraint("person_id", "event_id"),
        sa.Index("ix_notice_unread", "person_id", "created_at", postgresql_where=sa.text("read_at IS NULL")),
        sa.Index("ix_notice_person_id", "person_id", "created_at"),
    )
