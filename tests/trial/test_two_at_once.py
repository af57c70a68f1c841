"""Several people do anything at once, and connections die at any moment: nothing is lost, doubled or out of balance."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import psycopg.errors
import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from app.core import clock
from app.core.db import db, transaction
from app.core.errors import FirmamentError
from app.core.proofs import run_proofs
from tests.make import make_cast
from tests.plumbing import TestServices
from tests.trial.acts import ACTS, some_acts
from tests.trial.checks import broken
from tests.trial.machine import ROOMS
from tests.trial.world import START, World

pytestmark = [pytest.mark.real, pytest.mark.slow]
# FIRMAMENT_EXAMPLES scales them: a fiftieth of the histories of the machine, for each of them commits.
ROUNDS = max(int(os.environ.get("FIRMAMENT_EXAMPLES", "50")) // 25, 2)
ACTS_EACH = 14
ENDED = (psycopg.errors.AdminShutdown.__name__, psycopg.OperationalError.__name__)


@pytest.fixture
def world(real_app: Flask) -> Iterator[World]:
    """A firm in which things are on their way already."""
    with real_app.app_context(), clock.travel_to(START):
        with transaction():
            made = World(make_cast())
        dice = random.Random(7)
        for name in ["record"] * 8 + ["record_on_one_day"] * 3 + ["draft", "approve", "pay", "spend", "draft"]:
            attempt(made, name, dice)
        db.session.remove()
        yield made


def attempt(world: World, name: str, dice: random.Random) -> str:
    """One act in a transaction of its own: done, refused, or what the database said."""
    try:
        with clock.travel_to(START):
            ACTS[name](world, dice)
    except FirmamentError:
        return "refused"
    except DBAPIError as error:
        return type(error.orig).__name__
    finally:
        db.session.remove()
    return "done"


def at_once(app: Flask, *works: Callable[[], list[str]]) -> list[list[str]]:
    """Each in a thread and connection of its own, all starting together."""
    start = Barrier(len(works))

    def run(work: Callable[[], list[str]]) -> list[str]:
        with app.app_context():
            start.wait()
            return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def wrong() -> list[Any]:
    found: list[Any] = [
        (name, each) for name, findings in run_proofs() for each in findings
        if name.startswith(ROOMS) and name != "billing.pdfs" and not each.note
    ]
    found += broken(db.session.connection())
    db.session.rollback()
    return found


def test_two_people_do_anything_at_once(real_app: Flask, world: World) -> None:
    results: list[str] = []
    for number in range(ROUNDS):
        seeds = (number * 2, number * 2 + 1)

        def working(seed: int) -> Callable[[], list[str]]:
            dice = random.Random(seed)
            names = some_acts(dice, ACTS_EACH)
            return lambda: [attempt(world, name, dice) for name in names]

        for done in at_once(real_app, *[working(seed) for seed in seeds]):
            results += done
        with clock.travel_to(START):
            assert wrong() == [], f"after the acts of the dice {seeds}"
    # Whoever loses a race for a row that must be one of its kind is asked again by the web; nobody waits in a circle.
    assert set(results) <= {"done", "refused", "UniqueViolation"}, sorted(set(results))
    assert results.count("done") > len(results) // 3


@contextmanager
def killed_at(services: TestServices, statement: int) -> Iterator[None]:
    """Inside: the connection that sends its so many-th statement is ended by the server before it is carried out."""
    left = [statement]

    def count(connection: Any, _cursor: Any, _statement: str, *_rest: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            pid = connection.connection.driver_connection.info.backend_pid
            with services.admin() as admin:
                admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
                while admin.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone():
                    pass

    engine = db.engines[None]
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", count)


MOVED = (
    "time_entry", "expense", "invoice", "invoice_line", "invoice_item", "payment", "allocation", "posting", "balance",
    "client_balance", "number_series", "arrangement", "event",
)  # fmt: skip


def figures() -> list[Any]:
    """All that an act could have moved."""
    whole = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {} t"
    said = [tuple(db.session.execute(sa.text(whole.format(name))).one()) for name in MOVED]
    db.session.rollback()
    return said


def test_an_act_whose_connection_dies_is_done_whole_or_not_at_all(
    real_app: Flask, world: World, services: TestServices
) -> None:
    dice, ended = random.Random(11), 0
    for number in range(ROUNDS):
        for name in some_acts(dice, ACTS_EACH):
            before, seed = figures(), dice.random()
            with killed_at(services, dice.randint(1, 25)):
                said = attempt(world, name, random.Random(seed))
            if said not in ("done", "refused"):
                assert said in ENDED, (name, said)
                assert figures() == before, f"{name} was half done"
                ended += 1
                attempt(world, name, random.Random(seed))
        with clock.travel_to(START):
            assert wrong() == [], f"after round {number}"
    assert ended
