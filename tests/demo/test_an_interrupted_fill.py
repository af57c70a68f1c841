"""A fill of the demo firm that is killed goes on where it was, and comes to the same firm as one that was not."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from app.config import Settings
from tests.conftest import running_app
from tests.demo.filling import fill
from tests.plumbing import TestServices, cloned_database

pytestmark = [pytest.mark.real, pytest.mark.slow]
DAYS, KILLS = 12, 3
# Nothing of an id in it: two fills have the same people, dates and amounts, and other ids.
FIGURES = {
    "the days that are over": "SELECT since, through, finished_at IS NOT NULL FROM filling",
    "clients": "SELECT code, name, currency FROM client",
    "jobs": "SELECT number, title, status, due_on, tasks_done, tasks_total FROM job",
    "steps": "SELECT j.number, t.name, t.state, t.due_on FROM task t JOIN job j ON j.id = t.job_id",
    "time": "SELECT p.name, e.worked_on, e.recorded, e.narrative, e.value FROM time_entry e"
            " JOIN person p ON p.id = e.person_id",
    "bills": "SELECT number, state, net, gross, currency, issued_on FROM invoice",
    "payments": "SELECT received_on, amount, currency FROM payment",
    "requests": "SELECT name, state, sent_at::date, due_on FROM client_request",
    "leave": "SELECT p.name, l.kind, l.from_on, l.to_on FROM leave l JOIN person p ON p.id = l.person_id",
}


@pytest.fixture
def two_databases(services: TestServices) -> Iterator[tuple[Settings, Settings]]:
    with cloned_database(services) as one, cloned_database(services) as other:
        yield one, other


def figures(settings: Settings) -> dict[str, list[Any]]:
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(sa.text(statement))), key=repr)
            for name, statement in FIGURES.items()
        }


def through(settings: Settings) -> Any:
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return connection.scalar(sa.text("SELECT through FROM filling"))


def test_a_fill_that_is_killed_again_and_again_comes_to_the_same_firm(
    two_databases: tuple[Settings, Settings],
) -> None:
    whole, killed = two_databases
    dice = random.Random(71)
    reached = []
    for _ in range(KILLS):
        process = fill(killed, DAYS)
        before = through(killed)
        while process.poll() is None and through(killed) == before:
            time.sleep(0.05)
        time.sleep(dice.uniform(0, 0.4))  # now somewhere within a day, or between two
        process.kill()
        process.wait()
        reached.append(through(killed))
    assert None not in reached and reached == sorted(set(reached))  # each went on; none was over
    assert fill(killed, DAYS).wait(300) == 0
    assert fill(whole, DAYS).wait(300) == 0
    one, other = figures(killed), figures(whole)
    for name in FIGURES:
        assert one[name] == other[name], name
        assert one[name] or name in ("bills", "payments"), name  # a few weeks may hold no day of bills

    # Whoever calls again finds a whole firm and leaves it alone.
    assert fill(killed, DAYS).wait(120) == 0
    assert figures(killed) == one


def test_the_sweepers_wait_for_the_rest_of_an_interrupted_fill(real_database: Settings) -> None:
    process = fill(real_database, DAYS)
    while process.poll() is None and through(real_database) is None:
        time.sleep(0.1)
    process.kill()
    process.wait()
    for app in running_app(real_database):
        with app.app_context():
            from app.core.queue import connection
            from app.core.worker import HELD
            from app.demo.seed import hold_while_unfinished

            connection().delete(HELD)  # as after a crash of the store
            hold_while_unfinished()
            assert connection().exists(HELD)
