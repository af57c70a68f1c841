"""Events, their erasable payloads, and the chain that seals them."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.actors import ActorKind
from app.core.db import Base


class Event(Base):
    """One thing that happened. Never changed: the database refuses. Ids follow no order; seals do.

    `cause` is what led to it (`core/causes.py`), empty where only its actor did, and part of the hash (format 2). What
    was recorded before there were causes has null, and a hash without one (format 1).
    """

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    kind: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    client_id: Mapped[UUID | None]
    engagement_id: Mapped[UUID | None]
    job_id: Mapped[UUID | None]
    actor_kind: Mapped[ActorKind]
    actor_id: Mapped[UUID | None]
    at: Mapped[dt.datetime]
    request_id: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
    cause: Mapped[str | None]
    payload_hash: Mapped[bytes]

    __table_args__ = (
        sa.Index("ix_event_subject", "subject_kind", "subject_id", "id"),
        sa.Index("ix_event_client", "client_id", "id"),
        sa.Index("ix_event_job", "job_id", "id", postgresql_where=sa.text("job_id IS NOT NULL")),
        sa.Index("ix_event_at", "at"),
        sa.Index("ix_event_kind", "kind", "id", postgresql_ops={"kind": "text_pattern_ops"}),
    )


class EventPayload(Base):
    """The words and values of an event, apart so that they can be erased; the chain covers their salted hash."""

    __tablename__ = "event_payload"

    event_id: Mapped[int] = mapped_column(
        sa.BigInteger, sa.ForeignKey("event.id"), primary_key=True, autoincrement=False
    )
    salt: Mapped[bytes]
    data: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    erased_at: Mapped[dt.datetime | None]

    __table_args__ = (sa.Index("ix_event_payload_covers", "event_id", postgresql_where=sa.text("data ? 'covers'")),)


class EventSeal(Base):
    """An event's place in the chain: hash = SHA-256(previous hash + the event's fields and payload hash)."""

    __tablename__ = "event_seal"

    position: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(sa.BigInteger, sa.ForeignKey("event.id"), unique=True)
    hash: Mapped[bytes]


class Outbox(Base):
    """Events committed and not yet sealed; the sealer empties it."""

    __tablename__ = "outbox"

    event_id: Mapped[int] = mapped_column(
        sa.BigInteger, sa.ForeignKey("event.id"), primary_key=True, autoincrement=False
    )


class ReaderPosition(Base):
    """How far a reader of the event log has come; moved in the same transaction as what it did."""

    __tablename__ = "reader_position"

    reader: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(sa.BigInteger, default=0)
