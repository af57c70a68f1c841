"""Tidying: discarded timers go once nobody can want them back."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.core.clock import now
from app.core.db import transaction
from app.core.queue import BULK, background
from app.timekeeping.models import Timer

KEPT_FOR = dt.timedelta(days=7)


@background("timekeeping.tidy", every=6 * 3600, queue=BULK)
def tidy() -> None:
    with transaction() as session:
        session.execute(sa.delete(Timer).where(Timer.discarded_at < now() - KEPT_FOR))
