"""Making the demo firm in a fresh database, once."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections import deque
from collections.abc import Callable

import sqlalchemy as sa
from flask import current_app

from app.core import clock
from app.core.db import transaction
from app.core.queue import connection
from app.core.worker import HELD
from app.demo.founding import found_firm
from app.demo.year import Year
from app.firm.models import Firm

SEED = 20_240_613
LOCK = 7_142_001


def seed_if_empty(tell: Callable[[str], None]) -> bool:
    """A year of history up to this moment; False when there is a firm already."""
    with transaction() as session:
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        if session.scalar(sa.select(sa.exists().where(Firm.id.is_not(None)))):
            return False
        # The demo can be made again; there is no need to wait for the disk after each of its days.
        session.execute(sa.text("SET SESSION synchronous_commit = off"))
        # Nothing else may act on a firm whose clock travels: the sweepers find all of it when its year is over.
        store = connection()
        store.set(HELD, 0, ex=60)
        current_app.config["QUEUE_INLINE"] = deque(maxlen=0)
        clock.set_zone("Europe/London")
        last = clock.today()
        first = last - dt.timedelta(days=365)
        dice = random.Random(SEED)
        house = found_firm(first, dice)
    started = time.monotonic()

    def progress(day: dt.date) -> None:
        percent = (day - first).days * 100 // 365
        store.set(HELD, percent, ex=60)
        if day.day == 1:
            tell(f"demo firm: {day:%B %Y}, {percent} %, {time.monotonic() - started:.0f} s")

    Year(house, dice).run(first, last, progress)
    store.delete(HELD)
    tell(f"demo firm: ready after {time.monotonic() - started:.0f} s")
    return True
