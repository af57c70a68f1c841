"""Books are closed through a day, for each entity; nobody gets past it; what comes late lands on the first open day."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa
from dateutil.relativedelta import relativedelta
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.settling import reverse_payment
from app.billing.queries.statements import statement_of
from app.core import clock
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.firm.models import Entity
from app.ledger.commands import close_period
from app.ledger.models import Closing, LedgerTransaction
from app.ledger.periods import closed_through, list_months
from app.ledger.proofs import prove_periods
from app.timekeeping.commands.entries import EntryFacts, edit_entry
from app.timekeeping.commands.expenses import ExpenseFacts, record_expense
from app.timekeeping.models import TimeEntry
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, keep, make_cast, sign_in

_HASH = sa.text("""
    SELECT md5(string_agg(ROW(t.*)::text || ROW(p.*)::text, '' ORDER BY p.transaction_id, p.line))
    FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id WHERE t.posted_on <= :through
""")


def last_month() -> dt.date:
    return clock.today().replace(day=1) - relativedelta(months=1)


def month_before() -> dt.date:
    return last_month() - relativedelta(months=1)


def first_open() -> dt.date:
    return clock.today().replace(day=1)


def pay(cast: Cast, on: dt.date, amount: str = "10") -> Any:
    facts = PaymentFacts(
        client_id=cast.acme.id, entity_id=cast.entity.id, received_on=on, amount=Decimal(amount), currency="GBP"
    )
    return record_payment(new_id(), facts, by=cast.actor(cast.bea))


def posted(item: Any) -> LedgerTransaction:
    return db.session.scalars(sa.select(LedgerTransaction).where(LedgerTransaction.source_id == item.id)).one()


def test_late_time_keeps_its_day_and_age_and_is_posted_on_the_first_open_day(session: Session, cast: Cast) -> None:
    make_rate("100")
    close_period(last_month(), by=cast.actor(cast.pat))
    worked = month_before() + dt.timedelta(days=4)
    entry = make_entry(cast, on=worked)  # a month further back than the one that was named: closed with it
    made = posted(entry)
    assert (made.posted_on, made.happened_on, entry.worked_on) == (first_open(), worked, worked)
    assert session.scalar(sa.text("SELECT min(aged_on) FROM posting WHERE transaction_id = :id"), {"id": made.id}) == (
        worked
    )


def test_no_bill_and_no_payment_is_dated_into_closed_books(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast, on=last_month())
    invoice, inside = make_draft(cast), last_month() + dt.timedelta(days=20)
    close_period(last_month(), by=cast.actor(cast.pat))
    for field, act in (
        ("issued_on", lambda: approve_invoice(invoice, by=cast.actor(cast.pat), issued_on=inside)),
        ("received_on", lambda: pay(cast, inside)),
        ("received_on", lambda: pay(cast, month_before())),
    ):
        with pytest.raises(Refused, match=f"is dated {first_open():%-d %B %Y} or later") as refused:
            act()
        assert refused.value.field == field
    with pytest.raises(DBAPIError, match="period of .* is closed"), transaction():
        session.execute(
            sa.text("UPDATE invoice SET number = 'X', state = 'approved', issued_on = :on WHERE id = :id"),
            {"on": inside, "id": invoice.id},
        )
    copied = sa.text("""
        INSERT INTO invoice SELECT (jsonb_populate_record(i, jsonb_build_object(
            'id', CAST(:new AS text), 'number', 'X', 'state', 'approved', 'issued_on', CAST(:on AS date),
            'due_on', CAST(:on AS date)))).* FROM invoice i WHERE id = :id
    """)
    with pytest.raises(DBAPIError, match="period of .* is closed"), transaction():
        session.execute(copied, {"new": str(new_id()), "on": inside, "id": invoice.id})
    payment = pay(cast, first_open())
    with pytest.raises(DBAPIError, match="period of .* is closed"), transaction():
        values = {"on": inside, "id": payment.id}
        session.execute(sa.text("UPDATE payment SET received_on = :on WHERE id = :id"), values)
    assert approve_invoice(invoice, by=cast.actor(cast.pat), issued_on=first_open()).number
    assert list(prove_periods()) == []


def test_an_entitys_books_close_by_themselves_and_only_forward(session: Session, cast: Cast) -> None:
    other = keep(Entity(name="Dublin Ltd", country="IE", currency="GBP"))
    pat = cast.actor(cast.pat)
    close_period(last_month(), by=pat, entity_id=other.id)
    assert (closed_through(cast.entity.id), closed_through(other.id)) == (None, first_open() - dt.timedelta(days=1))
    assert pay(cast, last_month()).received_on == last_month()
    assert not any(month.closed_at for month in list_months(seen_by=pat))
    with pytest.raises(Refused, match="closed already"):
        close_period(month_before(), by=pat, entity_id=other.id)
    close_period(last_month(), by=pat)
    assert [month.closed_at is not None for month in list_months(seen_by=pat)] == [False, True]
    for change in ("UPDATE closing SET closed_through = closed_through + 1", "DELETE FROM closing"):
        with pytest.raises(DBAPIError, match="append-only|permission denied"), transaction():
            session.execute(sa.text(change))
    back = Closing(entity_id=other.id, closed_through=month_before() - dt.timedelta(days=1), closed_at=clock.now())
    with pytest.raises(DBAPIError, match="closed through"), transaction():
        session.add(back)
        session.flush()


def test_closed_months_stay_as_they_are_to_the_last_letter_and_statements_go_by_the_day_of_posting(
    session: Session, cast: Cast
) -> None:
    make_rate("100")
    pat, inside = cast.actor(cast.pat), last_month() + dt.timedelta(days=3)
    make_entry(cast, on=month_before())
    invoice = approve_invoice(make_draft(cast), by=pat, issued_on=inside)
    payment = pay(cast, inside, "50")
    through = first_open() - dt.timedelta(days=1)
    close_period(last_month(), by=pat)
    before = session.scalar(_HASH, {"through": through})
    told = statement_of(cast.acme.id, "GBP", month_before(), through, seen_by=pat)
    make_entry(cast, on=inside)
    reverse_payment(payment, "Bounced", by=cast.actor(cast.bea))
    credit_invoice(invoice, new_id(), "Wrong", by=pat)
    assert session.scalar(_HASH, {"through": through}) == before is not None
    assert statement_of(cast.acme.id, "GBP", month_before(), through, seen_by=pat) == told
    assert statement_of(cast.acme.id, "GBP", month_before(), clock.today(), seen_by=pat).closing == 0


@pytest.fixture
def firm(real_app: Flask) -> Cast:
    with real_app.app_context():
        with transaction():
            cast = make_cast()
            make_rate("100")
        db.session.expunge_all()
        return cast


@pytest.mark.real
def test_closing_waits_for_what_is_being_posted_into_any_earlier_month(real_app: Flask, firm: Cast) -> None:
    begun, may_end, ended = Event(), Event(), []

    def record() -> None:
        with real_app.app_context(), transaction():
            make_entry(firm, on=month_before())
            begun.set()
            may_end.wait(30)
            ended.append("posted")

    def close() -> None:
        begun.wait(30)
        with real_app.app_context():
            close_period(last_month(), by=firm.actor(firm.pat))
            ended.append("closed")
            db.session.remove()

    with ThreadPoolExecutor(2) as pool:
        acts = [pool.submit(record), pool.submit(close)]
        begun.wait(30)
        _wait_for_waiting(real_app)
        may_end.set()
        for act in acts:
            act.result(60)
    assert ended == ["posted", "closed"]
    with real_app.app_context():
        assert db.session.scalars(sa.select(LedgerTransaction.posted_on)).all() == [month_before()]
        assert list(prove_periods()) == []


@pytest.mark.real
def test_who_waits_for_closing_lands_on_the_first_open_day(real_app: Flask, firm: Cast) -> None:
    closing, may_end = Event(), Event()

    def close() -> None:
        with real_app.app_context(), transaction():
            close_period(last_month(), by=firm.actor(firm.pat))
            closing.set()
            may_end.wait(30)

    def record() -> None:
        closing.wait(30)
        with real_app.app_context():
            make_entry(firm, on=month_before())
            db.session.remove()

    with ThreadPoolExecutor(2) as pool:
        acts = [pool.submit(close), pool.submit(record)]
        closing.wait(30)
        _wait_for_waiting(real_app)
        may_end.set()
        for act in acts:
            act.result(60)
    with real_app.app_context():
        assert db.session.scalars(sa.select(LedgerTransaction.posted_on)).all() == [first_open()]
        assert list(prove_periods()) == []


def _wait_for_waiting(app: Flask) -> None:
    """Until somebody waits for the lock of the books."""
    waiting = sa.text(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = 7140)"
    )
    with app.app_context():
        for _ in range(600):
            if db.session.scalar(waiting):
                db.session.remove()
                return
            db.session.rollback()
            Event().wait(0.05)
    raise AssertionError("Nobody waited.")


@pytest.fixture
def strict(cast: Cast) -> Cast:
    """Last month is closed, and the entity takes no time worked in it any more."""
    make_rate("100")
    cast.entity.late_time = False
    db.session.commit()
    close_period(last_month(), by=cast.actor(cast.pat))
    return cast


def test_time_and_expenses_of_closed_months_are_refused_where_the_entity_takes_none_and_say_whom_to_ask(
    session: Session, strict: Cast
) -> None:
    late, asked = last_month() + dt.timedelta(days=3), f"closed through .*Ask {strict.pat.name}"
    with pytest.raises(Refused, match=asked) as refused:
        make_entry(strict, on=late)
    assert refused.value.field == "worked_on"
    spent = ExpenseFacts(engagement_id=strict.acme_work.id, spent_on=late, net=Decimal(10), narrative="Train")
    with pytest.raises(Refused, match=asked):
        record_expense(new_id(), spent, by=strict.actor(strict.sam))
    assert session.scalar(sa.select(sa.func.count()).select_from(TimeEntry)) == 0
    entry = make_entry(strict, on=first_open())
    moved = EntryFacts(engagement_id=strict.acme_work.id, worked_on=late, recorded=entry.recorded)
    with pytest.raises(Refused, match=asked):
        edit_entry(entry, moved, by=strict.actor(strict.sam))
    strict.entity.late_time = True
    assert make_entry(strict, on=late).worked_on == late


def test_what_was_recorded_before_the_books_closed_may_still_be_worded_otherwise(session: Session, cast: Cast) -> None:
    make_rate("100")
    entry = make_entry(cast, on=last_month())
    cast.entity.late_time = False
    close_period(last_month(), by=cast.actor(cast.pat))
    facts = EntryFacts(
        engagement_id=cast.acme_work.id, worked_on=entry.worked_on, recorded=entry.recorded, narrative="In other words"
    )
    assert edit_entry(entry, facts, by=cast.actor(cast.sam)).narrative == "In other words"
    with pytest.raises(Refused, match="closed through"):
        edit_entry(entry, replace(facts, recorded=dt.timedelta(hours=3)), by=cast.actor(cast.sam))


def test_the_form_says_what_becomes_of_time_of_a_closed_month(client: FlaskClient, cast: Cast) -> None:
    make_rate("100")
    close_period(last_month(), by=cast.actor(cast.pat))
    sign_in(client, cast.sam)
    page = client.get(f"/time?view=day&on={last_month()}").text
    first = f"{first_open():%-d %B %Y}"
    assert f"posted on {first} and keeps its date and age" in page
    assert "are closed through" not in client.get(f"/time?view=day&on={clock.today()}").text
    data = {
        "id": str(new_id()), "person": str(cast.sam.id), "worked_on": str(last_month()), "recorded": "1:00",
        "work": f"engagement:{cast.acme_work.id}", "billable": "y",
    }  # fmt: skip
    saved = client.post("/time", data=data, headers={"HX-Request": "true"})
    assert f"it is posted on {first}" in saved.headers["HX-Trigger"]
    cast.entity.late_time = False
    db.session.commit()
    refused = client.post("/time", data={**data, "id": str(new_id()), "narrative": "What I typed"})
    assert refused.status_code == 422 and "What I typed" in refused.text and f"Ask {cast.pat.name}" in refused.text


def test_the_books_are_closed_for_one_entity_and_show_who_closed_what_and_what_would_come_late(
    client: FlaskClient, cast: Cast
) -> None:
    other = keep(Entity(name="Dublin Ltd", country="IE", currency="GBP"))
    pay(cast, last_month())
    make_entry(cast, on=last_month())  # there is no rate yet: it waits
    make_rate("100", client_id=cast.rival.id)
    make_entry(cast, engagement=cast.rival_work, on=last_month())
    make_draft(cast, cast.rival_work)
    sign_in(client, cast.pat)
    address = f"/settings/books/{last_month():%Y-%m}"
    page = client.get(f"{address}?entity={cast.entity.id}").text
    assert "1 entry or expense waits" in page and "1 draft bill of work" in page
    assert "No entry waits" in client.get(f"{address}?entity={other.id}").text
    assert client.post(f"{address}/closure").status_code == 404  # of two, it must be said whose
    assert client.post(f"{address}/closure?entity={other.id}").status_code == 303
    assert (closed_through(cast.entity.id), closed_through(other.id)) == (None, first_open() - dt.timedelta(days=1))
    page = client.get(f"/settings/books?entity={other.id}").text
    assert cast.pat.name in page and "Who closed what" in page
    assert "Who closed what" not in client.get(f"/settings/books?entity={cast.entity.id}").text
    sign_in(client, cast.sam)
    assert client.get("/settings/books").status_code == 403
    assert client.post(f"{address}/closure?entity={cast.entity.id}").status_code == 403
