"""Money received: recorded, allocated to invoices, reversed; what is over stays as credit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.models import Allocation, Invoice, InvoiceKind, InvoiceState, Payment, PaymentMethod
from app.billing.policy import can_record_payment
from app.clients.models import Client
from app.clients.policy import can_see
from app.core import clock
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.money import round_amount
from app.core.permissions import authorize
from app.firm.models import Entity
from app.ledger.commands import Leg, post
from app.ledger.models import Account, Posting, TransactionKind

ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class PaymentFacts:
    """Money received from a client. `parts` says which invoice gets how much; None: oldest due first."""

    client_id: UUID
    entity_id: UUID
    received_on: dt.date
    amount: Decimal
    currency: str
    method: PaymentMethod = PaymentMethod.TRANSFER
    reference: str = ""
    parts: tuple[tuple[UUID, Decimal], ...] | None = None


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


def record_payment(payment_id: UUID, facts: PaymentFacts, *, by: Actor) -> Payment:
    """Record money and allocate it. The same id again gives the payment that is there. Over-payment stays as credit."""
    authorize(by, can_record_payment)
    with transaction() as session:
        existing = session.get(Payment, payment_id)
        if existing is not None:
            return existing
        client = session.get(Client, facts.client_id)
        if client is None or not can_see(by, client.id):
            raise NotFound()
        amount = round_amount(facts.amount, facts.currency)
        if amount <= 0:
            raise Refused("A payment is more than nothing.", field="amount")
        if facts.received_on > clock.today():
            raise Refused("Money is recorded when it has arrived, not before.", field="received_on")
        payment = Payment(
            id=payment_id,
            client_id=client.id,
            entity_id=facts.entity_id,
            received_on=facts.received_on,
            amount=amount,
            currency=facts.currency,
            method=facts.method,
            reference=facts.reference,
            recorded_by=by.person_id,
        )
        session.add(payment)
        session.flush()
        base = session.get_one(Entity, facts.entity_id).currency
        post(
            TransactionKind.PAID,
            [
                Leg(account=Account.BANK, amount=amount, client_id=client.id, payment_id=payment.id),
                Leg(account=Account.CREDIT, amount=-amount, client_id=client.id, payment_id=payment.id),
            ],
            by=by,
            currency=facts.currency,
            base=base,
            source=payment,
            happened_on=facts.received_on,
        )
        parts = facts.parts if facts.parts is not None else _oldest_first(payment, amount)
        _allocate(payment, parts, by=by, base=base, on=facts.received_on)
        record(
            "billing.payment.record",
            payment,
            by=by,
            amount=amount,
            currency=facts.currency,
            allocated=sum((part for _, part in parts), ZERO),
            topics=("invoices", "payments"),
        )
        return payment


def _oldest_first(payment: Payment, amount: Decimal) -> tuple[tuple[UUID, Decimal], ...]:
    parts: list[tuple[UUID, Decimal]] = []
    for invoice in open_invoices_of(payment.client_id, payment.currency):
        part = min(invoice.open_amount, amount)
        if part > 0:
            parts.append((invoice.id, part))
            amount -= part
    return tuple(parts)


def open_invoices_of(client_id: UUID, currency: str) -> Sequence[Invoice]:
    """What a client still owes, oldest due first."""
    return db.session.scalars(
        sa.select(Invoice)
        .where(
            Invoice.payer_id == client_id,
            Invoice.currency == currency,
            Invoice.open_amount > 0,
            Invoice.kind == InvoiceKind.INVOICE,
            Invoice.state.in_((InvoiceState.APPROVED, InvoiceState.SENT)),
        )
        .order_by(Invoice.due_on, Invoice.number)
    ).all()


def credit_left(payment: Payment) -> Decimal:
    """What of a payment is not allocated: the sum of its credit postings, as a positive amount."""
    credit = db.session.scalar(
        sa.select(sa.func.sum(Posting.amount)).where(
            Posting.payment_id == payment.id, Posting.account == Account.CREDIT
        )
    )
    return -(credit or ZERO)


def allocate_payment(payment: Payment, parts: Sequence[tuple[UUID, Decimal]], *, by: Actor) -> None:
    """Put credit that is left of a payment onto invoices."""
    authorize(by, can_record_payment)
    with transaction() as session:
        session.refresh(payment, with_for_update=True)
        if payment.reversed_at:
            raise Refused("This payment was reversed.")
        base = session.get_one(Entity, payment.entity_id).currency
        _allocate(payment, parts, by=by, base=base, on=max(payment.received_on, clock.today()))
        record(
            "billing.payment.allocate",
            payment,
            by=by,
            amount=sum((part for _, part in parts), ZERO),
            currency=payment.currency,
            topics=("invoices", "payments"),
        )


def _allocate(payment: Payment, parts: Sequence[tuple[UUID, Decimal]], *, by: Actor, base: str, on: dt.date) -> None:
    parts = [(invoice_id, round_amount(part, payment.currency)) for invoice_id, part in parts if part]
    if any(part < 0 for _, part in parts):
        raise Refused("An allocation is more than nothing.", field="parts")
    if sum((part for _, part in parts), ZERO) > credit_left(payment):
        raise Refused("More is allocated than was received.", field="parts")
    for invoice_id, part in sorted(parts):
        invoice = db.session.scalar(
            sa.select(Invoice)
            .where(Invoice.id == invoice_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if invoice is None or not can_see(by, invoice.client_id):
            raise NotFound()
        if invoice.payer_id != payment.client_id or invoice.currency != payment.currency:
            raise Refused(f"{invoice.number} is not this client's, or in another currency.", field="parts")
        if part > invoice.open_amount:
            raise Refused(
                f"{invoice.number} has only {invoice.open_amount:.2f} {invoice.currency} open.", field="parts"
            )
        post(
            TransactionKind.ALLOCATED,
            _legs(payment, invoice, part),
            by=by,
            currency=payment.currency,
            base=base,
            source=payment,
            happened_on=on,
        )
        db.session.add(
            Allocation(id=new_id(), payment_id=payment.id, invoice_id=invoice.id, amount=part, allocated_on=on)
        )
        settle_invoice(invoice.id)


def _legs(payment: Payment, invoice: Invoice, part: Decimal) -> list[Leg]:
    key: dict[str, Any] = {"invoice_id": invoice.id, "payment_id": payment.id}
    return [
        Leg(account=Account.CREDIT, amount=part, client_id=payment.client_id, age_on=payment.received_on, **key),
        Leg(account=Account.RECEIVABLE, amount=-part, client_id=invoice.client_id, age_on=invoice.due_on, **key),
    ]


def release_allocations(
    invoice: Invoice, *, by: Actor, base: str, reason: str, payment: Payment | None = None
) -> Decimal:
    """Take allocations off an invoice (those of one payment, or all); the money is credit again. Returns the amount."""
    statement = (
        sa.select(Allocation, Payment)
        .join(Payment, Payment.id == Allocation.payment_id)
        .where(Allocation.invoice_id == invoice.id, Allocation.reversed_at.is_(None))
    )
    if payment is not None:
        statement = statement.where(Allocation.payment_id == payment.id)
    released = ZERO
    for allocation, paid in db.session.execute(statement.with_for_update(of=Allocation)).all():
        post(
            TransactionKind.ALLOCATED,
            _legs(paid, invoice, -allocation.amount),
            by=by,
            currency=paid.currency,
            base=base,
            source=paid,
            happened_on=clock.today(),
            reason=reason,
        )
        allocation.reversed_at = now()
        released += allocation.amount
    settle_invoice(invoice.id)
    return released


def reverse_payment(payment: Payment, reason: str, *, by: Actor) -> None:
    """A payment that bounced or was recorded wrongly: its invoices are open again, the books say so today."""
    authorize(by, can_record_payment)
    if not reason.strip():
        raise Refused("Say why the payment is reversed.", field="reason")
    with transaction() as session:
        session.refresh(payment, with_for_update=True)
        if payment.reversed_at:
            return
        base = session.get_one(Entity, payment.entity_id).currency
        invoices = (
            session.scalars(
                sa.select(Invoice)
                .join(Allocation, Allocation.invoice_id == Invoice.id)
                .where(Allocation.payment_id == payment.id, Allocation.reversed_at.is_(None))
                .order_by(Invoice.id)
                .with_for_update(of=Invoice)
                .execution_options(populate_existing=True)
            )
            .unique()
            .all()
        )
        for invoice in invoices:
            release_allocations(invoice, by=by, base=base, reason=reason, payment=payment)
        post(
            TransactionKind.PAID,
            [
                Leg(account=Account.BANK, amount=-payment.amount, client_id=payment.client_id, payment_id=payment.id),
                Leg(
                    account=Account.CREDIT,
                    amount=payment.amount,
                    client_id=payment.client_id,
                    payment_id=payment.id,
                    age_on=payment.received_on,
                ),
            ],
            by=by,
            currency=payment.currency,
            base=base,
            source=payment,
            happened_on=clock.today(),
            reason=reason,
        )
        payment.reversed_at, payment.reversed_reason = now(), reason.strip()
        record(
            "billing.payment.reverse",
            payment,
            by=by,
            amount=payment.amount,
            currency=payment.currency,
            reason=reason,
            topics=("invoices", "payments"),
        )
