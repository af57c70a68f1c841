"""Making the demo firm in a fresh database, once."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Callable

import sqlalchemy as sa

from app.activity.background import seal_and_read
from app.core import clock
from app.core.db import db, transaction
from app.core.queue import connection
from app.demo.founding import found_firm
from app.demo.year import Year
from app.firm.models import Firm
from app.notifications.models import Notice

SEED = 20_240_613
PROGRESS = "demo:progress"
LOCK = 7_142_001


def seed_if_empty(tell: Callable[[str], None]) -> bool:
    """A year of history up to this moment; False when there is a firm already."""
    with transaction() as session:
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        if session.scalar(sa.select(sa.exists().where(Firm.id.is_not(None)))):
            return False
        # The demo can be made again; there is no need to wait for the disk after each of its days.
        session.execute(sa.text("SET SESSION synchronous_commit = off"))
        clock.set_zone("Europe/London")
        last = clock.today()
        first = last - dt.timedelta(days=int(__import__('os').environ.get('DEMO_DAYS', 365)))
        dice = random.Random(SEED)
        house = found_firm(first, dice)
    started = time.monotonic()
    store = connection()

    def progress(day: dt.date) -> None:
        percent = (day - first).days * 100 // 365
        store.set(PROGRESS, percent, ex=300)
        if day.day == 1:
            tell(f"demo firm: {day:%B %Y}, {percent} %, {time.monotonic() - started:.0f} s")

    Year(house, dice).run(first, last, progress)
    _settle()
    store.delete(PROGRESS)
    tell(f"demo firm: ready after {time.monotonic() - started:.0f} s")
    return True


def _settle() -> None:
    """Seal the year's events; what is older than three days has been read by everybody."""
    seal_and_read()
    with transaction() as session:
        session.execute(
            sa.update(Notice)
            .where(Notice.created_at < clock.now() - dt.timedelta(days=3), Notice.read_at.is_(None))
            .values(read_at=clock.now())
        )
    db.session.remove()
