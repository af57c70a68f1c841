"""Tidying: discarded timers go once nobody can want them back. And valuing what waited for a rate."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from app.activity.commands import reads
from app.activity.models import Event
from app.core.actors import SYSTEM
from app.core.clock import now
from app.core.db import transaction
from app.core.queue import BULK, LONGEST, background, enqueue
from app.ledger.rates import RATES_CAME
from app.timekeeping.commands.waiting import value_waiting
from app.timekeeping.models import Timer

KEPT_FOR = dt.timedelta(days=7)


@background("timekeeping.tidy", every=6 * 3600, queue=BULK, seconds=600)
def tidy() -> None:
    with transaction() as session:
        session.execute(sa.delete(Timer).where(Timer.discarded_at < now() - KEPT_FOR))


@background("timekeeping.value_waiting", every=900, queue=BULK, seconds=LONGEST)
def value_all_waiting() -> None:
    """All that need not wait any more, in steps: a rate has come, or a grade or role that there is a rate for."""
    while value_waiting(by=SYSTEM):
        pass


@reads("timekeeping.waiting", *RATES_CAME, "timekeeping.rate.add", "timekeeping.rate.restore")
def rates_came(_event: Event, _data: dict[str, Any]) -> None:
    """A rate card values what it can in its own transaction; this does the rest, and what exchange rates allow."""
    enqueue("timekeeping.value_waiting")
