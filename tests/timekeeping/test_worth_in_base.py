"""What an item's WIP stands at in base: what is undone takes out, or brings back, exactly what stood there."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from app.activity.commands import record
from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import treat_item
from app.billing.commands.wip import take_back, transfer_items, write_off_items, write_on_items
from app.billing.models import Rest, Treatment
from app.clients.models import Engagement
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.ledger.commands import close_period
from app.ledger.models import ExchangeRate
from app.ledger.proofs import prove_balanced, prove_exchange_rates, prove_memo, prove_wip_in_base
from app.ledger.rates import withdraw_exchange_rate
from app.timekeeping.commands.entries import delete_entry, edit_entry, restore_entry
from app.timekeeping.commands.expenses import (
    ExpenseFacts,
    delete_expense,
    edit_expense,
    record_expense,
    restore_expense,
)
from app.timekeeping.commands.splits import rejoin_entry, split_entry
from app.timekeeping.commands.wip import close_wip_in_base
from app.timekeeping.models import Expense, TimeEntry
from tests.billing.make_billing import make_draft
from tests.make import Cast, keep, make_engagement
from tests.timekeeping.make_time import leave_a_rest, make_entry, make_rate
from tests.timekeeping.test_figures import HOUR, all_proven, facts_of

PROOFS = (prove_balanced, prove_memo, prove_exchange_rates, prove_wip_in_base)


def ago(days: int) -> dt.date:
    return clock.today() - dt.timedelta(days=days)


def exchange(rate: str, days: int) -> ExchangeRate:
    """A euro in pounds, from a day on."""
    row: ExchangeRate = keep(ExchangeRate(currency="EUR", base="GBP", from_on=ago(days), rate=Decimal(rate)))
    return row


@pytest.fixture
def first(cast: Cast) -> ExchangeRate:
    make_rate("100", currency="EUR")
    return exchange("0.85", 100)


@pytest.fixture
def advice(cast: Cast, first: ExchangeRate) -> Engagement:
    return make_engagement(cast.acme, cast.entity, "Advice", currency="EUR")


@pytest.fixture
def payroll(cast: Cast, first: ExchangeRate) -> Engagement:
    return make_engagement(cast.acme, cast.entity, "Payroll", currency="EUR")


def in_euros(cast: Cast, engagement: Engagement, hours: int = 1) -> TimeEntry:
    return make_entry(cast, engagement=engagement, recorded=HOUR * hours, worked_on=ago(30))


def stands(item: TimeEntry | Expense, at: Engagement | None = None) -> tuple[Any, ...]:
    """What its WIP comes to, in its currency and in base; at one engagement, or in all."""
    return tuple(db.session.execute(
        sa.text("SELECT coalesce(sum(amount), 0), coalesce(sum(base_amount), 0) FROM posting "
                "WHERE account = 'wip' AND item_id = :item AND engagement_id = coalesce(:at, engagement_id)"),
        {"item": item.id, "at": at.id if at else None},
    ).one())  # fmt: skip


def proven() -> None:
    all_proven()
    assert [found for proof in PROOFS for found in proof()] == []


def test_a_rate_added_behind_an_entry_leaves_nothing_of_it_in_base(cast: Cast, advice: Engagement) -> None:
    sam, entry = cast.actor(cast.sam), in_euros(cast, advice, hours=2)
    assert stands(entry) == (200, 170)
    exchange("0.75", 50)
    edit_entry(entry, facts_of(entry, recorded=HOUR), by=sam)
    assert stands(entry) == (100, 85)
    delete_entry(entry, by=sam)
    assert stands(entry) == (0, 0)
    restore_entry(entry, by=sam)
    assert stands(entry) == (100, 85)
    edit_entry(entry, facts_of(entry, recorded=HOUR * 2), by=sam)
    assert stands(entry) == (200, 160)
    delete_entry(entry, by=sam)
    assert stands(entry) == (0, 0)
    proven()


def test_after_a_rate_is_withdrawn_what_was_posted_with_it_is_moved_and_undone_still(
    cast: Cast, advice: Engagement, payroll: Engagement, first: ExchangeRate
) -> None:
    sam, entry = cast.actor(cast.sam), in_euros(cast, advice, hours=2)
    withdraw_exchange_rate(first, by=cast.actor(cast.pat))
    transfer_items([entry.id], payroll.id, "Wrong one", by=cast.actor(cast.bea))
    assert (stands(entry, advice), stands(entry, payroll)) == ((0, 0), (200, 170))
    edit_entry(entry, facts_of(entry, recorded=HOUR), by=sam)
    assert stands(entry) == (100, 85)
    part = split_entry(entry, new_id(), HOUR / 4, by=sam)
    assert (stands(entry), stands(part)) == ((75, Decimal("63.75")), (25, Decimal("21.25")))
    rejoin_entry(part, by=sam)
    assert (stands(entry), stands(part)) == ((100, 85), (0, 0))
    delete_entry(entry, by=sam)
    assert stands(entry) == (0, 0)
    restore_entry(entry, by=sam)
    assert stands(entry) == (100, 85)
    with pytest.raises(Refused, match="no exchange rate from EUR to GBP"):
        edit_entry(entry, facts_of(entry, recorded=HOUR * 3), by=sam)
    proven()


def test_an_expense_is_taken_back_and_lowered_at_what_it_stands_at(
    cast: Cast, advice: Engagement, first: ExchangeRate
) -> None:
    sam = cast.actor(cast.sam)
    facts = ExpenseFacts(engagement_id=advice.id, spent_on=ago(30), net=Decimal(30), narrative="Fee")
    expense = record_expense(new_id(), facts, by=sam)
    assert stands(expense) == (30, Decimal("25.50"))
    exchange("0.75", 50)
    lower = ExpenseFacts(engagement_id=advice.id, spent_on=ago(30), net=Decimal(10), narrative="Fee")
    edit_expense(expense, lower, by=sam)
    assert stands(expense) == (10, Decimal("8.50"))
    delete_expense(expense, by=sam)
    assert stands(expense) == (0, 0)
    restore_expense(expense, by=sam)
    assert stands(expense) == (10, Decimal("8.50"))
    proven()


def test_what_only_moves_to_another_day_keeps_its_worth_where_its_rate_held_by_then(
    cast: Cast, advice: Engagement
) -> None:
    sam, entry = cast.actor(cast.sam), in_euros(cast, advice)
    exchange("0.90", 10)
    exchange("0.80", 200)
    edit_entry(entry, facts_of(entry, worked_on=ago(5)), by=sam)
    assert stands(entry) == (100, 85)
    edit_entry(entry, facts_of(entry, worked_on=ago(150)), by=sam)
    assert stands(entry) == (100, 80)
    delete_entry(entry, by=sam)
    assert stands(entry) == (0, 0)
    proven()


def write(cast: Cast, entry: TimeEntry, percent: int) -> None:
    """So much of what is open is written off; above 100 % stands for writing the rest on."""
    pat = cast.actor(cast.pat)
    if percent > 100:
        write_on_items([entry.id], "Well done", by=pat, percent=Decimal(percent - 100))
    else:
        write_off_items([entry.id], "Too slow", by=pat, percent=Decimal(percent))


def test_what_is_written_off_goes_out_at_what_it_stands_at_and_comes_back_at_that(
    cast: Cast, advice: Engagement, first: ExchangeRate
) -> None:
    entry = in_euros(cast, advice, hours=2)
    exchange("0.75", 5)
    write(cast, entry, 25)
    assert stands(entry) == (150, Decimal("127.50"))
    write(cast, entry, 100)
    assert stands(entry) == (0, 0)
    take_back([entry.id], "After all", by=cast.actor(cast.pat))
    assert stands(entry) == (200, 170)
    proven()


def test_it_is_written_off_after_its_rate_is_withdrawn(
    cast: Cast, advice: Engagement, first: ExchangeRate
) -> None:
    entry, other = in_euros(cast, advice), in_euros(cast, advice)
    withdraw_exchange_rate(first, by=cast.actor(cast.pat))
    write(cast, entry, 100)
    assert stands(entry) == (0, 0)
    with pytest.raises(Refused, match="no exchange rate from EUR to GBP"):
        write(cast, other, 150)
    proven()


def test_what_was_written_on_and_is_taken_back_after_the_rest_went_leaves_nothing_in_base(
    cast: Cast, advice: Engagement
) -> None:
    pat, entry = cast.actor(cast.pat), in_euros(cast, advice)
    exchange("0.75", 5)
    write(cast, entry, 150)
    assert stands(entry) == (150, Decimal("122.50"))
    write_off_items([entry.id], "Too slow", by=pat, percent=Decimal("66.6667"))
    assert stands(entry)[0] == 50
    written_on = db.session.scalar(sa.text("SELECT id FROM ledger_transaction WHERE kind = 'written_on'"))
    take_back([entry.id], "Not so well", by=pat, transaction_id=written_on)
    assert stands(entry) == (0, 0)
    proven()


def test_a_bill_takes_time_out_at_what_it_stands_at_and_a_credit_note_brings_it_back_at_that(
    cast: Cast, advice: Engagement
) -> None:
    pat = cast.actor(cast.pat)
    entry, other = in_euros(cast, advice, hours=2), in_euros(cast, advice)
    exchange("0.75", 5)
    draft = make_draft(cast, advice)
    treat_item(draft, other.id, Treatment.BILL, by=pat, amount=Decimal(30), rest=Rest.CARRY)
    bill = approve_invoice(draft, by=pat, reason="Agreed")
    assert (stands(entry), stands(other)) == ((0, 0), (70, Decimal("59.50")))
    write_off_items([other.id], "Too slow", by=pat)
    assert stands(other) == (0, 0)
    credit_invoice(bill, new_id(), "Wrong", by=pat)
    assert (stands(entry), stands(other)) == ((200, 170), (30, Decimal("25.50")))
    proven()


def test_what_a_bill_wrote_on_and_off_closes_in_base_in_any_order(cast: Cast, advice: Engagement) -> None:
    pat, entry, low = cast.actor(cast.pat), in_euros(cast, advice), in_euros(cast, advice)
    exchange("0.75", 5)
    draft = make_draft(cast, advice)
    treat_item(draft, entry.id, Treatment.BILL, by=pat, amount=Decimal(150), rest=Rest.WRITE_OFF)
    treat_item(draft, low.id, Treatment.BILL, by=pat, amount=Decimal(40), rest=Rest.WRITE_OFF)
    bill = approve_invoice(draft, by=pat, reason="Agreed")
    assert (stands(entry), stands(low)) == ((0, 0), (0, 0))
    proven()
    credit_invoice(bill, new_id(), "Wrong", by=pat)
    assert (stands(entry), stands(low)) == ((100, 85), (100, 85))
    proven()


def test_a_part_of_time_that_was_written_off_whole_closes_in_base(cast: Cast, advice: Engagement) -> None:
    sam, entry = cast.actor(cast.sam), in_euros(cast, advice, hours=2)
    write(cast, entry, 90)
    exchange("0.75", 5)
    part = split_entry(entry, new_id(), HOUR, by=sam)
    assert (stands(entry), stands(part)) == ((10, Decimal("8.50")), (10, Decimal("8.50")))
    write(cast, part, 100)
    assert stands(part) == (0, 0)
    proven()


def test_late_time_is_taken_back_in_base_too(cast: Cast, advice: Engagement) -> None:
    month = ago(40).replace(day=1)
    close_period(month, by=cast.actor(cast.pat))
    late = make_entry(cast, engagement=advice, recorded=HOUR, worked_on=month)
    exchange("0.75", 80)
    delete_entry(late, by=cast.actor(cast.sam))
    assert stands(late) == (0, 0)
    proven()


def test_wip_that_is_closed_but_not_in_base_is_found(cast: Cast, advice: Engagement) -> None:
    entry = in_euros(cast, advice)
    delete_entry(entry, by=cast.actor(cast.sam))
    leave_a_rest(entry, Decimal(1))
    [found] = prove_wip_in_base()
    assert str(entry.id) in found.subject
    assert found.message == "0 EUR stand at 1.0000 in base; `firmament repair books` posts what is missing"
    with transaction():
        assert [close_wip_in_base([entry], by=SYSTEM, reason="put right") for _ in range(2)] == [[entry], []]
        record("billing.books.repair", entry, by=SYSTEM, found="a rest", reason="put right")
    assert stands(entry) == (0, 0)
    proven()
