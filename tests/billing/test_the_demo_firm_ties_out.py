"""What the firm's pages say of its money is, to the penny, what plain SQL over entries, bills and payments comes to."""

from __future__ import annotations

import datetime as dt
import random
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.billing.queries.payments import receivables_by_client
from app.billing.queries.statements import statement_currencies, statement_of
from app.billing.queries.wip import AgedPage, WipFilter, wip_by_client
from app.clients.access import actor_for
from app.clients.models import Client
from app.core import clock
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.permissions import Role
from app.demo.founding import found_firm
from app.demo.seed import SEED
from app.demo.year import Year
from app.people.models import Person
from tests.conftest import running_app
from tests.plumbing import TestServices, cloned_database

pytestmark = [pytest.mark.real, pytest.mark.slow]
DAYS = 170  # so that some of it is older than 121 days
AGO = (0, 1, 2, 3, 4, 5, 6, 33, 61, 95, 140)

# Nothing here reads the ledger, a kept sum, or a figure that follows from another. A bill stands on a day when it was
# issued by then and not credited by then; money lies on it when it was put there by then and not taken back by then.
_BILLS = """
    SELECT bill.*, (SELECT note.issued_on FROM invoice note
                    WHERE note.credits_id = bill.id AND note.number IS NOT NULL) AS credited_on
    FROM invoice bill WHERE bill.kind = 'invoice' AND bill.number IS NOT NULL AND bill.issued_on <= :day
"""
WORK = f"""
    WITH bill AS ({_BILLS}), item AS (
        SELECT id, client_id, currency, worked_on, value, written FROM time_entry
        WHERE billable AND deleted_at IS NULL AND worked_on <= :day
        UNION ALL
        SELECT id, client_id, currency, worked_on, value, written FROM expense
        WHERE billable AND deleted_at IS NULL AND worked_on <= :day
    ), taken AS (
        SELECT i.item_id, sum(i.billed - i.written) AS amount FROM invoice_item i JOIN bill ON bill.id = i.invoice_id
        WHERE bill.credited_on IS NULL OR bill.credited_on > :day GROUP BY i.item_id
    )
    SELECT item.client_id, item.currency, :day - item.worked_on AS age, item.value - coalesce(taken.amount, 0)
    FROM item LEFT JOIN taken ON taken.item_id = item.id
"""
OWED = f"""
    WITH bill AS ({_BILLS}), paid AS (
        SELECT invoice_id, sum(amount) AS amount FROM allocation
        WHERE allocated_on <= :day AND (reversed_at IS NULL OR (reversed_at AT TIME ZONE :zone)::date > :day)
        GROUP BY invoice_id
    )
    SELECT bill.payer_id, bill.currency, :day - bill.due_on AS age,
           (SELECT sum(l.net + l.tax) FROM invoice_line l WHERE l.invoice_id = bill.id) - coalesce(paid.amount, 0)
    FROM bill LEFT JOIN paid ON paid.invoice_id = bill.id WHERE bill.credited_on IS NULL OR bill.credited_on > :day
"""
RECEIVED = """
    SELECT client_id, currency, sum(amount) FROM payment
    WHERE received_on <= :day AND (reversed_at IS NULL OR (reversed_at AT TIME ZONE :zone)::date > :day)
    GROUP BY client_id, currency
"""
BILLED = f"""
    WITH bill AS ({_BILLS})
    SELECT payer_id, currency, sum((SELECT sum(l.net + l.tax) FROM invoice_line l WHERE l.invoice_id = bill.id))
    FROM bill WHERE credited_on IS NULL OR credited_on > :day GROUP BY payer_id, currency
"""
FIRST_DAYS = (0, 31, 61, 91, 121)
Table = dict[tuple[Any, str], list[Decimal]]


@pytest.fixture(scope="module")
def boss(services: TestServices) -> Iterator[Actor]:
    """A partner of the demo firm, who sees all of it, after the last months of its year."""
    with cloned_database(services) as settings:
        for app in running_app(settings):
            app.config["QUEUE_INLINE"] = deque(maxlen=0)
            with app.app_context():
                yield live(app)


