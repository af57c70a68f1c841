"""What is closed in its currency is closed in base: differences of rates are gain or loss, and undoing undoes them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, allocate_payment, record_payment
from app.billing.commands.settling import reverse_payment
from app.billing.models import Allocation, Invoice
from app.billing.proofs import prove_allocations, prove_base, prove_open_amounts
from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.ledger.models import ExchangeRate, LedgerTransaction
from app.ledger.periods import movements_of
from app.ledger.proofs import prove_balanced, prove_exchange_rates
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, keep, make_engagement, sign_in


def ago(days: int) -> dt.date:
    return clock.today() - dt.timedelta(days=days)


@pytest.fixture
def bill(session: Session, cast: Cast) -> Invoice:
    """A bill over 400 EUR of two engagements, issued at 0.85; from ten days ago a euro is worth 0.90, today 0.80."""
    make_rate("100", currency="EUR")
    for days, rate in ((100, "0.85"), (10, "0.90"), (0, "0.80")):
        keep(ExchangeRate(currency="EUR", base="GBP", from_on=ago(days), rate=Decimal(rate)))
    works = [make_engagement(cast.acme, cast.entity, name, currency="EUR") for name in ("Advice", "Payroll")]
    for work in works:
        make_entry(cast, "2", engagement=work, on=ago(40))
    return approve_invoice(make_draft(cast, *works), by=cast.actor(cast.pat), issued_on=ago(30), reason="Agreed")


def pay(cast: Cast, days: int, amount: Decimal | str, parts: Any = None) -> Any:
    facts = PaymentFacts(
        client_id=cast.acme.id, entity_id=cast.entity.id, received_on=ago(days), amount=Decimal(amount),
        currency="EUR", parts=parts,
    )  # fmt: skip
    return record_payment(new_id(), facts, by=cast.actor(cast.bea))


def in_base() -> dict[str, Decimal]:
    rows = db.session.execute(sa.text(
        "SELECT account, sum(base_amount) FROM posting WHERE account IN ('bank', 'credit', 'receivable', 'gain_loss') "
        "GROUP BY 1 HAVING sum(base_amount) <> 0"
    )).all()  # fmt: skip
    return {account: amount for account, amount in rows}


def proven() -> None:
    db.session.flush()
    db.session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    db.session.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))
    proofs = (prove_base, prove_allocations, prove_open_amounts, prove_balanced, prove_exchange_rates)
    assert [finding for proof in proofs for finding in proof()] == []


def test_a_bill_paid_at_another_rate_closes_in_base_and_the_difference_is_gained(cast: Cast, bill: Invoice) -> None:
    pay(cast, 5, bill.gross)
    assert bill.open_amount == 0
    gained = bill.gross * Decimal("0.05")
    assert in_base() == {"bank": bill.gross * Decimal("0.90"), "gain_loss": -gained}
    proven()


def test_parts_leave_nothing_in_base_when_the_last_one_is_paid(cast: Cast, bill: Invoice) -> None:
    pay(cast, 20, "33.33")
    pay(cast, 5, "66.67")
    pay(cast, 0, bill.open_amount + Decimal("10.01"))
    assert bill.open_amount == 0
    assert "receivable" not in in_base()
    proven()


def test_a_payment_that_bounces_is_undone_at_the_rate_it_had(cast: Cast, bill: Invoice) -> None:
    before = in_base()
    payment = pay(cast, 5, bill.gross + 10)
    reverse_payment(payment, "Bounced", by=cast.actor(cast.bea))
    assert in_base() == before
    made = db.session.scalars(sa.select(Allocation.transaction_id)).all()
    undone = db.session.scalars(sa.select(LedgerTransaction.reverses_id)).all()
    assert {*made, payment.transaction_id} <= set(undone)
    proven()
    reverse_payment(payment, "Again", by=cast.actor(cast.bea))
    assert in_base() == before
    pay(cast, 0, bill.open_amount)
    assert "receivable" not in in_base()
    proven()


def test_credit_that_is_freed_and_used_again_keeps_what_it_is_worth(cast: Cast, bill: Invoice) -> None:
    payment = pay(cast, 5, bill.gross)
    credit_invoice(bill, new_id(), "Wrong client", by=cast.actor(cast.pat))
    assert in_base() == {"bank": bill.gross * Decimal("0.90"), "credit": -bill.gross * Decimal("0.90")}
    proven()
    again = approve_invoice(
        make_draft(cast, *db.session.scalars(sa.select(type(cast.acme_work)).where(
            type(cast.acme_work).currency == "EUR"))),
        by=cast.actor(cast.pat), reason="Agreed",
    )  # fmt: skip
    allocate_payment(payment, None, by=cast.actor(cast.bea))
    assert again.open_amount == 0
    assert in_base()["gain_loss"] == -bill.gross * Decimal("0.10")
    proven()


def test_what_does_not_close_in_base_is_found(session: Session, cast: Cast, bill: Invoice) -> None:
    payment = pay(cast, 5, bill.gross)
    session.execute(sa.text("UPDATE payment SET transaction_id = NULL"))
    assert [finding.subject for finding in prove_base()] == [f"payment {payment.id}"]


def test_the_books_of_a_month_show_what_was_gained_and_come_to_nothing_in_their_own_currency(
    cast: Cast, bill: Invoice, client: FlaskClient
) -> None:
    pay(cast, 0, bill.gross)
    lost = bill.gross * Decimal("0.05")
    pat, month = cast.actor(cast.pat), clock.today().replace(day=1)
    moved = [each for each in movements_of(month, seen_by=pat) if each.kind == "allocated"]
    [gain] = [each for each in moved if each.account == "gain_loss"]
    assert (gain.debit, gain.credit, gain.base, gain.base_currency) == (0, 0, lost, "GBP")
    assert sum(each.base for each in moved) == sum(each.net for each in moved) == 0
    page = sign_in(client, cast.pat).get(f"/settings/books/{month:%Y-%m}").text
    assert "Net in GBP" in page and f"{lost:,.2f}" in page and "Ties out" in page
