"""Marking notices read."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from app.core import live
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import transaction
from app.core.permissions import authorize
from app.notifications.models import Notice


def can_read(by: Actor, notice: Notice | None = None) -> bool:
    """One's own inbox only."""
    return by.is_person and (notice is None or notice.person_id == by.id)


def mark_read(notice: Notice, *, by: Actor) -> None:
    """It was looked at. No event: nobody else needs to know."""
    authorize(by, can_read, notice)
    if notice.read_at is None:
        with transaction():
            notice.read_at = now()
            live.publish(f"person:{by.id}")


def mark_all_read(*, up_to: dt.datetime, by: Actor) -> int:
    """Everything that had come by then; what came since stays new."""
    authorize(by, can_read)
    with transaction() as session:
        result: Any = session.execute(
            sa.update(Notice)
            .where(Notice.person_id == by.id, Notice.read_at.is_(None), Notice.created_at <= up_to)
            .values(read_at=now())
        )
        live.publish(f"person:{by.id}")
        return int(result.rowcount)
