"""A statement of account: what was billed, what was paid, what is open."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Allocation, Invoice, InvoiceKind, Payment
from app.billing.policy import can_see_invoices
from app.billing.sight import bills_seen_by, hidden_bills, payments_seen_by
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

    @property
    def billed(self) -> Decimal | None:
        return self.amount if self.kind == "invoice" else None

    @property
    def credited(self) -> Decimal | None:
        return -self.amount if self.kind == "credit_note" else None

    @property
    def paid(self) -> Decimal | None:
        """Below zero for money that was taken back."""
        return -self.amount if self.billed is None and self.credited is None else None


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
    hidden = hidden_bills(seen_by)
    elsewhere = _paid_elsewhere(client_id, currency, hidden)
    opening = _balance(client_id, currency, start - dt.timedelta(days=1), hidden, elsewhere)
    rows, balance = [], opening
    for on, happened_on, kind, name, row_id, due_on, amount in _movements(
        client_id, currency, start, end, hidden, elsewhere
    ):
        balance += amount
        rows.append(StatementRow(on, happened_on, kind, name, row_id, due_on, amount, balance))
    return Statement(client_id, currency, start, end, opening, rows, balance, _ages(client_id, currency, end, hidden))


def statement_currencies(client_id: UUID, *, seen_by: Actor) -> list[str]:
    """The currencies in which anything was ever billed to a client or paid by it."""
    if not can_see(seen_by, client_id):
        raise NotFound()
    return list(
        db.session.scalars(
            sa.union(
                sa.select(Invoice.currency).where(
                    Invoice.payer_id == client_id, Invoice.number.is_not(None), *bills_seen_by(seen_by)
                ),
                sa.select(Payment.currency).where(Payment.client_id == client_id, *payments_seen_by(seen_by)),
            )
        )
    )


Hidden = sa.Select[UUID] | None
MOVES = LedgerTransaction.kind.in_((TransactionKind.ISSUED, TransactionKind.PAID))


def _seen(hidden: Hidden) -> list[sa.ColumnElement[bool]]:
    return [] if hidden is None else [sa.or_(Posting.invoice_id.is_(None), Posting.invoice_id.not_in(hidden))]


def _posted(client_id: UUID, currency: str, hidden: Hidden) -> list[sa.ColumnElement[bool]]:
    return [Posting.client_id == client_id, Posting.account.in_(OWED), Posting.currency == currency, *_seen(hidden)]


def _paid_elsewhere(client_id: UUID, currency: str, hidden: Hidden) -> dict[UUID, Decimal]:
    """What of each payment lies on bills that are hidden from the viewer: for them it was never paid."""
    if hidden is None:
        return {}
    rows = db.session.execute(
        sa.select(Allocation.payment_id, sa.func.sum(Allocation.amount))
        .join(Payment, Payment.id == Allocation.payment_id)
        .where(
            Payment.client_id == client_id, Payment.currency == currency, Allocation.reversed_at.is_(None),
            Allocation.invoice_id.in_(hidden),
        )
        .group_by(Allocation.payment_id)
    )  # fmt: skip
    return {payment_id: amount for payment_id, amount in rows}


def _balance(
    client_id: UUID, currency: str, day: dt.date, hidden: Hidden, elsewhere: Mapping[UUID, Decimal]
) -> Decimal:
    """The sum of all movements through a day; of each payment what the viewer may know of."""
    posted = [*_posted(client_id, currency, hidden), LedgerTransaction.posted_on <= day]
    total = db.session.scalar(
        sa.select(sa.func.sum(Posting.amount))
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(*posted, *([MOVES] if elsewhere else []))
    )
    paid = sa.select(LedgerTransaction.source_id).where(
        LedgerTransaction.source_kind == "payment", LedgerTransaction.source_id.in_(elsewhere),
        LedgerTransaction.kind == TransactionKind.PAID, LedgerTransaction.reverses_id.is_(None),
        LedgerTransaction.posted_on <= day,
    )  # fmt: skip
    back = [elsewhere[payment_id] for payment_id in db.session.scalars(paid)] if elsewhere else []
    return sum(back, total or ZERO)


Movement = tuple[dt.date, dt.date, str, str, UUID, dt.date | None, Decimal]


def _movements(
    client_id: UUID, currency: str, start: dt.date, end: dt.date, hidden: Hidden, elsewhere: Mapping[UUID, Decimal]
) -> list[Movement]:
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
            *_posted(client_id, currency, hidden),
            LedgerTransaction.posted_on.between(start, end),
            MOVES,
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
            amount += elsewhere.get(source_id, ZERO)
            if not amount:
                continue
            found.append((on, happened_on, word, payment.reference, payment.id, None, amount))
    return found


def _ages(client_id: UUID, currency: str, day: dt.date, hidden: Hidden) -> list[tuple[Age, Decimal]]:
    rows = db.session.execute(
        sa.select(Posting.aged_on, sa.func.sum(Posting.amount))
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(
            Posting.client_id == client_id,
            Posting.account == Account.RECEIVABLE,
            Posting.currency == currency,
            LedgerTransaction.posted_on <= day,
            *_seen(hidden),
        )
        .group_by(Posting.aged_on)
    ).all()
    ages = ages_of(Account.RECEIVABLE)
    sums = [ZERO] * len(ages)
    for aged_on, amount in rows:
        sums[age_index(Account.RECEIVABLE, aged_on, day)] += amount
    return list(zip(ages, sums, strict=True))