def live(app: Flask) -> Actor:
    clock.set_zone("Europe/London")
    last = clock.today()
    first = last - dt.timedelta(days=DAYS)
    dice = random.Random(SEED)
    with transaction():
        house = found_firm(first, dice)
    Year(house, dice).run(first, last, lambda _day: None)
    return actor_for(db.session.scalars(sa.select(Person).where(Person.role == Role.PARTNER)).first())


def by_hand(statement: str, day: dt.date, *, not_due: bool) -> Table:
    """By client and currency: the columns of an ageing, without those that hold nothing."""
    found: Table = {}
    for client, currency, age, amount in asked(statement, day):
        column = sum(age >= first for first in FIRST_DAYS) - (0 if not_due else 1)
        found.setdefault((client, currency), [Decimal(0)] * (6 if not_due else 5))[column] += amount
    return {key: columns for key, columns in found.items() if any(columns)}


def asked(statement: str, day: dt.date) -> list[Any]:
    values = {"day": day, "zone": "Europe/London"}
    return [tuple(row) for row in db.session.execute(sa.text(statement).bindparams(
        **{name: value for name, value in values.items() if f":{name}" in statement}
    ))]  # fmt: skip


def on_pages(read: Callable[[int], AgedPage]) -> tuple[Table, Table]:
    """Every row of every page, and the totals below them."""
    number, rows = 1, {}
    while True:
        page = read(number)
        for row in page.rows:
            assert sum(row.ages) == row.total
            rows[row.id, row.currency] = list(row.ages)
        if not page.has_next:
            return rows, {(None, total.currency): list(total.ages) for total in page.totals}
        number += 1


def summed(table: Table) -> Table:
    sums: Table = {}
    for (_client, currency), columns in table.items():
        before = sums.get((None, currency), [Decimal(0)] * len(columns))
        sums[None, currency] = [a + b for a, b in zip(before, columns, strict=True)]
    return sums


@pytest.mark.parametrize("ago", AGO)
def test_the_ageing_of_work_is_that_of_the_entries_by_day(boss: Actor, ago: int) -> None:
    day = clock.today() - dt.timedelta(days=ago)
    wanted = by_hand(WORK, day, not_due=False)
    found = WipFilter(on=day) if ago else WipFilter()
    rows, totals = on_pages(lambda number: wip_by_client(found, seen_by=boss, page=number))
    assert rows == wanted and totals == summed(wanted)
    assert ago > DAYS - 40 or len(wanted) > 10  # there is something to compare


@pytest.mark.parametrize("ago", AGO)
def test_what_clients_owe_is_that_of_the_open_bills_by_the_day_they_fell_due(boss: Actor, ago: int) -> None:
    day = clock.today() - dt.timedelta(days=ago)
    wanted = by_hand(OWED, day, not_due=True)
    found = WipFilter(on=day) if ago else WipFilter()
    rows, totals = on_pages(lambda number: receivables_by_client(found, seen_by=boss, page=number))
    assert rows == wanted and totals == summed(wanted)
    assert ago > 60 or len(wanted) > 10


@pytest.mark.parametrize("ago", (0, 33, 95))
def test_every_statement_is_bills_less_payments_and_its_ages_those_of_the_open_bills(boss: Actor, ago: int) -> None:
    day = clock.today() - dt.timedelta(days=ago)
    owed = by_hand(OWED, day, not_due=True)
    billed = {(client, currency): amount for client, currency, amount in asked(BILLED, day)}
    received = {(client, currency): amount for client, currency, amount in asked(RECEIVED, day)}
    told = 0
    for client_id in db.session.scalars(sa.select(Client.id)).all():
        for currency in statement_currencies(client_id, seen_by=boss):
            key, none = (client_id, currency), Decimal(0)
            statement = statement_of(client_id, currency, day - dt.timedelta(days=60), day, seen_by=boss)
            assert statement.closing == billed.get(key, none) - received.get(key, none)
            assert [amount for _age, amount in statement.ages] == owed.get(key, [none] * 6)
            assert statement.closing == statement.opening + sum((row.amount for row in statement.rows), none)
            told += 1
    assert told > 10
