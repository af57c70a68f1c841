"""Taking lists out of the house: who may, and the trace it leaves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from flask import Response

from app.activity.commands import record
from app.activity.models import Event
from app.core.actors import Actor
from app.core.clock import now
from app.core.csv_out import Rows, stream_csv
from app.core.db import db, transaction
from app.core.errors import Throttled
from app.core.locking import take_turn
from app.core.permissions import Permission, authorize
from app.firm.queries import get_firm

KIND = "exchange.list.export"
MOST, WITHIN = 40, dt.timedelta(minutes=10)


def can_export(by: Actor) -> bool:
    return by.may(Permission.EXPORT)


def record_export(name: str, *, by: Actor) -> None:
    """Write down who took which list. Refuses who may not; raises Throttled for one who empties the house."""
    authorize(by, can_export)
    with transaction():
        take_turn(f"{KIND} {by.id}")
        taken = sa.select(Event.at).where(Event.kind == KIND, Event.actor_id == by.id, Event.at > now() - WITHIN)
        times = db.session.scalars(taken.order_by(Event.at.desc()).limit(MOST)).all()
        if len(times) == MOST and not by.is_system:
            wait = int((times[-1] + WITHIN - now()).total_seconds()) + 1
            raise Throttled("That is many lists in a short time. Wait a few minutes.", retry_after=wait)
        firm = get_firm()
        if firm is not None:
            record(KIND, firm, by=by, name=name)


def hand_out(
    name: str, filename: str, header: Sequence[str], rows: Callable[[], Rows], *, by: Actor
) -> Response:
    """A list as a CSV file: who may take it is asked first, and that they took it is noted once its rows are there.

    `rows` asks the database only when it is called. Refuses and raises what `record_export` and `rows` do.
    """
    authorize(by, can_export)
    return stream_csv(filename, header, rows, noting=lambda: record_export(name, by=by))
