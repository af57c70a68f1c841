"""Old postings learn their entity and their exact day; receivables name their engagements; books balance apart."""

from __future__ import annotations

import datetime as dt
import os
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.billing.amounts import spread_signed
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.settling import reverse_payment
from app.billing.models import Invoice
from app.core import clock
from app.core.db import db, transaction
from app.core.ids import new_id
from app.core.migration import alembic_config, migrate
from app.ledger.models import Account, Posting
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.core.test_migrating_an_older_firm import older_database
from tests.make import Cast, make_engagement
from tests.plumbing import TestServices

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


_SAID = """
    SELECT encode(sha256(convert_to(string_agg(ROW(transaction_id, line, account, amount, currency, base_amount,
        base_rate, client_id, CASE account WHEN 'receivable' THEN NULL ELSE engagement_id END, invoice_id, payment_id,
        item_id, age_month)::text || chr(10), '' ORDER BY transaction_id, line), 'UTF8')), 'hex') FROM posting
"""
# The day that an amount ages from, by what it is for; what no row is behind any more ages from its month's end.
_WRONG = """
    SELECT count(*) FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
    LEFT JOIN (SELECT id, worked_on FROM time_entry UNION ALL SELECT id, worked_on FROM expense) item
      ON item.id = p.item_id
    LEFT JOIN invoice i ON i.id = p.invoice_id LEFT JOIN payment y ON y.id = p.payment_id
    WHERE p.aged_on IS DISTINCT FROM CASE WHEN p.account IN ('wip', 'wip_memo') THEN item.worked_on
              WHEN p.account = 'receivable' THEN i.due_on
              WHEN p.account IN ('bank', 'credit') THEN y.received_on ELSE t.happened_on END
      AND t.reason NOT LIKE 'put right:%'  -- what a later migration posts ages from what it puts right
      AND p.aged_on <> (date_trunc('month', p.aged_on) + interval '1 month - 1 day')::date
"""
_OWN = """
    SELECT count(*) FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
    LEFT JOIN engagement e ON e.id = p.engagement_id
    WHERE t.reason NOT LIKE 'put right:%'
      AND (p.book <> 'office' OR p.entity_id <> e.entity_id OR p.account = 'receivable' AND p.engagement_id IS NULL)
"""


@pytest.mark.real
def test_what_was_posted_by_month_gets_its_own_day_and_says_what_it_said(services: TestServices) -> None:
    with older_database(services, f"fm_{os.getpid()}_by_month") as settings:
        engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "0005")
            said = connection.scalar(sa.text(_SAID))
            posted = connection.scalar(sa.text("SELECT count(*) FROM posting"))
        assert migrate(settings)
        with engine.connect() as connection:
            [told] = connection.scalars(sa.text(
                "SELECT data FROM event JOIN event_payload ON event_id = id WHERE kind = 'ledger.postings.redated'"
            )).all()  # fmt: skip
            counted = [connection.scalar(sa.text(each)) for each in (_WRONG, _OWN)]
            with pytest.raises(DBAPIError, match="append-only"):
                connection.execute(sa.text("UPDATE posting SET aged_on = aged_on + 1"))
        engine.dispose()
    assert (told["postings"], told["sha256"]) == (posted, said)
    by_day = ("by_day_of_work", "by_day_due", "by_day_received", "by_day_it_happened")
    assert sum(told[name] for name in (*by_day, "by_end_of_month")) == posted
    assert min(told[name] for name in by_day) > 0 and told["by_the_first_entity"] == 0
    assert counted == [0, told["receivables_of_several"]]
