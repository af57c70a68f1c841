"""Comments on anything."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from app.core.db import Base, MadeOnce


class Comment(MadeOnce, Base):
    """An internal note on a job, a task, a client or an invoice; clients never see it."""

    __tablename__ = "comment"

    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    client_id: Mapped[UUID | None]
    engagement_id: Mapped[UUID | None]
    job_id: Mapped[UUID | None]
    author_id: Mapped[UUID]
    body: Mapped[str]
    created_at: Mapped[dt.datetime]
    edited_at: Mapped[dt.datetime | None]
    deleted_at: Mapped[dt.datetime | None]

    __table_args__ = (
        sa.Index("ix_comment_subject", "subject_kind", "subject_id", "created_at"),
        sa.CheckConstraint("length(body) BETWEEN 1 AND 20000", name="body"),
    )
