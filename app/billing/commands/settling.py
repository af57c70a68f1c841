"""What an invoice still owes, taking money off it again, and payments that bounced."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.models import Allocation, Invoice, Payment
from app.billing.policy import can_record_payment
from app.core import clock
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.firm.models import Entity
from app.ledger.commands import Leg, post
from app.ledger.models import Account, TransactionKind
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
    """Credit of the payer becomes payment of an invoice; with a negative part, the other way round."""
    key: dict[str, Any] = {"client_id": invoice.payer_id, "invoice_id": invoice.id, "payment_id": payment.id}
    return [
        Leg(account=Account.CREDIT, amount=part, age_on=payment.received_on, **key),
        Leg(account=Account.RECEIVABLE, amount=-part, age_on=invoice.due_on, **key),
    ]


def release_allocations(
    invoice: Invoice, *, by: Actor, base: str, reason: str, payment: Payment | None = None
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
        post(
            TransactionKind.ALLOCATED,
            allocation_legs(paid, invoice, -allocation.amount),
            by=by,
            currency=paid.currency,
            base=base,
            source=paid,
            happened_on=clock.today(),
            reason=reason,
            rate=rate_on(paid.currency, base, allocation.allocated_on),
        )
        allocation.reversed_at = now()
        released += allocation.amount
    if released:
        settle_invoice(invoice.id)
    return released


def payment_legs(payment: Payment, sign: int = 1) -> list[Leg]:
    """Money in the bank that is the payer's credit until it is allocated."""
    key: dict[str, Any] = {"client_id": payment.client_id, "payment_id": payment.id, "age_on": payment.received_on}
    return [
        Leg(account=Account.BANK, amount=payment.amount * sign, **key),
        Leg(account=Account.CREDIT, amount=-payment.amount * sign, **key),
    ]


def reverse_payment(payment: Payment, reason: str, *, by: Actor) -> None:
    """A payment that bounced or was recorded wrongly: its invoices are open again, the books say so today."""
    authorize(by, can_record_payment, payment)
    if not reason.strip():
        raise Refused("Say why the payment is reversed.", field="reason")
    with transaction() as session:
        invoices = lock_invoices(
            sa.select(Allocation.invoice_id).where(
                Allocation.payment_id == payment.id, Allocation.reversed_at.is_(None)
            )
        )
        lock_payment(payment)
        if payment.reversed_at:
            return
        base = session.get_one(Entity, payment.entity_id).currency
        for invoice in invoices:
            release_allocations(invoice, by=by, base=base, reason=reason, payment=payment)
        post(
            TransactionKind.PAID,
            payment_legs(payment, -1),
            by=by,
            currency=payment.currency,
            base=base,
            source=payment,
            happened_on=clock.today(),
            reason=reason,
            rate=rate_on(payment.currency, base, payment.received_on),
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
