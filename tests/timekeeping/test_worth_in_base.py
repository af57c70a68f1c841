"""What an item's WIP stands at in base: what is undone takes out, or brings back, exactly what stood there."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from app.billing.commands.wip import transfer_items
from app.clients.models import Engagement
from app.core import clock
from app.core.db import db
from app.core.errors import Refused
from app.core.ids import new_id
from app.ledger.models import ExchangeRate
from app.ledger.proofs import prove_balanced, prove_exchange_rates, prove_memo
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
from app.timekeeping.models import Expense, TimeEntry
from tests.make import Cast, keep, make_engagement
from tests.timekeeping.make_time import make_entry, make_rate
from tests.timekeeping.test_figures import HOUR, all_proven, facts_of


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
    assert [found for proof in (prove_balanced, prove_memo, prove_exchange_rates) for found in proof()] == []


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
