"""How far the demo firm's year has come: kept with each day, so that an interrupted fill goes on with the next."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from app.core.clock import now
from app.core.db import db, transaction
from app.firm.models import Filling


def begin_filling(since: dt.date) -> None:
    with transaction() as session:
        session.add(Filling(since=since, known={}))


def unfinished() -> Filling | None:
    """The fill that was begun and is not over; None when there was none, or when it is whole."""
    return db.session.scalars(sa.select(Filling).where(Filling.finished_at.is_(None))).one_or_none()


def keep_filling(through: dt.date, known: dict[str, Any]) -> None:
    """In the day's own transaction: the day is over, and this is what the next one needs to know."""
    with transaction() as session:
        session.execute(sa.update(Filling).values(through=through, known=known))


def finish_filling() -> None:
    with transaction() as session:
        session.execute(sa.update(Filling).values(known={}, finished_at=now()))
