"""No rate is not a rate of 0: what has none is kept in sight, billed by nobody, and valued when its rate comes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.billing.commands.adding import add_new_items
from app.billing.commands.wip import hold_items, write_off_items
from app.billing.models import InvoiceItem
from app.billing.queries.billable import list_billable
from app.core.clock import today
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.ledger.rates import ExchangeRateFacts, add_exchange_rate
from app.timekeeping.background import value_all_waiting
from app.timekeeping.commands import waiting as commands
from app.timekeeping.commands.entries import delete_entry, edit_entry, restore_entry
from app.timekeeping.commands.expenses import ExpenseFacts, edit_expense, record_expense
from app.timekeeping.commands.rates import RateFacts, add_rate
from app.timekeeping.commands.splits import split_entry
from app.timekeeping.commands.waiting import value_waiting
from app.timekeeping.models import ItemState, TimeEntry
from app.timekeeping.waiting import count_waiting, list_waiting
from tests.billing.make_billing import make_draft
from tests.make import Cast, make_engagement, sign_in
from tests.timekeeping.make_time import exact_wip_of, make_entry, make_rate, wip_of
from tests.timekeeping.test_figures import HOUR, all_proven, facts_of

JANUARY = dt.date(2026, 1, 1)


def rate(amount: str, **more: object) -> RateFacts:
    return RateFacts(**{"from_on": JANUARY, "amount": Decimal(amount), "currency": "GBP"} | more)  # type: ignore[arg-type]


def test_time_recorded_before_any_rate_is_valued_when_one_comes(cast: Cast) -> None:
    entry = make_entry(cast, recorded=HOUR)
    assert (entry.rate, entry.waiting, entry.value, entry.open_value) == (None, True, 0, 0)
    assert wip_of(cast.acme_work) == exact_wip_of(cast.acme_work) == 0
    add_rate(new_id(), rate("100"), by=cast.actor(cast.pat))
    assert (entry.rate, entry.waiting, entry.value, entry.open_value) == (100, False, 100, 100)
    assert wip_of(cast.acme_work) == exact_wip_of(cast.acme_work) == 100
    told = db.session.scalars(sa.select(Event).where(Event.kind == "timekeeping.entry.value")).all()
    assert [event.subject_id for event in told] == [entry.id]
    all_proven()


def test_a_rate_of_zero_is_a_rate(cast: Cast) -> None:
    add_rate(new_id(), rate("0"), by=cast.actor(cast.pat))
    entry = make_entry(cast, recorded=HOUR)
    assert (entry.rate, entry.waiting, entry.value) == (0, False, 0)


@pytest.mark.parametrize(
    ("card", "valued"),
    [
        ({}, True),
        ({"from_on": today() + dt.timedelta(days=1)}, False),
        ({"currency": "EUR"}, False),
        ({"person": "sam"}, True),
        ({"person": "mel"}, False),
        ({"grade": "Senior"}, True),
        ({"grade": "Junior"}, False),
        ({"client": "rival"}, False),
        ({"engagement": "acme_work"}, True),
    ],
)
def test_a_card_values_what_it_applies_to_and_nothing_else(cast: Cast, card: dict[str, object], valued: bool) -> None:
    cast.sam.grade = "Senior"
    entry = make_entry(cast, recorded=HOUR)
    names = {"person": "person_id", "client": "client_id", "engagement": "engagement_id"}
    facts = {
        names.get(key, key): getattr(cast, str(value)).id if key in names else value for key, value in card.items()
    }
    add_rate(new_id(), rate("100", **facts), by=cast.actor(cast.pat))
    assert entry.waiting is not valued
    assert wip_of(cast.acme_work) == (100 if valued else 0)


def test_an_edit_looks_for_the_rate_again(cast: Cast) -> None:
    entry = make_entry(cast, recorded=HOUR)
    make_rate("100", from_on=JANUARY)
    edit_entry(entry, facts_of(entry, narrative="Now with a word"), by=cast.actor(cast.sam))
    assert (entry.waiting, wip_of(cast.acme_work)) == (False, 100)
    edit_entry(entry, facts_of(entry, worked_on=JANUARY - dt.timedelta(days=1)), by=cast.actor(cast.sam))
    assert (entry.waiting, entry.rate, wip_of(cast.acme_work)) == (True, None, 0)
    edit_entry(entry, facts_of(entry, billable=False), by=cast.actor(cast.sam))
    assert not entry.waiting
    edit_entry(entry, facts_of(entry, billable=True, worked_on=JANUARY), by=cast.actor(cast.sam))
    assert (entry.waiting, wip_of(cast.acme_work)) == (False, 100)
    all_proven()


def test_time_in_a_currency_without_an_exchange_rate_is_kept_and_valued_when_it_comes(cast: Cast) -> None:
    make_rate("20000", currency="JPY")
    tokyo = make_engagement(cast.acme, cast.entity, "Tokyo", currency="JPY")
    entry = make_entry(cast, engagement=tokyo, recorded=HOUR)
    facts = ExpenseFacts(spent_on=today(), net=Decimal(3000), engagement_id=tokyo.id, narrative="Court fee")
    expense = record_expense(new_id(), facts, by=cast.actor(cast.sam))
    assert entry.waiting and expense.waiting and "no exchange rate from JPY to GBP" in entry.rate_source
    edit_expense(expense, facts, by=cast.actor(cast.sam))
    assert not value_waiting(by=cast.actor(cast.pat)) and entry.waiting
    add_exchange_rate(
        new_id(), ExchangeRateFacts(currency="JPY", base="GBP", rate=Decimal("0.005"), from_on=JANUARY),
        by=cast.actor(cast.pat),
    )  # fmt: skip
    value_all_waiting()
    assert (entry.waiting, entry.value, expense.waiting, expense.value) == (False, 20000, False, 3000)
    assert wip_of(tokyo) == exact_wip_of(tokyo) == 23000
    all_proven()


def test_what_waits_is_on_no_bill(cast: Cast) -> None:
    waiting = make_entry(cast, recorded=HOUR)
    with pytest.raises(Refused, match=r"nothing to bill here up to that day: 1 entry waits for a rate"):
        make_draft(cast)
    make_rate("100", from_on=today())
    assert list_billable(today(), seen_by=cast.actor(cast.bea)) == []
    made = make_entry(cast, recorded=HOUR)
    waiting.rate = None
    [row] = list_billable(today(), seen_by=cast.actor(cast.bea))
    assert (row.amount, row.entries) == (100, 1)
    draft = make_draft(cast)
    assert db.session.scalars(sa.select(InvoiceItem.item_id)).all() == [made.id]
    assert add_new_items(draft, today(), by=cast.actor(cast.bea)) == 0
    assert waiting.state is ItemState.OPEN


def test_what_waits_can_be_held_divided_and_deleted_but_not_written_off(cast: Cast) -> None:
    entry = make_entry(cast, recorded=HOUR)
    with pytest.raises(Refused, match="waits for a rate and is worth nothing yet"):
        write_off_items([entry.id], "Why not", by=cast.actor(cast.pat))
    hold_items([entry.id], "Disputed", by=cast.actor(cast.bea))
    part = split_entry(entry, new_id(), HOUR / 3, by=cast.actor(cast.sam))
    delete_entry(part, by=cast.actor(cast.sam))
    add_rate(new_id(), rate("90"), by=cast.actor(cast.pat))
    assert (entry.value, entry.state, part.waiting) == (60, ItemState.HELD, True)
    restore_entry(part, by=cast.actor(cast.sam))
    value_all_waiting()
    assert wip_of(cast.acme_work) == exact_wip_of(cast.acme_work) == 90
    all_proven()


def test_many_are_valued_in_steps_and_a_second_time_changes_nothing(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, session: Session
) -> None:
    for _ in range(5):
        make_entry(cast, recorded=HOUR)
    monkeypatch.setattr(commands, "AT_ONCE", 2)
    monkeypatch.setattr(commands, "_TIME", commands._TIME.limit(2))
    add_rate(new_id(), rate("100"), by=cast.actor(cast.pat))
    assert count_waiting(seen_by=cast.actor(cast.pat)).entries == 3
    for _ in range(2):
        value_all_waiting()
        assert wip_of(cast.acme_work) == exact_wip_of(cast.acme_work) == 500
    all_proven()


def test_what_waited_ages_from_its_day_of_work(cast: Cast) -> None:
    long_ago = make_entry(cast, recorded=HOUR, worked_on=JANUARY)
    add_rate(new_id(), rate("100"), by=cast.actor(cast.pat))
    aged = db.session.scalar(sa.text("SELECT aged_on FROM balance WHERE account = 'wip' AND amount = 100"))
    assert aged == long_ago.worked_on


def test_who_may_not_set_rates_values_nothing_and_nobody_sees_behind_a_wall(cast: Cast) -> None:
    make_entry(cast, engagement=cast.rival_work, recorded=HOUR)
    make_entry(cast, cast.mel, recorded=HOUR)
    with pytest.raises(NotAllowed):
        value_waiting(by=cast.actor(cast.sam))
    assert count_waiting(seen_by=cast.actor(cast.wes)).entries == 1
    assert count_waiting(seen_by=cast.contact(cast.otto)).count == 0
    assert [row.id for row in list_waiting(seen_by=cast.actor(cast.wes))[0]] == []
    assert [row.person for row in list_waiting(seen_by=cast.actor(cast.sam))[0]] == [cast.sam.name]
    assert len(list_waiting(seen_by=cast.actor(cast.mel))[0]) == 2


@pytest.mark.real
def test_the_database_lets_nothing_that_waits_be_worth_or_on_a_bill(cast: Cast, session: Session) -> None:
    entry = make_entry(cast, recorded=HOUR)
    for wrong in ({"value": 1, "open_value": 1}, {"waiting": False}, {"state": "drafted"}, {"state": "billed"}):
        with pytest.raises(IntegrityError, match="wait"), session.begin_nested():
            session.execute(sa.update(TimeEntry).where(TimeEntry.id == entry.id).values(**wrong))


def test_it_is_said_wherever_it_would_be_missed(client: FlaskClient, cast: Cast) -> None:
    entry = make_entry(cast, cast.pat, recorded=HOUR)
    sign_in(client, cast.pat)
    make_rate("100", from_on=today())
    make_entry(cast, recorded=HOUR)
    draft = make_draft(cast)
    for address in (
        "/time", f"/time/{entry.id}", "/billing", f"/billing/wip/clients/{cast.acme.id}", "/time/waiting",
        f"/billing/clients/{cast.acme.id}/draft", "/billing/runs/new", f"/billing/invoices/{draft.id}", "/dashboard",
        "/settings/rates", f"/clients/{cast.acme.id}/time",
    ):  # fmt: skip
        page = client.get(address)
        assert page.status_code == 200 and "for a rate" in page.text, address
    assert "no rate card in GBP" in client.get("/lists/waiting-for-a-rate.csv").text
    assert "/settings/exchange-rates" not in client.get("/time/waiting").text
    make_entry(cast, engagement=make_engagement(cast.acme, cast.entity, "Tokyo", currency="JPY"), recorded=HOUR)
    assert "/settings/exchange-rates" in client.get("/time/waiting").text


def test_without_any_rate_my_time_says_so_and_whoever_sets_them_is_led_there(client: FlaskClient, cast: Cast) -> None:
    assert "/settings/rates#add" in sign_in(client, cast.pat).get("/time").text
    page = sign_in(client, cast.sam).get("/time").text
    assert "No hourly rate is set yet" in page and "/settings/rates#add" not in page
    make_rate("100")
    assert "No hourly rate" not in sign_in(client, cast.pat).get("/time").text


def test_the_screen_says_how_many_a_new_rate_has_valued(client: FlaskClient, cast: Cast) -> None:
    make_entry(cast, recorded=HOUR)
    sign_in(client, cast.pat)
    client.post("/settings/rates", data={"id": new_id(), "from_on": "2026-01-01", "amount": "100", "currency": "GBP"})
    assert "1 waiting entry is valued by it" in client.get("/settings/rates").text
