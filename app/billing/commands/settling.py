"""What an invoice still owes, taking money off it again, and payments that bounced."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.amounts import spread_signed
from app.billing.commands.fees import take_turns
from app.billing.models import Allocation, Invoice, Payment
from app.billing.policy import can_record_payment
from app.core import clock
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.ledger.books import Books, books_of_entity
from app.ledger.commands import Leg, post
from app.ledger.models import Account, Posting, TransactionKind
from app.ledger.queries import rate_on

ZERO = Decimal(0)


def settle_invoice(invoice_id: UUID) -> None:
    """Set the kept open amount to the sum of the invoice's receivable postings: the only writer of it."""
    db.session.flush()
    db.session.execute(
        sa.text(
            "UPDATE invoice SET open_amount = coalesce((SELECT sum(amount) FROM posting "
            "WHERE invoice_id = :id AND account = 'receivable'), 0) WHERE id = :id"
        ),
        {"id": invoice_id},
    )
    loaded = db.session.identity_map.get(sa.orm.util.identity_key(Invoice, invoice_id))
    if loaded is not None:
        db.session.refresh(loaded, ["open_amount"])


def allocation_legs(payment: Payment, invoice: Invoice, part: Decimal) -> list[Leg]:
    """Credit of the payer becomes payment of an invoice, of each engagement on it by what it has open."""
    parts = _by_engagement(part, Posting.invoice_id == invoice.id, currency=invoice.currency)
    return _allocation_legs(payment, invoice, parts)


def _allocation_legs(payment: Payment, invoice: Invoice, parts: dict[UUID | None, Decimal]) -> list[Leg]:
    key: dict[str, Any] = {"client_id": invoice.payer_id, "invoice_id": invoice.id, "payment_id": payment.id}
    legs = [Leg(account=Account.CREDIT, amount=sum(parts.values(), ZERO), aged_on=payment.received_on, **key)]
    for engagement_id, part in parts.items():
        legs.append(
            Leg(account=Account.RECEIVABLE, amount=-part, aged_on=invoice.due_on, engagement_id=engagement_id, **key)
        )
    return legs


def _by_engagement(part: Decimal, *posted: sa.ColumnElement[bool], currency: str) -> dict[UUID | None, Decimal]:
    """Spread a part over engagements by the sums of these receivable postings; all of it leaves nothing on any."""
    amount = sa.func.sum(Posting.amount)
    rows = db.session.execute(
        sa.select(Posting.engagement_id, amount)
        .where(Posting.account == Account.RECEIVABLE, *posted)
        .group_by(Posting.engagement_id)
        .having(amount != 0)
        .order_by(sa.func.min(Posting.transaction_id), sa.func.min(Posting.line))
    ).all()
    parts = spread_signed(part, [amount for _, amount in rows], currency)
    return {engagement_id: each for (engagement_id, _), each in zip(rows, parts, strict=True)}


def release_allocations(
    invoice: Invoice, *, by: Actor, books: Books, reason: str, payment: Payment | None = None
) -> Decimal:
    """Take allocations off an invoice (those of one payment, or all); the money is credit again. Returns the amount."""
    statement = (
        sa.select(Allocation, Payment)
        .join(Payment, Payment.id == Allocation.payment_id)
        .where(Allocation.invoice_id == invoice.id, Allocation.reversed_at.is_(None))
        .order_by(Allocation.id)
    )
    if payment is not None:
        statement = statement.where(Allocation.payment_id == payment.id)
    released = ZERO
    for allocation, paid in db.session.execute(statement.with_for_update(of=Allocation)).all():
        taken = Posting.invoice_id == invoice.id, Posting.payment_id == paid.id
        parts = _by_engagement(-allocation.amount, *taken, currency=invoice.currency)
        post(
            TransactionKind.ALLOCATED,
            _allocation_legs(paid, invoice, parts),
            by=by,
            currency=paid.currency,
            books=books,
            source=paid,
            happened_on=clock.today(),
            reason=reason,
            rate=rate_on(paid.currency, books.currency, allocation.allocated_on),
        )
        allocation.reversed_at = now()
        released += allocation.amount
    if released:
        settle_invoice(invoice.id)
    return released


def payment_legs(payment: Payment, sign: int = 1) -> list[Leg]:
    """Money in the bank that is the payer's credit until it is allocated."""
    key: dict[str, Any] = {"client_id": payment.client_id, "payment_id": payment.id, "aged_on": payment.received_on}
    return [
        Leg(account=Account.BANK, amount=payment.amount * sign, **key),
        Leg(account=Account.CREDIT, amount=-payment.amount * sign, **key),
    ]


def reverse_payment(payment: Payment, reason: str, *, by: Actor) -> None:
    """A payment that bounced or was recorded wrongly: its invoices are open again, the books say so today."""
    authorize(by, can_record_payment, payment)
    if not reason.strip():
        raise Refused("Say why the payment is reversed.", field="reason")
    with transaction():
        take_turns(payment.client_id)
        invoices = lock_invoices(
            sa.select(Allocation.invoice_id).where(
                Allocation.payment_id == payment.id, Allocation.reversed_at.is_(None)
            )
        )
        lock_payment(payment)
        if payment.reversed_at:
            return
        books = books_of_entity(payment.entity_id)
        for invoice in invoices:
            release_allocations(invoice, by=by, books=books, reason=reason, payment=payment)
        post(
            TransactionKind.PAID,
            payment_legs(payment, -1),
            by=by,
            currency=payment.currency,
            books=books,
            source=payment,
            happened_on=clock.today(),
            reason=reason,
            rate=rate_on(payment.currency, books.currency, payment.received_on),
        )
        payment.reversed_at, payment.reversed_reason = now(), reason.strip()
        record(
            "billing.payment.reverse",
            payment,
            by=by,
            amount=payment.amount,
            currency=payment.currency,
            reason=reason,
            invoices=[invoice.number for invoice in invoices],
            topics=("invoices", "payments"),
            covers=[("payment", payment.id)],
        )


def lock_invoices(ids: sa.Select[UUID]) -> list[Invoice]:
    """Lock invoices in the order of their ids: whoever settles several takes them in the same order."""
    return list(
        db.session.scalars(
            sa.select(Invoice)
            .where(Invoice.id.in_(ids))
            .order_by(Invoice.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def lock_payment(payment: Payment) -> None:
    """Lock a payment and read it anew; always after its invoices, as everybody does."""
    statement = sa.select(Payment).where(Payment.id == payment.id).with_for_update()
    db.session.scalar(statement.execution_options(populate_existing=True))
