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
from app.billing.sight import bills_seen_by
from app.core import clock
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.locking import takes, to_lock
from app.core.permissions import authorize
from app.ledger.books import books_of_entity, share_in_base
from app.ledger.commands import Leg, hold_open, post, reverse
from app.ledger.models import Account, LedgerTransaction, Posting, TransactionKind
from app.ledger.policy import can_post
from app.ledger.queries import Exchange

ZERO = Decimal(0)


def settle_invoice(invoice_id: UUID) -> None:
    """Set the kept open amount to the sum of the invoice's receivable postings: the only writer of it."""
    db.session.flush()
    takes("invoice", [invoice_id])
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


def allocation_legs(payment: Payment, invoice: Invoice, part: Decimal, base: str) -> list[Leg]:
    """Credit of the payer becomes payment of an invoice, of each engagement on it by what it has open.

    Each side leaves at what it stands at in base, so that what is closed in its currency is closed in base; what the
    two rates make of it is the firm's gain or loss, in base alone.
    """
    key: dict[str, Any] = {"client_id": invoice.payer_id, "invoice_id": invoice.id, "payment_id": payment.id}
    [(_, credit, credit_base)] = _standing(Account.CREDIT, Posting.payment_id == payment.id, apart=False)
    legs = [
        Leg(
            account=Account.CREDIT,
            amount=part,
            aged_on=payment.received_on,
            base_amount=-share_in_base(-part, credit, credit_base, base),
            **key,
        )
    ]
    owed = _standing(Account.RECEIVABLE, Posting.invoice_id == invoice.id)
    parts = spread_signed(part, [amount for _, amount, _ in owed], invoice.currency)
    for (engagement_id, amount, amount_base), each in zip(owed, parts, strict=True):
        legs.append(
            Leg(
                account=Account.RECEIVABLE,
                amount=-each,
                aged_on=invoice.due_on,
                engagement_id=engagement_id,
                base_amount=-share_in_base(each, amount, amount_base, base),
                **key,
            )
        )
    off = sum((leg.base_amount or ZERO for leg in legs), ZERO)
    return [*legs, Leg(account=Account.GAIN_LOSS, amount=ZERO, base_amount=-off, **key)]


def _standing(
    account: Account, *posted: sa.ColumnElement[bool], apart: bool = True
) -> list[tuple[UUID | None, Decimal, Decimal]]:
    """What stands on an account, by engagement or together: in its currency and in base."""
    amount, group = sa.func.sum(Posting.amount), Posting.engagement_id if apart else sa.null()
    rows = db.session.execute(
        sa.select(group, amount, sa.func.sum(Posting.base_amount))
        .where(Posting.account == account, *posted)
        .group_by(*([group] if apart else []))
        .having(amount != 0)
        .order_by(sa.func.min(Posting.transaction_id), sa.func.min(Posting.line))
    ).all()
    return [(row[0], row[1], row[2]) for row in rows]


def close_in_base(source: Payment | Invoice, account: Account, *, by: Actor, reason: str = "") -> bool:
    """Where an account has come to nothing in its currency but not in base, the rest is gain or loss.

    Acts of old may have left it so: they were taken back at another rate than they were made with. Answers whether
    there was one.
    """
    authorize(by, can_post)
    column = Posting.payment_id if isinstance(source, Payment) else Posting.invoice_id
    amount, off, first = db.session.execute(
        sa.select(sa.func.sum(Posting.amount), sa.func.sum(Posting.base_amount), sa.func.min(Posting.transaction_id))
        .where(Posting.account == account, column == source.id)
    ).one()
    if amount != 0 or not off:
        return False
    key: dict[str, Any] = {
        "client_id": source.client_id if isinstance(source, Payment) else source.payer_id, column.key: source.id,
    }  # fmt: skip
    post(
        TransactionKind.ALLOCATED,
        [
            Leg(account=account, amount=ZERO, base_amount=-off, **key),
            Leg(account=Account.GAIN_LOSS, amount=ZERO, base_amount=off, **key),
        ],
        by=by,
        currency=source.currency,
        books=books_of_entity(source.entity_id),
        source=source,
        happened_on=clock.today(),
        reason=reason,
        rate=rate_of(first),
    )
    return True


def rate_of(transaction_id: int) -> Exchange:
    """The exchange rate that a transaction was posted with."""
    rate, rate_id = db.session.execute(
        sa.select(Posting.base_rate, LedgerTransaction.exchange_rate_id)
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(Posting.transaction_id == transaction_id)
        .limit(1)
    ).one()
    return Exchange(rate, rate_id)


