"""What is held against histories can fail: a figure changed by hand, and a session told what is not so, are named."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core import clock
from app.core.db import db, transaction
from app.core.ids import new_id
from tests.make import make_cast
from tests.trial.checks import CHECKS, broken
from tests.trial.test_two_at_once import attempt
from tests.trial.told import Log, note_closed, there, untrue
from tests.trial.world import START, World

pytestmark = pytest.mark.real
ACTS = ("close", *["record"] * 8, "spend", "draft", "approve", "draft", "approve", "pay", "pay")
CHANGED = {
    "posting": ("UPDATE posting SET amount = amount + 1 WHERE account = 'wip'", "a transaction is out of balance",
                "an item's movements are not what it has open", "posted WIP is not the open entries",
                *(words for words in CHECKS if words.startswith("the WIP of "))),
    "invoice": ("UPDATE invoice SET issued_on = issued_on - 40 WHERE number IS NOT NULL",
                *(words for words in CHECKS if "in a month" in words and "bills" in words),
                "what was owed more or less after a month is not its bills, credit notes and payments"),
    "payment": ("UPDATE payment SET received_on = received_on - 40", "what came in a month is not its payments",
                "kept credit is not what is left of payments"),
    "invoice_item": ("UPDATE invoice_item SET billed = billed - 1, carried = carried + 1 WHERE issued AND billed >= 1",
                     "the work that a month's bills took is not what was posted as that",
                     "a line is not what is billed of its entries"),
    "balance": ("UPDATE balance SET amount = amount + 1", "kept WIP is not the open entries",
                "kept receivables are not the open bills"),
    "invoice ": ("UPDATE invoice SET number = number || '7' WHERE number IS NOT NULL", "numbers have a gap"),
}  # fmt: skip


@pytest.fixture
def log(real_app: Flask) -> Iterator[Log]:
    """Of one session, in a firm where the last months are closed, and something is billed and paid."""
    with real_app.app_context(), clock.travel_to(START):
        with transaction():
            world = World(make_cast())
        kept, dice = Log(), random.Random(4)
        for name in ACTS:
            assert attempt(world, name, dice, kept) == "done" or name in ("draft", "approve"), name
        note_closed(kept)
        assert len(kept.bills) > 1 and kept.closed  # a single number can leave no gap
        yield kept


def test_each_figure_that_is_changed_by_hand_is_named(real_app: Flask, log: Log) -> None:
    assert broken(db.session.connection()) == []
    db.session.rollback()
    engine = sa.create_engine(real_app.config["SETTINGS"].database_url, poolclass=sa.NullPool)
    for table, (statement, *words) in CHANGED.items():
        with engine.connect() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            assert connection.exec_driver_sql(statement).rowcount
            named = {found.split(": [")[0] for found in broken(connection)}
            assert set(words) <= named and words, (table, set(words) - named)
            connection.rollback()


def test_what_a_session_was_told_and_is_not_so_is_named(log: Log) -> None:
    assert untrue([log], set()) == []
    lost, there_all_the_same = new_id(), next(iter(log.made))
    other = Log(made={lost: "record"}, refused={there_all_the_same: "pay"}, gone={there_all_the_same})
    other.bills = {bill: (number, gross + 1) for bill, (number, gross) in log.bills.items()}
    other.closed = dict.fromkeys(log.closed, "something else")
    said = untrue([log, other], set())
    for words in (f"record was done, and is lost: {lost}", f"pay was refused, and is there: {there_all_the_same}",
                  f"taken away, and still there: {there_all_the_same}"):  # fmt: skip
        assert words in said
    assert any(each.startswith("bill INV-") for each in said)
    assert any(each.startswith("what was closed through") for each in said)
    assert {each for each in untrue([], set()) if each.startswith("nobody was told of")}
    assert untrue([Log()], there()) == []
