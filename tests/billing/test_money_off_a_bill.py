"""Money put on the wrong bill is taken off it again: the bill is open, the money is credit, and the books say so."""

from __future__ import annotations

import datetime as dt
import html
from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, allocate_payment, credit_left, record_payment
from app.billing.commands.send import mark_sent
from app.billing.commands.settling import reverse_payment, unallocate
from app.billing.models import Allocation, Invoice, Payment
from app.billing.queries.payments import allocations_of, get_allocation
from app.billing.queries.statements import statement_of
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.ids import new_id
from app.core.proofs import run_proofs
from app.ledger.commands import close_period
from app.ledger.models import LedgerTransaction
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, sign_in
from tests.portal.make_portal import at_portal
from tests.together import a_firm, at_once, deadlocks

WHY = "Meant for the other bill"


def pay(cast: Cast, amount: str, *parts: tuple[Invoice, str], on: dt.date | None = None) -> Payment:
    facts = PaymentFacts(
        client_id=cast.acme.id, entity_id=cast.entity.id, received_on=on or clock.today(), amount=Decimal(amount),
        currency="GBP", parts=tuple((bill.id, Decimal(part)) for bill, part in parts),
    )  # fmt: skip
    return record_payment(new_id(), facts, by=cast.actor(cast.bea))


def bills(cast: Cast, many: int = 2) -> list[Invoice]:
    made = []
    for _ in range(many):
        make_entry(cast)
        made.append(approve_invoice(make_draft(cast), by=SYSTEM))
    return made


def only(payment: Payment) -> Allocation:
    return db.session.scalars(sa.select(Allocation).where(Allocation.payment_id == payment.id)).one()


def found_wrong() -> dict[str, object]:
    rooms = ("ledger.", "billing.")
    return {name: found for name, found in run_proofs(*rooms, without="billing.pdfs") if found}


@pytest.fixture
def rate(session: Session, cast: Cast) -> None:
    make_rate("100")


@pytest.mark.usefixtures("rate")
def test_the_bill_is_open_again_and_the_money_can_be_put_on_another(cast: Cast) -> None:
    bea, (wrong, right) = cast.actor(cast.bea), bills(cast)
    payment = pay(cast, "120", (wrong, "120"))
    before = statement_of(cast.acme.id, "GBP", clock.today(), clock.today(), seen_by=bea)
    unallocate(only(payment), WHY, by=bea)
    assert (wrong.open_amount, credit_left(payment), payment.reversed_at) == (120, 120, None)
    after = statement_of(cast.acme.id, "GBP", clock.today(), clock.today(), seen_by=bea)
    assert (after.rows, after.closing, after.credit) == (before.rows, before.closing, -120)
    allocate_payment(payment, [(right.id, Decimal(120))], by=bea)
    assert (wrong.open_amount, right.open_amount, credit_left(payment)) == (120, 0, 0)
    assert found_wrong() == {}


@pytest.mark.usefixtures("rate")
def test_only_what_is_named_comes_off_and_its_own_transaction_is_reversed(session: Session, cast: Cast) -> None:
    bea, [bill] = cast.actor(cast.bea), bills(cast, 1)
    payment = pay(cast, "100", (bill, "30"))
    allocate_payment(payment, [(bill.id, Decimal(40))], by=bea)
    first, second = session.scalars(sa.select(Allocation).order_by(Allocation.id)).all()
    unallocate(first, WHY, by=bea)
    assert (bill.open_amount, credit_left(payment)) == (80, 60)
    assert first.reversed_at is not None and second.reversed_at is None
    undone = session.scalars(sa.select(LedgerTransaction).where(LedgerTransaction.reverses_id.is_not(None))).one()
    assert (undone.reverses_id, undone.reason) == (first.transaction_id, WHY)
    assert [why for *_, why in allocations_of(seen_by=bea, invoice_id=bill.id)] == [WHY, None]
    assert found_wrong() == {}


@pytest.mark.usefixtures("rate")
def test_it_is_refused_without_a_reason_a_second_time_and_after_it_came_back_otherwise(cast: Cast) -> None:
    bea, (one, two, three) = cast.actor(cast.bea), bills(cast, 3)
    payment = pay(cast, "120", (one, "120"))
    with pytest.raises(Refused, match="Say why") as refused:
        unallocate(only(payment), " ", by=bea)
    assert refused.value.field == "reason" and one.open_amount == 0
    unallocate(only(payment), WHY, by=bea)
    with pytest.raises(Refused, match=f"off {one.number} already"):
        unallocate(only(payment), WHY, by=bea)
    bounced, credited = pay(cast, "120", (two, "120")), pay(cast, "120", (three, "120"))
    reverse_payment(bounced, "Bounced", by=bea)
    credit_invoice(three, new_id(), "Wrong", by=cast.actor(cast.pat))
    for each in (bounced, credited):
        with pytest.raises(Refused, match="already"):
            unallocate(only(each), WHY, by=bea)
    assert (one.open_amount, two.open_amount, three.open_amount) == (120, 120, 0)
    assert found_wrong() == {}


