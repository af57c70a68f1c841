"""What an item is worth, what is written on or off it and what is billed: three figures, and what is open follows."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from babel.numbers import list_currencies
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.billing.commands.wip import write_off_items, write_on_items
from app.clients.models import Engagement
from app.core.clock import today
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.money import exponent
from app.core.proofs import run_proofs
from app.ledger.books import books_of
from app.ledger.commands import post
from app.ledger.models import ExchangeRate, TransactionKind
from app.timekeeping.commands.entries import EntryFacts, delete_entry, edit_entry, restore_entry
from app.timekeeping.commands.expenses import (
    ExpenseFacts,
    delete_expense,
    edit_expense,
    record_expense,
    restore_expense,
)
from app.timekeeping.commands.splits import split_entry
from app.timekeeping.commands.wip import place_of, wip_legs
from app.timekeeping.models import Expense, TimeEntry
from tests.make import Cast, keep, make_engagement
from tests.timekeeping.make_time import exact_wip_of, make_entry, make_rate, wip_of

HOUR = dt.timedelta(hours=1)
PROOFS = ("billing.wip_of_items", "billing.figures_of_items", "billing.wip_equation", "ledger.balances")


def facts_of(entry: TimeEntry, **changed: Any) -> EntryFacts:
    facts = {
        "worked_on": entry.worked_on, "recorded": entry.recorded, "engagement_id": entry.engagement_id,
        "narrative": entry.narrative, "billable": entry.billable,
    } | changed  # fmt: skip
    return EntryFacts(**facts)


def all_proven() -> None:
    found = dict(run_proofs(*PROOFS))
    assert {name: found[name] for name in PROOFS} == {name: [] for name in PROOFS}


@pytest.fixture
def yen(cast: Cast) -> Engagement:
    keep(ExchangeRate(currency="JPY", base="GBP", rate=Decimal("0.005"), from_on=dt.date(2020, 1, 1)))
    make_rate("20000", currency="JPY")
    return make_engagement(cast.acme, cast.entity, "Tokyo", currency="JPY")


def test_an_edit_that_would_leave_less_than_is_written_off_is_refused(cast: Cast) -> None:
    make_rate("100")
    entry = make_entry(cast, recorded=HOUR)
    write_off_items([entry.id], "Agreed", percent=Decimal(90), by=cast.actor(cast.pat))
    with pytest.raises(Refused, match=r"worth 50\.00, but 90\.00 GBP of it is written off; take that back first"):
        edit_entry(entry, facts_of(entry, recorded=HOUR / 2), by=cast.actor(cast.sam))
    edit_entry(entry, facts_of(entry, recorded=2 * HOUR), by=cast.actor(cast.sam))
    edit_entry(entry, facts_of(entry, recorded=HOUR), by=cast.actor(cast.sam))
    assert (entry.value, entry.written, entry.open_value) == (100, -90, 10)
    assert wip_of(cast.acme_work) == exact_wip_of(cast.acme_work) == Decimal(10)
    all_proven()


def test_what_is_written_off_stays_in_the_currency_it_was_written_off_in(cast: Cast, yen: Engagement) -> None:
    make_rate("100")
    entry = make_entry(cast, recorded=HOUR)
    write_off_items([entry.id], "Agreed", percent=Decimal("50.55"), by=cast.actor(cast.pat))
    with pytest.raises(Refused, match=r"“Tokyo” is kept in JPY, and 50\.55 GBP of it is written off") as refused:
        edit_entry(entry, facts_of(entry, engagement_id=yen.id), by=cast.actor(cast.sam))
    assert refused.value.field == "work"
    write_on_items([entry.id], "After all", percent=Decimal("102.224469"), by=cast.actor(cast.pat))
    assert entry.written == 0
    edit_entry(entry, facts_of(entry, engagement_id=yen.id), by=cast.actor(cast.sam))
    assert (entry.value, entry.open_value, wip_of(yen), wip_of(cast.acme_work)) == (20000, 20000, 20000, 0)
    all_proven()


def test_the_same_holds_for_expenses(cast: Cast, yen: Engagement) -> None:
    facts = ExpenseFacts(spent_on=today(), net=Decimal(100), engagement_id=cast.acme_work.id, narrative="Court fee")
    expense = record_expense(new_id(), facts, by=cast.actor(cast.sam))
    write_off_items([expense.id], "Agreed", percent=Decimal(90), by=cast.actor(cast.pat))
    for change in ({"net": Decimal(50)}, {"engagement_id": yen.id}):
        with pytest.raises(Refused, match="90.00 GBP of it is written off"):
            edit_expense(expense, ExpenseFacts(**vars(facts) | change), by=cast.actor(cast.sam))
    delete_expense(expense, by=cast.actor(cast.sam))
    assert (expense.open_value, wip_of(cast.acme_work)) == (0, 0)
    restore_expense(expense, by=cast.actor(cast.sam))
    assert (expense.open_value, wip_of(cast.acme_work)) == (10, 10)
    all_proven()


def test_an_entry_that_is_not_billable_for_a_while_keeps_what_was_written_off(cast: Cast) -> None:
    make_rate("100")
    entry = make_entry(cast, recorded=HOUR)
    write_off_items([entry.id], "Agreed", percent=Decimal(90), by=cast.actor(cast.pat))
    edit_entry(entry, facts_of(entry, billable=False), by=cast.actor(cast.sam))
    assert (entry.open_value, entry.written) == (0, -90)
    all_proven()
    edit_entry(entry, facts_of(entry, recorded=HOUR / 2), by=cast.actor(cast.sam))
    with pytest.raises(Refused, match="90.00 GBP of it is written off"):
        edit_entry(entry, facts_of(entry, billable=True), by=cast.actor(cast.sam))
    edit_entry(entry, facts_of(entry, billable=True, recorded=HOUR), by=cast.actor(cast.sam))
    delete_entry(entry, by=cast.actor(cast.sam))
    restore_entry(entry, by=cast.actor(cast.sam))
    assert entry.open_value == wip_of(cast.acme_work) == Decimal(10)
    all_proven()


@pytest.mark.parametrize("percent", ["-33.33", "33.33"])
def test_dividing_shares_each_figure_to_the_last_penny(cast: Cast, percent: str) -> None:
    make_rate("100.01")
    entry = make_entry(cast, recorded=HOUR)
    change = write_on_items if Decimal(percent) > 0 else write_off_items
    change([entry.id], "Agreed", percent=abs(Decimal(percent)), by=cast.actor(cast.pat))
    names = ("value", "written", "open_value", "charged")
    whole = {name: getattr(entry, name) for name in names}
    part = split_entry(entry, new_id(), HOUR / 3, by=cast.actor(cast.sam))
    assert {name: getattr(entry, name) + getattr(part, name) for name in names} == whole
    assert part.written and part.open_value == part.value + part.written
    all_proven()


@pytest.mark.real
def test_the_database_holds_every_item_to_its_figures(cast: Cast, session: Session) -> None:
    make_rate("100")
    entry = make_entry(cast, recorded=HOUR)
    expense = record_expense(
        new_id(),
        ExpenseFacts(spent_on=today(), net=Decimal(100), engagement_id=cast.acme_work.id, narrative="Court fee"),
        by=cast.actor(cast.sam),
    )
    for table, item in ((TimeEntry, entry), (Expense, expense)):
        for wrong in (
            {"open_value": 90}, {"written": -10}, {"billed": 10}, {"billed": 200, "open_value": -100},
            {"billable": False}, {"deleted_at": dt.datetime.now(dt.UTC)}, {"state": "billed"},
        ):  # fmt: skip
            with pytest.raises(IntegrityError, match="open_value|nothing_open_when_done"), session.begin_nested():
                session.execute(sa.update(table).where(table.id == item.id).values(**wrong))


def test_the_database_knows_the_decimals_of_every_currency(session: Session) -> None:
    currencies = sorted(list_currencies())
    found = session.scalars(
        sa.text("SELECT decimals_of(c) FROM unnest(CAST(:codes AS text[])) WITH ORDINALITY AS each (c, n) ORDER BY n"),
        {"codes": currencies},
    ).all()
    assert dict(zip(currencies, found, strict=True)) == {code: exponent(code) for code in currencies}


def test_a_posting_is_in_whole_units_of_its_currency(cast: Cast, session: Session) -> None:
    make_rate("100")
    entry = make_entry(cast, recorded=HOUR)
    books, pat = books_of(entry.engagement_id), cast.actor(cast.pat)
    session.execute(sa.insert(ExchangeRate).values(
        id=new_id(), currency="JPY", base="GBP", rate=Decimal("0.005"), from_on=dt.date(2020, 1, 1)
    ))  # fmt: skip
    for currency, amount in (("GBP", "0.005"), ("JPY", "0.5")):
        legs = wip_legs(replace(place_of(entry), amount=Decimal(amount), currency=currency))
        with pytest.raises(IntegrityError, match="not in whole units"), session.begin_nested():
            post(TransactionKind.REPRICED, legs, by=pat, currency=currency, books=books, source=entry,
                 happened_on=today())  # fmt: skip
