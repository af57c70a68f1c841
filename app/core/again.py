"""Work that lost a race is done again: in a new transaction it sees what the winner has made."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg.errors as pg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from app.core.db import db

log = structlog.get_logger()
Result = TypeVar("Result")
TRIES, PAUSE = 5, 0.05
# What the database refuses because of somebody else's change. A null or a wrong value is nobody else's.
RACES = (
    pg.UniqueViolation, pg.ForeignKeyViolation, pg.ExclusionViolation, pg.RestrictViolation, pg.DeadlockDetected,
    pg.SerializationFailure, pg.LockNotAvailable,
)


def lost_a_race(error: BaseException, kinds: tuple[type[Exception], ...] = RACES) -> bool:
    """Whether this error comes of somebody else's change at the same moment."""
    if isinstance(error, StaleDataError | ObjectDeletedError):
        return True
    return isinstance(error, DBAPIError) and isinstance(error.orig, kinds)


def until_it_wins(act: Callable[[], Result], *, name: str) -> Result:
    """Run what opens its own transactions, again where it loses a race, a few times, each time a little later.

    Only what is safe to run twice: what an earlier transaction of it has committed stays done.
    """
    for attempt in range(1, TRIES):
        try:
            return act()
        except Exception as error:
            if not lost_a_race(error):
                raise
            db.session.rollback()
            log.warning("work.collided", work=name, attempt=attempt, error=type(error).__name__)
            time.sleep(PAUSE * 2**attempt * random.random())
    return act()