@pytest.mark.usefixtures("rate")
def test_nobody_does_it_who_may_not_record_payments_or_stands_behind_a_wall(cast: Cast) -> None:
    [bill] = bills(cast, 1)
    put = only(pay(cast, "50", (bill, "50")))
    for person in (cast.sam, cast.mel):
        with pytest.raises(NotAllowed):
            unallocate(put, WHY, by=cast.actor(person))
    bea = cast.actor(cast.bea)
    before_the_client = replace(bea, walled_clients=frozenset({cast.acme.id}))
    before_the_work = replace(bea, walled_engagements=frozenset({cast.acme_work.id}))
    with pytest.raises(NotAllowed):
        unallocate(put, WHY, by=before_the_client)
    with pytest.raises(NotFound):
        unallocate(put, WHY, by=before_the_work)
    for walled in (before_the_client, before_the_work, cast.contact(cast.otto)):
        with pytest.raises(NotFound):
            get_allocation(put.id, seen_by=walled)
    assert bill.open_amount == 70


@pytest.mark.usefixtures("rate")
def test_what_was_put_on_it_in_a_closed_month_comes_off_on_the_first_open_day(session: Session, cast: Cast) -> None:
    first = clock.today().replace(day=1)
    inside = first - dt.timedelta(days=5)
    make_entry(cast, on=inside)
    bill = approve_invoice(make_draft(cast), by=SYSTEM, issued_on=inside)
    payment = pay(cast, "50", (bill, "50"), on=inside)
    close_period(inside, by=cast.actor(cast.pat))
    told = statement_of(cast.acme.id, "GBP", inside, first - dt.timedelta(days=1), seen_by=SYSTEM)
    unallocate(only(payment), WHY, by=cast.actor(cast.bea))
    undone = session.scalars(sa.select(LedgerTransaction).where(LedgerTransaction.reverses_id.is_not(None))).one()
    assert undone.posted_on == clock.today() >= first
    assert statement_of(cast.acme.id, "GBP", inside, first - dt.timedelta(days=1), seen_by=SYSTEM) == told
    assert found_wrong() == {}


@pytest.mark.usefixtures("rate")
def test_it_is_done_from_the_page_of_the_payment_or_of_the_bill(cast: Cast, client: FlaskClient) -> None:
    [bill] = bills(cast, 1)
    mark_sent(bill, by=SYSTEM)
    payment = pay(cast, "120", (bill, "120"))
    bea, at = sign_in(client, cast.bea), f"/billing/allocations/{only(payment).id}/reversal"
    pages = (f"/billing/payments/{payment.id}", f"/billing/invoices/{bill.id}")
    assert all(at in bea.get(page).text for page in pages)
    assert f"Take 120.00 GBP off {bill.number}" in bea.get(at).text
    refused = bea.post(at, data={"reason": ""})
    assert refused.status_code == 422 and "Say why the money is taken off the bill." in refused.text
    assert bea.post(at, data={"reason": WHY}).location == pages[0]
    for page in pages:
        said = bea.get(page).text
        assert at not in said and WHY in said and "Taken back" in said
    told = html.unescape(bea.get(f"/timeline/payment/{payment.id}").text)
    assert f"took 120.00 GBP off {bill.number} again: {WHY}" in told
    again = bea.post(at, data={"reason": WHY})
    assert again.status_code == 422 and "already" in again.text and WHY in again.text


@pytest.mark.usefixtures("rate")
def test_the_client_sees_in_the_portal_that_the_bill_is_owed_again(cast: Cast, client: FlaskClient) -> None:
    [bill] = bills(cast, 1)
    mark_sent(bill, by=SYSTEM)
    payment = pay(cast, "120", (bill, "120"))
    cleo = at_portal(client, cast.cleo)
    paid = cleo.get("/portal/invoices/").text
    unallocate(only(payment), WHY, by=cast.actor(cast.bea))
    owed = cleo.get("/portal/invoices/").text
    thanks = "Everything is paid. Thank you."
    assert thanks in paid and bill.number in owed and thanks not in owed


@pytest.mark.usefixtures("rate")
def test_the_page_is_not_there_for_whoever_may_not(cast: Cast, client: FlaskClient) -> None:
    [bill] = bills(cast, 1)
    payment = pay(cast, "120", (bill, "120"))
    at = f"/billing/allocations/{only(payment).id}/reversal"
    mel = sign_in(client, cast.mel)
    assert at not in mel.get(f"/billing/payments/{payment.id}").text
    assert mel.get(at).status_code == mel.post(at, data={"reason": WHY}).status_code == 403


@pytest.fixture
def firm(real_app: Flask) -> Cast:
    return a_firm(real_app)


@pytest.mark.real
def test_two_who_take_it_off_at_once_take_it_off_once(real_app: Flask, firm: Cast) -> None:
    with real_app.app_context(), transaction():
        (one, two) = bills(firm)
        payment_id = pay(firm, "240", (one, "120"), (two, "120")).id
        ids = list(db.session.scalars(sa.select(Allocation.id).order_by(Allocation.invoice_id)))

    def take_off() -> object:
        return unallocate(db.session.get_one(Allocation, ids[0]), WHY, by=SYSTEM)

    def bounce() -> object:
        return reverse_payment(db.session.get_one(Payment, payment_id), "Bounced", by=SYSTEM)

    for acts in ((take_off, take_off), (take_off, bounce)):
        results = at_once(real_app, *acts)
        assert deadlocks(results) == 0
        assert all(each is None or isinstance(each, Refused) for each in results), results
    with real_app.app_context():
        sums = db.session.scalars(sa.select(Invoice.open_amount)).all()
        assert sums == [120, 120]
        assert found_wrong() == {}