def release_allocations(invoice: Invoice, *only: sa.ColumnElement[bool], by: Actor, reason: str) -> Decimal:
    """Reverse the allocations to an invoice, all or those that meet a condition; the money is credit again, at the
    rate it had. Returns the amount."""
    statement = (
        sa.select(Allocation, Payment)
        .join(Payment, Payment.id == Allocation.payment_id)
        .where(Allocation.invoice_id == invoice.id, Allocation.reversed_at.is_(None), *only)
        .order_by(Allocation.id)
    )
    released = ZERO
    # Whoever puts money on a bill, or takes it off, holds the bill: its allocations need no lock of their own.
    for allocation, paid in db.session.execute(statement.execution_options(populate_existing=True)).all():
        reverse(_made(allocation), by=by, source=paid, reason=reason)
        allocation.reversed_at = now()
        released += allocation.amount
    if released:
        settle_invoice(invoice.id)
        follow_due_date(invoice, by=by, reason=reason)
    return released


def follow_due_date(invoice: Invoice, *, by: Actor, reason: str) -> None:
    """Let what a bill has open age from the day that it is due: what stands on another day is taken from there, and
    put on that one, at what it stands at in base. Nothing else of it moves."""
    authorize(by, can_post)
    db.session.flush()
    stands = db.session.execute(
        sa.select(
            Posting.engagement_id, Posting.aged_on, sa.func.sum(Posting.amount), sa.func.sum(Posting.base_amount),
            sa.func.min(Posting.transaction_id),
        )
        .where(
            Posting.invoice_id == invoice.id, Posting.account == Account.RECEIVABLE, Posting.aged_on != invoice.due_on
        )
        .group_by(Posting.engagement_id, Posting.aged_on)
        .having(sa.func.sum(Posting.amount) != 0)
        .order_by(Posting.aged_on, sa.func.min(Posting.line))
    ).all()
    legs = []
    for engagement_id, aged_on, amount, amount_base, _ in stands:
        key: dict[str, Any] = {
            "account": Account.RECEIVABLE, "client_id": invoice.payer_id, "engagement_id": engagement_id,
            "invoice_id": invoice.id,
        }  # fmt: skip
        legs.append(Leg(amount=-amount, base_amount=-amount_base, aged_on=aged_on, **key))
        legs.append(Leg(amount=amount, base_amount=amount_base, aged_on=invoice.due_on, **key))
    if legs:
        post(
            TransactionKind.REDATED, legs, by=by, currency=invoice.currency, books=books_of_entity(invoice.entity_id),
            source=invoice, happened_on=clock.today(), reason=reason, rate=rate_of(min(row[4] for row in stands)),
        )


def _made(row: Payment | Allocation) -> int:
    """The transaction that a payment or an allocation made."""
    if row.transaction_id is None:
        raise LookupError(f"{row.__tablename__} {row.id} has no transaction of its own to reverse.")
    return row.transaction_id


def payment_legs(payment: Payment) -> list[Leg]:
    """Money in the bank that is the payer's credit until it is allocated."""
    key: dict[str, Any] = {"client_id": payment.client_id, "payment_id": payment.id, "aged_on": payment.received_on}
    return [
        Leg(account=Account.BANK, amount=payment.amount, **key),
        Leg(account=Account.CREDIT, amount=-payment.amount, **key),
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
        hold_open(payment.entity_id)
        for invoice in invoices:
            release_allocations(invoice, Allocation.payment_id == payment.id, by=by, reason=reason)
        reverse(_made(payment), by=by, source=payment, reason=reason)
        for account in (Account.BANK, Account.CREDIT):
            close_in_base(payment, account, by=by)
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


def unallocate(allocation: Allocation, reason: str, *, by: Actor) -> None:
    """Take money off a bill that it was put on by mistake: it is credit of its payer again, the bill is open again.

    The books say so today, or on the first open day. Raises Refused the second time.
    """
    authorize(by, can_record_payment)
    if not reason.strip():
        raise Refused("Say why the money is taken off the bill.", field="reason")
    with transaction() as session:
        payment = session.get_one(Payment, allocation.payment_id)
        authorize(by, can_record_payment, payment)
        take_turns(payment.client_id)
        invoices = lock_invoices(
            sa.select(Invoice.id).where(Invoice.id == allocation.invoice_id, *bills_seen_by(by))
        )
        if not invoices:
            raise NotFound()
        [invoice] = invoices
        lock_payment(payment)
        if not release_allocations(invoice, Allocation.id == allocation.id, by=by, reason=reason.strip()):
            raise Refused(f"This money was taken off {invoice.number} already.")
        record(
            "billing.payment.unallocate",
            payment,
            by=by,
            amount=allocation.amount,
            currency=payment.currency,
            reason=reason.strip(),
            invoices=[invoice.number],
            topics=("invoices", "payments"),
            covers=[("payment", payment.id)],
        )


def lock_invoices(ids: sa.Select[UUID]) -> list[Invoice]:
    """Lock invoices in the order of their ids: whoever settles several takes them in the same order."""
    return list(
        db.session.scalars(
            to_lock(sa.select(Invoice).where(Invoice.id.in_(ids)))
        )
    )


def lock_payment(payment: Payment) -> None:
    """Lock a payment and read it anew; always after its invoices, as everybody does."""
    db.session.scalar(to_lock(sa.select(Payment).where(Payment.id == payment.id)))
