"""A statement of account: what was billed, what was paid, what is open."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Invoice, InvoiceKind, Payment
from app.billing.policy import can_see_invoices
from app.clients.policy import can_see
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.ledger.ageing import Age, age_index, ages_of
from app.ledger.models import Account, LedgerTransaction, Posting, TransactionKind

ZERO = Decimal(0)
OWED = (Account.RECEIVABLE, Account.CREDIT)


@dataclass(frozen=True)
class StatementRow:
    """One movement. `kind` is invoice, credit_note, payment or reversed_payment; the amount is signed.

    It stands on the day it was posted; `happened_on` is another when the books of that day were closed.
    """

    on: dt.date
    happened_on: dt.date
    kind: str
    name: str
    id: UUID
    due_on: dt.date | None
    amount: Decimal
    balance: Decimal


@dataclass(frozen=True)
class Statement:
    """From a day to a day, both included, by the day of posting. What is owed counts positive, credit negative.

    The ages with the credit that is not allocated to any bill make the closing balance.
    """

    client_id: UUID
    currency: str
    start: dt.date
    end: dt.date
    opening: Decimal
    rows: Sequence[StatementRow]
    closing: Decimal
    ages: Sequence[tuple[Age, Decimal]]

    @property
    def credit(self) -> Decimal:
        """What was paid and lies on no bill: zero or below."""
        return self.closing - sum((amount for _, amount in self.ages), ZERO)


def statement_of(client_id: UUID, currency: str, start: dt.date, end: dt.date, *, seen_by: Actor) -> Statement:
    """The account of a client in one currency, from its postings; the closing balance ties out to the ledger."""
    if not can_see_invoices(seen_by) or not can_see(seen_by, client_id):
        raise NotFound()
    opening = _balance(client_id, currency, start - dt.timedelta(days=1))
    rows, balance = [], opening
    for on, happened_on, kind, name, row_id, due_on, amount in _movements(client_id, currency, start, end):
        balance += amount
        rows.append(StatementRow(on, happened_on, kind, name, row_id, due_on, amount, balance))
    return Statement(client_id, currency, start, end, opening, rows, balance, _ages(client_id, currency, end))


def statement_currencies(client_id: UUID, *, seen_by: Actor) -> list[str]:
    """The currencies in which anything was ever billed to a client or paid by it."""
    if not can_see(seen_by, client_id):
        raise NotFound()
    return list(
        db.session.scalars(
            sa.union(
                sa.select(Invoice.currency).where(Invoice.payer_id == client_id, Invoice.number.is_not(None)),
                sa.select(Payment.currency).where(Payment.client_id == client_id),
            )
        )
    )


def _posted(client_id: UUID, currency: str) -> list[sa.ColumnElement[bool]]:
    return [Posting.client_id == client_id, Posting.account.in_(OWED), Posting.currency == currency]


def _balance(client_id: UUID, currency: str, day: dt.date) -> Decimal:
    total = db.session.scalar(
        sa.select(sa.func.sum(Posting.amount))
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(*_posted(client_id, currency), LedgerTransaction.posted_on <= day)
    )
    return total or ZERO


Movement = tuple[dt.date, dt.date, str, str, UUID, dt.date | None, Decimal]


def _movements(client_id: UUID, currency: str, start: dt.date, end: dt.date) -> list[Movement]:
    """Issuing, crediting, receiving and bouncing; allocations only move money between the two accounts."""
    rows = db.session.execute(
        sa.select(
            LedgerTransaction.posted_on,
            LedgerTransaction.happened_on,
            LedgerTransaction.kind,
            LedgerTransaction.source_id,
            LedgerTransaction.id,
            sa.func.sum(Posting.amount),
        )
        .join(Posting, Posting.transaction_id == LedgerTransaction.id)
        .where(
            *_posted(client_id, currency),
            LedgerTransaction.posted_on.between(start, end),
            LedgerTransaction.kind.in_((TransactionKind.ISSUED, TransactionKind.PAID)),
        )
        .group_by(LedgerTransaction.id)
        .having(sa.func.sum(Posting.amount) != 0)
        .order_by(LedgerTransaction.posted_on, LedgerTransaction.id)
    ).all()
    ids = {row.source_id for row in rows}
    bills = {bill.id: bill for bill in db.session.scalars(sa.select(Invoice).where(Invoice.id.in_(ids)))}
    paid = {payment.id: payment for payment in db.session.scalars(sa.select(Payment).where(Payment.id.in_(ids)))}
    found: list[Movement] = []
    for on, happened_on, kind, source_id, _, amount in rows:
        if kind is TransactionKind.ISSUED:
            bill = bills[source_id]
            is_credit = bill.kind is InvoiceKind.CREDIT_NOTE
            word, due = ("credit_note", None) if is_credit else ("invoice", bill.due_on)
            found.append((on, happened_on, word, str(bill.number), bill.id, due, amount))
        else:
            payment = paid[source_id]
            word = "payment" if amount < 0 else "reversed_payment"
            found.append((on, happened_on, word, payment.reference, payment.id, None, amount))
    return found


def _ages(client_id: UUID, currency: str, day: dt.date) -> list[tuple[Age, Decimal]]:
    rows = db.session.execute(
        sa.select(Posting.aged_on, sa.func.sum(Posting.amount))
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(
            Posting.client_id == client_id,
            Posting.account == Account.RECEIVABLE,
            Posting.currency == currency,
            LedgerTransaction.posted_on <= day,
        )
        .group_by(Posting.aged_on)
    ).all()
    ages = ages_of(Account.RECEIVABLE)
    sums = [ZERO] * len(ages)
    for aged_on, amount in rows:
        sums[age_index(Account.RECEIVABLE, aged_on, day)] += amount
    return list(zip(ages, sums, strict=True))
