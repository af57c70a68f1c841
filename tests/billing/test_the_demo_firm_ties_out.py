"""What the firm's pages say of its money is, to the penny, what plain SQL over entries, bills and payments comes to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from app.billing.queries.payments import receivables_by_client
from app.billing.queries.statements import statement_currencies, statement_of
from app.billing.queries.wip import AgedPage, WipFilter, wip_by_client
from app.clients.access import actor_for
from app.clients.models import Client
from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.permissions import Role
from app.jobs.commands.plan import plan_stale_jobs
from app.people.models import Person
from tests.conftest import running_app
from tests.demo.filling import fill
from tests.plumbing import TestServices, cloned_database

pytestmark = [pytest.mark.real, pytest.mark.slow]
DAYS = 190  # so that some of it is older than 121 days
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
        assert fill(settings, DAYS).wait(500) == 0
        for app in running_app(settings):
            with app.app_context():
                clock.set_zone("Europe/London")
                yield actor_for(db.session.scalars(sa.select(Person).where(Person.role == Role.PARTNER)).first())


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


def numbers(statement: str) -> list[Any]:
    return [tuple(row) for row in db.session.execute(sa.text(statement))]


def test_every_age_has_work_and_receivables_in_both_currencies_together(boss: Actor) -> None:
    for statement, not_due, columns in ((WORK, False, 5), (OWED, True, 6)):
        table = summed(by_hand(statement, clock.today(), not_due=not_due))
        assert {key[1] for key in table} == {"GBP", "EUR"}
        total = sum(sum(each) for each in table.values())
        shares = [sum(each[n] for each in table.values()) / total for n in range(columns)]
        assert all(share >= Decimal("0.005") for share in shares), shares
        assert sum(shares[: columns - 3]) > Decimal("0.5"), shares  # what is old is the smaller part


def test_dublin_works_in_euro_with_irish_services_and_london_in_pounds_with_british_ones(boss: Actor) -> None:
    found = numbers("""
        SELECT DISTINCT o.name, e.currency, x.country, left(s.code, 3) FROM engagement e
        JOIN client c ON c.id = e.client_id JOIN office o ON o.id = c.office_id
        JOIN entity x ON x.id = e.entity_id LEFT JOIN service s ON s.id = e.service_id WHERE NOT c.is_firm
    """)
    assert {row[:3] for row in found} == {("London", "GBP", "GB"), ("Dublin", "EUR", "IE")}
    assert ("Dublin", "EUR", "IE", "UK-") not in found and ("London", "GBP", "GB", "IE-") not in found


def test_most_time_is_booked_on_steps_and_none_in_implausible_pieces(boss: Actor) -> None:
    on_steps, on_advice, inside = numbers("""
        SELECT sum(t.recorded) FILTER (WHERE t.task_id IS NOT NULL),
               sum(t.recorded) FILTER (WHERE t.task_id IS NULL AND NOT c.is_firm),
               sum(t.recorded) FILTER (WHERE c.is_firm)
        FROM time_entry t JOIN client c ON c.id = t.client_id
    """)[0]
    everything = on_steps + on_advice + inside
    assert on_steps > everything / 2 and everything / 20 < inside < everything / 4
    longest = dict(numbers("SELECT t.task_id IS NULL, max(t.recorded) FROM time_entry t"
                           " JOIN client c ON c.id = t.client_id WHERE NOT c.is_firm GROUP BY 1"))
    assert longest[False] <= 5 * 3600 and longest[True] <= 2.5 * 3600


def test_nobody_records_more_than_their_own_week_and_part_timers_work_less(boss: Actor) -> None:
    weeks = numbers("""
        SELECT p.name, (SELECT sum(m) * 60 FROM unnest(w.minutes) AS m), max(t.week) FROM person p
        JOIN working_pattern w ON w.person_id = p.id JOIN (
            SELECT person_id, date_trunc('week', worked_on), sum(recorded) AS week FROM time_entry GROUP BY 1, 2
        ) t ON t.person_id = p.id GROUP BY 1, 2
    """)
    assert len(weeks) == 12 and all(0.3 * hours < most <= hours for _name, hours, most in weeks), weeks
    assert len({hours for _name, hours, _most in weeks}) >= 4
    worked = numbers("""
        SELECT count(*) FROM time_entry t JOIN leave l ON l.person_id = t.person_id
        WHERE t.worked_on BETWEEN l.from_on AND l.to_on AND l.cancelled_at IS NULL
    """)
    assert worked == [(0,)]
    away = numbers("SELECT count(DISTINCT person_id) FILTER (WHERE current_date BETWEEN from_on AND to_on),"
                   " count(*) FILTER (WHERE from_on > current_date) FROM leave")[0]
    assert away[0] >= 1 and away[1] >= 3


def test_some_work_is_late_some_is_nobodys_and_few_deadlines_were_missed(boss: Actor) -> None:
    active, late, nobodys = numbers("""
        SELECT count(*), count(*) FILTER (WHERE due_on < current_date),
               count(*) FILTER (WHERE EXISTS (SELECT FROM task t WHERE t.job_id = job.id AND t.assignee_id IS NULL
                                              AND t.state NOT IN ('done', 'cancelled')))
        FROM job WHERE status = 'active'
    """)[0]
    assert 0.02 <= late / active <= 0.25, (late, active)
    assert 0.01 <= nobodys / active <= 0.2, (nobodys, active)
    past, missed = numbers("SELECT count(*), count(*) FILTER (WHERE state IN ('open', 'missed')) FROM deadline"
                           " WHERE effective_on < current_date")[0]
    assert past > 50 and missed <= past * 0.05, (missed, past)


def test_some_work_is_at_risk_for_different_reasons_and_most_is_not(boss: Actor) -> None:
    while plan_stale_jobs():
        pass
    risks = numbers("SELECT at_risk_because FROM job WHERE status = 'active'")
    why = [because for (because,) in risks if because]
    assert 0.03 <= len(why) / len(risks) <= 0.3, (len(why), len(risks))
    assert len({because.split("”")[0].split(" has ")[0] for because in why}) >= 2, why


def test_clients_are_asked_and_answer_soon_late_or_not_at_all(boss: Actor) -> None:
    states = dict(numbers("SELECT state, count(*) FROM client_request WHERE sent_at IS NOT NULL GROUP BY 1"))
    out = sum(states.get(state, 0) for state in ("sent", "viewed", "in_progress", "returned"))
    assert 5 <= out <= 60 and states["accepted"] > out, states
    late = numbers("SELECT count(*) FROM client_request WHERE sent_at IS NOT NULL AND closed_at IS NULL"
                   " AND due_on < current_date")[0][0]
    assert 0 < late < out
    assert numbers("SELECT count(*) > 0 FROM document WHERE state = 'rejected'") == [(True,)]
    kinds = dict(numbers("SELECT kind, count(*) FROM delivery GROUP BY 1"))
    assert kinds["statement"] >= 3 and any("remind" in kind for kind in kinds), kinds
