"""Making the demo firm in a fresh database, once; what was interrupted goes on."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from flask import current_app

from app.core import clock
from app.core.db import db, transaction
from app.core.queue import connection
from app.core.worker import HELD
from app.demo.filling import begin_filling, finish_filling, unfinished
from app.demo.founding import find_house, found_firm
from app.demo.year import Year
from app.firm.models import Filling, Firm

SEED = 20_240_613
LOCK = 7_142_001
DAYS = 365


def seed_if_empty(tell: Callable[[str], None], days: int = DAYS) -> bool:
    """A year of history up to this moment; False when there is a whole firm already.

    Nobody else fills at the same time. Each day is one transaction that says so itself: killed at any moment, the
    next call goes on with the day after the last whole one.
    """
    with _alone():
        begun = unfinished()
        if begun is None and db.session.scalar(sa.select(sa.exists().where(Firm.id.is_not(None)))):
            return False
        if begun is not None:
            tell(f"demo firm: going on after {begun.through or begun.since:%d %B %Y}")
        started = time.monotonic()
        clock.set_zone("Europe/London")
        last = clock.today()
        # The demo can be made again; there is no need to wait for the disk after each of its days.
        with transaction() as session:
            session.execute(sa.text("SET SESSION synchronous_commit = off"))
        hold_sweepers(0)
        current_app.config["QUEUE_INLINE"] = deque(maxlen=0)
        if begun is None:
            begun = _found(last - dt.timedelta(days=days), last)
        since, next_day = begun.since, begun.since
        if begun.through is not None:
            next_day = begun.through + dt.timedelta(days=1)

        def progress(day: dt.date) -> None:
            percent = (day - since).days * 100 // max((last - since).days, 1)
            hold_sweepers(percent)
            if day.day == 1:
                tell(f"demo firm: {day:%B %Y}, {percent} %, {time.monotonic() - started:.0f} s")

        Year(find_house(), SEED, last, begun.known).run(next_day, progress)
        finish_filling()
        connection().delete(HELD)
    tell(f"demo firm: ready after {time.monotonic() - started:.0f} s")
    return True


def _found(first: dt.date, last: dt.date) -> Filling:
    with transaction():
        found_firm(first, last, random.Random(SEED))
        begin_filling(first)
    begun = unfinished()
    assert begun is not None
    return begun


def hold_sweepers(percent: int) -> None:
    """Nothing else may act on a firm whose clock travels: the sweepers find all of it when its year is over."""
    connection().set(HELD, percent)


def hold_while_unfinished() -> None:
    """After an interruption the sweepers wait as well, until the rest is made."""
    if unfinished() is not None:
        hold_sweepers(0)
    db.session.rollback()


@contextmanager
def _alone() -> Iterator[None]:
    """One fill at a time, on a connection of its own: whoever is killed lets go at once."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as held:
        held.execute(sa.select(sa.func.pg_advisory_lock(LOCK)))
        try:
            yield
        finally:
            held.execute(sa.select(sa.func.pg_advisory_unlock(LOCK)))
