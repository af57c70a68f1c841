"""Old postings learn their entity and their exact day; receivables name their engagements; books balance apart."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.billing.amounts import spread_signed
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.settling import reverse_payment
from app.billing.models import Invoice
from app.config import Settings
from app.core import clock
from app.core.db import db, transaction
from app.core.ids import new_id
from app.core.migration import alembic_config, migrate
from app.core.proofs import run_proofs
from app.ledger.models import Account, LedgerTransaction, Posting
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, make_cast, make_engagement

LEGS = """INSERT INTO posting (transaction_id, line, entity_id, account, book, amount, currency, base_amount, base_rate,
                               aged_on)
          VALUES (:made, :line, :entity, :account, :book, :amount, 'GBP', :amount, 1, '2026-01-01')"""


def bill_of_two(cast: Cast) -> Invoice:
    """A bill over 100 for one engagement and 200 for another, and tax."""
    second = make_engagement(cast.acme, cast.entity, "Payroll")
    make_entry(cast, "1")
    make_entry(cast, "2", engagement=second, on=clock.today() - dt.timedelta(days=40))
    invoice = make_draft(cast, cast.acme_work, second)
    return approve_invoice(invoice, by=cast.actor(cast.pat), reason="Agreed")


def owed_by_engagement(invoice: Invoice) -> dict[Any, Decimal]:
    amount = sa.func.sum(Posting.amount)
    rows = db.session.execute(
        sa.select(Posting.engagement_id, amount)
        .where(Posting.invoice_id == invoice.id, Posting.account == Account.RECEIVABLE)
        .group_by(Posting.engagement_id)
    )
    return {engagement_id: owed for engagement_id, owed in rows}


def pay(cast: Cast, invoice: Invoice, amount: Decimal) -> Any:
    facts = PaymentFacts(
        client_id=invoice.payer_id, entity_id=invoice.entity_id, received_on=clock.today(), amount=amount,
        currency=invoice.currency, parts=((invoice.id, amount),),
    )  # fmt: skip
    return record_payment(new_id(), facts, by=cast.actor(cast.bea))


def test_a_bill_is_owed_for_each_engagement_and_paid_off_on_each(session: Session, cast: Cast) -> None:
    make_rate("100")
    invoice = bill_of_two(cast)
    assert sorted(owed_by_engagement(invoice).values()) == [Decimal(120), Decimal(240)]
    part = pay(cast, invoice, Decimal("0.01"))
    pay(cast, invoice, Decimal("100.01"))
    assert sum(owed_by_engagement(invoice).values()) == invoice.open_amount == Decimal("259.98")
    reverse_payment(part, "Bounced", by=cast.actor(cast.bea))
    pay(cast, invoice, invoice.open_amount)
    assert set(owed_by_engagement(invoice).values()) == {Decimal(0)}


def test_a_part_falls_on_rebates_too_and_the_whole_leaves_nothing() -> None:
    amounts = [Decimal("100.00"), Decimal("-20.00"), Decimal("0.01")]
    assert spread_signed(Decimal("80.01"), amounts, "GBP") == amounts
    part = spread_signed(Decimal("33.33"), amounts, "GBP")
    assert sum(part) == Decimal("33.33") and part[1] < 0
    with pytest.raises(ValueError, match="nothing to spread"):
        spread_signed(Decimal(1), [Decimal(1), Decimal(-1)], "GBP")


@pytest.mark.parametrize(
    ("second", "book", "message"),
    [("client_ledger", "client_money", "out of balance"), ("client_ledger", "office", "book_of_account")],
)
def test_clients_money_never_balances_against_the_firms(
    session: Session, cast: Cast, second: str, book: str, message: str
) -> None:
    with pytest.raises(DBAPIError, match=message), transaction():
        made = session.scalar(sa.text(
            "INSERT INTO ledger_transaction (kind, posted_on, happened_on, source_kind, source_id, reason) "
            "VALUES ('paid', '2026-01-01', '2026-01-01', 'engagement', :id, '') RETURNING id"
        ), {"id": cast.acme_work.id})  # fmt: skip
        for line, account, its_book, amount in ((1, "bank", "office", 5), (2, second, book, -5)):
            session.execute(sa.text(LEGS), {"made": made, "line": line, "entity": cast.entity.id, "account": account,
                                            "book": its_book, "amount": amount})  # fmt: skip
        session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))


_TOLD = sa.text("""
    SELECT transaction_id, line, entity_id, account, amount, currency, base_amount, client_id, engagement_id,
           invoice_id, payment_id, item_id, aged_on FROM posting ORDER BY transaction_id, line
""")


@pytest.mark.real
def test_what_was_posted_by_month_gets_its_own_day_and_says_what_it_said(
    real_app: Flask, real_database: Settings
) -> None:
    with real_app.app_context():
        with transaction():
            cast = make_cast()
            make_rate("100")
        make_entry(cast, "3", on=clock.today() - dt.timedelta(days=75))
        make_entry(cast, "1")
        invoice = approve_invoice(make_draft(cast), by=cast.actor(cast.pat), reason="Agreed")
        make_entry(cast, "2", on=clock.today() - dt.timedelta(days=33))
        pay(cast, invoice, Decimal("55.55"))
        before = db.session.execute(_TOLD).all()
        latest = db.session.scalar(sa.select(sa.func.max(LedgerTransaction.id)))
        db.session.remove()
    engine = sa.create_engine(real_database.database_url)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0005")
        connection.execute(sa.text("ALTER TABLE posting DISABLE TRIGGER USER"))
        connection.execute(sa.text("UPDATE posting SET engagement_id = NULL WHERE account = 'receivable'"))
        connection.execute(sa.text("ALTER TABLE posting ENABLE TRIGGER USER"))
        connection.execute(sa.text("COMMENT ON SCHEMA public IS ''"))
    assert migrate(real_database)
    with engine.connect() as connection:
        after = connection.execute(_TOLD).all()
        [told] = connection.scalars(sa.text(
            "SELECT data FROM event JOIN event_payload ON event_id = id WHERE kind = 'ledger.postings.redated'"
        )).all()  # fmt: skip
    engine.dispose()
    assert after == before and latest is not None
    assert told["postings"] == len(before) and len(told["sha256"]) == 64
    counted = ("by_day_of_work", "by_day_due", "by_day_received", "by_day_it_happened", "by_end_of_month")
    assert sum(told[name] for name in counted) == len(before)
    assert told["by_end_of_month"] == told["by_the_first_entity"] == told["receivables_of_several"] == 0
    with real_app.app_context():
        assert [(name, found) for name, found in run_proofs() if found and name.startswith(("ledger", "billing"))] == []
