"""Several people do anything at once, and connections die at any moment: nothing is lost, doubled or out of balance.

Each session keeps what it was told of its acts. Afterwards all of that is there, and nothing else, and what must hold
of money is asked of entries, bills and payments by plain SQL.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any
from uuid import UUID

import psycopg.errors
import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from app.billing.commands import drafts, fees
from app.clients.models import Arrangement
from app.core import clock
from app.core.db import db, transaction
from app.core.errors import FirmamentError
from app.core.proofs import run_proofs
from tests.make import make_cast
from tests.plumbing import TestServices
from tests.trial.acts import ACTS, some_acts
from tests.trial.checks import broken
from tests.trial.machine import ROOMS
from tests.trial.told import DONE, REFUSED, Log, note_closed, there, untrue
from tests.trial.world import START, World

pytestmark = pytest.mark.real
# FIRMAMENT_EXAMPLES scales what `make soak` plays: a twenty-fifth of the histories of the machine, for each commits.
EXAMPLES = int(os.environ.get("FIRMAMENT_EXAMPLES", "50"))
ROUNDS, PARTS, ACTS_EACH, ACTS_ALONE = 2, 10, 14, 40
HANDS = ROUNDS * 2  # in as many rounds, each act is played by somebody
PART = max(EXAMPLES // 25 // PARTS, 1)
ENDED = {psycopg.errors.AdminShutdown.__name__, psycopg.OperationalError.__name__}
# Whoever loses a race for a row that must be one of its kind is asked again by the web; nobody waits in a circle.
LOST = {psycopg.errors.UniqueViolation.__name__}


@pytest.fixture
def new_world(real_app: Flask) -> Iterator[World]:
    with real_app.app_context(), clock.travel_to(START):
        with transaction():
            made = World(make_cast())
        yield made


@pytest.fixture
def world(new_world: World) -> World:
    """A firm in which things are on their way already."""
    begin_with(new_world, *["record"] * 8, *["record_a_few"] * 3, "draft", "approve", "pay", "spend", "draft")
    return new_world


def begin_with(world: World, *acts: str) -> None:
    dice, log = random.Random(7), Log()
    for name in acts:
        attempt(world, name, dice, log)
    db.session.remove()


def attempt(world: World, name: str, dice: random.Random, log: Log) -> str:
    """One act in a transaction of its own: done, refused, or what the database said; the log is told."""
    log.begin()
    try:
        with clock.travel_to(START):
            ACTS[name](world, dice)
        said = DONE
    except FirmamentError:
        said = REFUSED
    except DBAPIError as error:
        said = type(error.orig).__name__
    finally:
        db.session.remove()
    log.end(said, name)
    return said


def at_once(app: Flask, *works: Callable[[], None]) -> None:
    """Each in a thread and connection of its own, all starting together."""
    start = Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        with app.app_context():
            start.wait()
            work()

    with ThreadPoolExecutor(len(works)) as pool:
        list(pool.map(run, works))


def wrong() -> list[Any]:
    found: list[Any] = [
        (name, each) for name, findings in run_proofs(*ROOMS, without="billing.pdfs") for each in findings
        if not each.note
    ]
    found += broken(db.session.connection())
    db.session.rollback()
    return found


_fate = threading.local()


@contextmanager
def connections_that_die(services: TestServices) -> Iterator[None]:
    """Inside: a thread's connection is ended by the server before it carries out the statement, or the commit, that the
    thread's fate counts down to."""

    def count(connection: Any, *_rest: Any) -> None:
        _fate.left = getattr(_fate, "left", 0) - 1
        if _fate.left == 0:
            pid = connection.connection.driver_connection.info.backend_pid
            with services.admin() as admin:
                admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
                while admin.execute("SELECT pid FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone():
                    pass

    engine = db.engines[None]
    for moment in ("before_cursor_execute", "commit"):
        event.listen(engine, moment, count)
    try:
        yield
    finally:
        for moment in ("before_cursor_execute", "commit"):
            event.remove(engine, moment, count)


def play(
    app: Flask, world: World, seeds: tuple[int, int], *, deadly: bool = False, acts: Sequence[str] = ()
) -> Counter[str]:
    """Two sessions do what their dice (or `acts`) say; then what they were told is so, and what must hold of money
    holds."""
    before, logs = there(), [Log(), Log()]

    def working(seed: int, log: Log) -> Callable[[], None]:
        dice, fate = random.Random(seed), random.Random(-seed - 1)

        def work() -> None:
            for name in acts or some_acts(dice, ACTS_EACH, hand=seed, hands=HANDS):
                _fate.left = fate.randint(1, 40) if deadly else 0
                said = attempt(world, name, dice, log)
                _fate.left = 0
                if name == "close" and said == DONE:
                    note_closed(log)

        return work

    note_closed(logs[0])
    at_once(app, *[working(seed, log) for seed, log in zip(seeds, logs, strict=True)])
    with clock.travel_to(START):
        assert untrue(logs, before) + wrong() == [], f"after the acts of the dice {seeds}"
    return logs[0].results + logs[1].results


def two_people(app: Flask, world: World, rounds: range) -> None:
    results = sum((play(app, world, (number * 2, number * 2 + 1)) for number in rounds), Counter[str]())
    assert set(results) <= {DONE, REFUSED} | LOST, results
    assert results[DONE] > results.total() // 3


def two_whose_connections_die(app: Flask, world: World, services: TestServices, rounds: range) -> None:
    with connections_that_die(services):
        results = sum(
            (play(app, world, (number * 2, number * 2 + 1), deadly=True) for number in rounds), Counter[str]()
        )
    assert set(results) <= {DONE, REFUSED} | LOST | ENDED, results
    assert any(results[each] for each in ENDED) and results[DONE]


@pytest.mark.slow
def test_two_people_do_anything_at_once(real_app: Flask, world: World) -> None:
    two_people(real_app, world, range(ROUNDS))


@pytest.mark.slow
def test_two_people_do_anything_at_once_while_their_connections_die(
    real_app: Flask, world: World, services: TestServices
) -> None:
    two_whose_connections_die(real_app, world, services, range(ROUNDS))


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
def test_two_people_do_very_much_at_once(
    real_app: Flask, world: World, services: TestServices, part: int
) -> None:
    first = 1000 + part * PART
    two_people(real_app, world, range(first, first + PART))
    two_whose_connections_die(real_app, world, services, range(first, first + PART))


MOVED = (
    "time_entry", "expense", "invoice", "invoice_line", "invoice_item", "payment", "allocation", "posting", "balance",
    "client_balance", "account_balance", "number_series", "arrangement", "closing", "exchange_rate", "event",
)  # fmt: skip


def figures() -> list[Any]:
    """All that an act could have moved."""
    whole = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {} t"
    said = [tuple(db.session.execute(sa.text(whole.format(name))).one()) for name in MOVED]
    db.session.rollback()
    return said


def each_whole_or_not_at_all(world: World, services: TestServices, seed: int) -> None:
    dice, ended = random.Random(seed), 0
    with connections_that_die(services):
        for name in some_acts(dice, ACTS_ALONE):
            before, again = figures(), dice.random()
            _fate.left = dice.randint(1, 25)
            said = attempt(world, name, random.Random(again), Log())
            _fate.left = 0
            if said not in (DONE, REFUSED):
                assert said in ENDED, (name, said)
                assert figures() == before, f"{name} was half done"
                ended += 1
                attempt(world, name, random.Random(again), Log())
    with clock.travel_to(START):
        assert wrong() == [], f"after the dice {seed}"
    assert ended


@pytest.mark.slow
def test_an_act_whose_connection_dies_is_done_whole_or_not_at_all(
    real_app: Flask, world: World, services: TestServices
) -> None:
    each_whole_or_not_at_all(world, services, 11)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
def test_very_many_acts_whose_connections_die_are(
    real_app: Flask, world: World, services: TestServices, part: int
) -> None:
    for number in range(PART):
        each_whole_or_not_at_all(world, services, 1000 + part * PART + number)


# What stops it in the database: what is drawn of a fee is compared with what its bills take.
GUARDS = (("arrangement", "drawn"), ("invoice_line", "drawn_made"))


@pytest.mark.slow
def test_a_fee_that_two_draft_without_its_lock_is_found_and_named(
    real_app: Flask, new_world: World, services: TestServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that there once was: what is left of a fee was looked at by two at once, and both took it.

    Both look before either takes, and whoever takes first commits only when the other waits to take: the order of
    events is the same on a slow machine.
    """
    taken: list[int] = []
    both_look = Barrier(2, action=taken.clear)
    engine = sa.create_engine(real_app.config["SETTINGS"].database_url, poolclass=sa.NullPool)

    def looked_at(engagement_ids: Sequence[UUID]) -> Any:
        found = fees._agreed(sa.select(Arrangement).where(Arrangement.engagement_id.in_(engagement_ids)))
        both_look.wait(100)
        return found

    def take(ids: Iterable[UUID | None]) -> None:
        wanted = list(ids)
        fees.keep_drawn(wanted)
        taken.append(threading.get_ident())
        if taken[0] == threading.get_ident() and any(wanted):
            wait_until_another_waits(services, engine.url.database)

    monkeypatch.setattr(drafts, "take_turns", lambda *_clients: None)
    monkeypatch.setattr(drafts, "lock_arrangements", looked_at)
    monkeypatch.setattr(drafts, "keep_drawn", take)
    with engine.begin() as connection:
        for table, trigger in GUARDS:
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    with pytest.raises(AssertionError, match="1000.0000 drawn of 1000.0000, its bills take 2000.0000"):
        for number in range(5):
            play(real_app, new_world, (number, number), acts=["draft"] * 4)


def wait_until_another_waits(services: TestServices, name: str | None) -> None:
    """Return when a session of this database waits for a row that another one holds."""
    waiting = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
    with services.admin() as admin:
        for _ in range(3000):
            if admin.execute(waiting, (name,)).fetchone():
                return
            time.sleep(0.02)
    raise TimeoutError("nobody came to wait for the row within a minute")
