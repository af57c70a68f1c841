"""Money received: recorded and allocated to invoices; what is over stays as credit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.commands.fees import take_turns
from app.billing.commands.settling import (
    allocation_legs,
    lock_invoices,
    lock_payment,
    payment_legs,
    rate_of,
    settle_invoice,
)
from app.billing.models import Allocation, Invoice, InvoiceState, Payment, PaymentMethod
from app.billing.open import owed
from app.billing.policy import can_record_payment
from app.billing.sight import bills_seen_by
from app.clients.models import Client
from app.clients.policy import can_see
from app.core import clock
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.money import round_amount
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.wording import amount as said
from app.ledger.books import Books, books_of_entity
from app.ledger.commands import post, refuse_closed
from app.ledger.models import Account, Posting, TransactionKind

ZERO = Decimal(0)
Parts = Sequence[tuple[UUID, Decimal]]


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


def record_payment(payment_id: UUID, facts: PaymentFacts, *, by: Actor) -> Payment:
    """Record money and allocate it. Over-payment stays as credit.

    The same id with the same facts gives the payment that is there; with others it is a Conflict.
    """
    authorize(by, can_record_payment)
    with transaction() as session:
        said = digest_of(facts)
        existing = made_before(Payment, payment_id, said, seen=lambda row: can_see(by, row.client_id))
        if existing is not None:
            return existing
        client = session.get(Client, facts.client_id)
        if client is None or not can_see(by, client.id):
            raise NotFound()
        amount = round_amount(facts.amount, facts.currency)
        if amount <= 0:
            raise Refused("A payment must be more than zero.", field="amount")
        take_turns(client.id)
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
            made_from=said,
        )
        # Invoices are locked before the books are held open: whoever posts takes them in that order.
        invoices, parts = _oldest_first(payment, by) if facts.parts is None else _named(facts.parts, by)
        refuse_closed(facts.entity_id, facts.received_on, field="received_on", what="a payment")
        session.add(payment)
        session.flush()
        books = books_of_entity(facts.entity_id)
        payment.transaction_id = post(
            TransactionKind.PAID,
            payment_legs(payment),
            by=by,
            currency=facts.currency,
            books=books,
            source=payment,
            happened_on=facts.received_on,
        )
        told = _allocate(payment, invoices, parts, left=amount, by=by, books=books, on=facts.received_on)
        record(
            "billing.payment.record",
            payment,
            by=by,
            amount=amount,
            currency=facts.currency,
            allocated=sum((part for _, part in parts), ZERO),
            invoices=told,
            topics=("invoices", "payments"),
            covers=[("payment", payment.id)],
        )
        return payment


def _oldest_first(payment: Payment, by: Actor) -> tuple[list[Invoice], Parts]:
    """The payer's open invoices that may be seen, locked, and how much of the payment each one gets."""
    open_ids = sa.select(Invoice.id).where(
        *owed(payment.client_id, payment.currency, payment.entity_id), *bills_seen_by(by)
    )
    invoices = lock_invoices(open_ids)
    left, parts = payment.amount, []
    for invoice in sorted(invoices, key=lambda i: (i.due_on or dt.date.max, i.number or "")):
        part = min(invoice.open_amount, left)
        if part > 0 and invoice.state in (InvoiceState.APPROVED, InvoiceState.SENT):
            parts.append((invoice.id, part))
            left -= part
    return invoices, parts


def _named(parts: Parts, by: Actor) -> tuple[list[Invoice], Parts]:
    gathered: dict[UUID, Decimal] = {}
    for invoice_id, part in parts:
        gathered[invoice_id] = gathered.get(invoice_id, ZERO) + part
    wanted = [(invoice_id, part) for invoice_id, part in gathered.items() if part]
    ids = sa.select(Invoice.id).where(Invoice.id.in_([i for i, _ in wanted]), *bills_seen_by(by))
    return lock_invoices(ids), wanted


def credit_left(payment: Payment) -> Decimal:
    """What of a payment is not allocated: the sum of its credit postings, as a positive amount."""
    credit = db.session.scalar(
        sa.select(sa.func.sum(Posting.amount)).where(
            Posting.payment_id == payment.id, Posting.account == Account.CREDIT
        )
    )
    return -(credit or ZERO)


def allocate_payment(payment: Payment, parts: Parts | None, *, by: Actor) -> None:
    """Put credit that is left of a payment onto invoices; without `parts`, oldest due first."""
    authorize(by, can_record_payment, payment)
    with transaction():
        take_turns(payment.client_id)
        invoices, wanted = _named(parts, by) if parts is not None else _oldest_first(payment, by)
        lock_payment(payment)
        if payment.reversed_at:
            raise Refused("This payment was reversed.")
        left = credit_left(payment)
        if parts is None:
            wanted = _within(wanted, left)
        if not wanted:
            raise Refused("Nothing was put on any invoice.", field="parts")
        books = books_of_entity(payment.entity_id)
        told = _allocate(payment, invoices, wanted, left=left, by=by, books=books, on=clock.today())
        record(
            "billing.payment.allocate",
            payment,
            by=by,
            amount=sum((part for _, part in wanted), ZERO),
            currency=payment.currency,
            invoices=told,
            topics=("invoices", "payments"),
            covers=[("payment", payment.id)],
        )


def _within(parts: Parts, left: Decimal) -> Parts:
    kept = []
    for invoice_id, part in parts:
        part = min(part, left)
        if part > 0:
            kept.append((invoice_id, part))
            left -= part
    return kept


def _allocate(
    payment: Payment,
    invoices: Sequence[Invoice],
    parts: Parts,
    *,
    left: Decimal,
    by: Actor,
    books: Books,
    on: dt.date,
) -> list[str]:
    """Post each part on its locked invoice, not before that was issued. Answers the numbers of the invoices."""
    assert payment.transaction_id is not None
    locked = {invoice.id: invoice for invoice in invoices}
    rounded = [(invoice_id, round_amount(part, payment.currency)) for invoice_id, part in parts]
    if any(part <= 0 for _, part in rounded):
        raise Refused("What is put on an invoice must be more than zero.", field="parts")
    if sum((part for _, part in rounded), ZERO) > left:
        raise Refused("More is allocated than was received.", field="parts")
    for invoice_id, part in sorted(rounded):
        invoice = locked.get(invoice_id)
        if invoice is None:
            raise NotFound()
        if (invoice.payer_id, invoice.currency, invoice.entity_id) != (
            payment.client_id,
            payment.currency,
            payment.entity_id,
        ):
            raise Refused(
                f"{invoice.number} is not this client's, in another currency or of another entity.", field="parts"
            )
        if part > invoice.open_amount or invoice.state is InvoiceState.VOID:
            raise Refused(
                f"{invoice.number} has only {said(invoice.open_amount, invoice.currency)} {invoice.currency} open.",
                field="parts",
            )
        day = max(on, invoice.issued_on or on)
        made = post(
            TransactionKind.ALLOCATED,
            allocation_legs(payment, invoice, part, books.currency),
            by=by,
            currency=payment.currency,
            books=books,
            source=payment,
            happened_on=day,
            rate=rate_of(payment.transaction_id),
        )
        db.session.add(
            Allocation(
                id=new_id(), payment_id=payment.id, invoice_id=invoice.id, amount=part, allocated_on=day,
                transaction_id=made,
            )
        )  # fmt: skip
        settle_invoice(invoice.id)
    return [str(locked[invoice_id].number) for invoice_id, _ in rounded]
