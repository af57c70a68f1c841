"""Acts that begin at the same moment, each in a thread and connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg.errors as pg
from flask import Flask
from sqlalchemy.exc import OperationalError

from app.core.db import db, transaction
from app.core.errors import FirmamentError
from tests.billing.make_billing import make_rate
from tests.make import Cast, make_cast


def at_once(app: Flask, *acts: Callable[[], object]) -> list[Any]:
    """What became of each act, all beginning together; a refusal and a lost race are results."""
    start = Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        with app.app_context():
            start.wait()
            try:
                return act()
            except (FirmamentError, OperationalError) as error:
                return error
            finally:
                db.session.remove()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def deadlocks(results: list[Any]) -> int:
    return sum(isinstance(getattr(each, "orig", None), pg.DeadlockDetected) for each in results)


def a_firm(app: Flask) -> Cast:
    """The cast in a database of its own, where an hour costs 100."""
    with app.app_context():
        with transaction():
            cast = make_cast()
            make_rate("100")
        db.session.expunge_all()
        return cast
