"""Payments, where they went, and what clients owe by age."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager, joinedload

from app.billing.models import Allocation, Invoice, Payment
from app.billing.open import owed
from app.billing.policy import can_see_invoices
from app.billing.queries.aged import AgedPage, AgedRow, WipFilter, aged_clients, every_aged
from app.billing.sight import bills_seen_by, payments_seen_by
from app.clients.models import Client
from app.clients.policy import can_see
from app.clients.queries import client_named
from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.core.errors import NotFound
from app.core.finding import Typed, has_words
from app.ledger.models import Account, LedgerTransaction, Posting

PER_PAGE = 50


@dataclass(frozen=True, kw_only=True)
class PaymentFilter:
    text: str = ""
    client_id: UUID | None = None
    with_credit: bool = False
    currency: str = ""


@dataclass(frozen=True)
class PaymentPage:
    """Payments with what is left of each as credit; `credit` is what is left over all pages by currency, where those
    with credit are asked for."""

    rows: Sequence[sa.Row[Payment, Decimal]]
    total: int
    page: int
    credit: Mapping[str, Decimal]

    @property
    def has_next(self) -> bool:
        return self.page * PER_PAGE < self.total


def _credit() -> sa.ScalarSelect[Decimal]:
    return (
        sa.select(-sa.func.coalesce(sa.func.sum(Posting.amount), 0))
        .where(Posting.payment_id == Payment.id, Posting.account == Account.CREDIT)
        .correlate(Payment)
        .scalar_subquery()
    )


def list_payments(found: PaymentFilter = PaymentFilter(), *, seen_by: Actor, page: int = 1) -> PaymentPage:
    """One page of payments, the latest first: two queries whatever it holds."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    conditions = payments_seen_by(seen_by)
    if found.client_id:
        conditions.append(Payment.client_id == found.client_id)
    if found.currency:
        conditions.append(Payment.currency == found.currency)
    if found.with_credit:
        conditions += [Payment.reversed_at.is_(None), _credit() > 0]
    if found.text:
        reference = has_words(sa.func.search_words(Payment.reference), Typed.of(found.text))
        conditions.append(sa.or_(client_named(found.text), reference))
    joined = sa.select(Payment, _credit()).join(Client, Client.id == Payment.client_id).where(*conditions)
    left = sa.func.sum(_credit()) if found.with_credit else sa.null()
    counted = db.session.execute(
        sa.select(Payment.currency, sa.func.count(), left).join(Client, Client.id == Payment.client_id)
        .where(*conditions).group_by(Payment.currency)
    ).all()
    rows = db.session.execute(
        joined.options(contains_eager(Payment.client))
        .order_by(Payment.received_on.desc(), Payment.id.desc())
        .limit(PER_PAGE)
        .offset((page - 1) * PER_PAGE)
    ).all()
    credit = {row[0]: row[2] for row in counted if row[2] is not None}
    return PaymentPage(rows, sum(row[1] for row in counted), page, credit)


def get_payment(payment_id: UUID, *, seen_by: Actor) -> Payment:
    if not can_see_invoices(seen_by):
        raise NotFound()
    return get_or_404(
        sa.select(Payment)
        .where(Payment.id == payment_id, *payments_seen_by(seen_by))
        .options(joinedload(Payment.client))
    )


def get_allocation(allocation_id: UUID, *, seen_by: Actor) -> sa.Row[Allocation, Invoice, Payment]:
    """What was put on a bill, with the bill and its payment; one that was taken back too."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    found = db.session.execute(
        sa.select(Allocation, Invoice, Payment)
        .join(Invoice, Invoice.id == Allocation.invoice_id)
        .join(Payment, Payment.id == Allocation.payment_id)
        .where(Allocation.id == allocation_id, *bills_seen_by(seen_by), *payments_seen_by(seen_by))
    ).one_or_none()
    if found is None:
        raise NotFound()
    return found


def allocations_of(
    *, seen_by: Actor, payment_id: UUID | None = None, invoice_id: UUID | None = None
) -> Sequence[sa.Row[Allocation, Invoice, Payment, str | None]]:
    """What went where: of a payment, or onto an invoice; taken back ones too, with why."""
    statement = (
        sa.select(Allocation, Invoice, Payment, LedgerTransaction.reason)
        .join(Invoice, Invoice.id == Allocation.invoice_id)
        .join(Payment, Payment.id == Allocation.payment_id)
        .outerjoin(LedgerTransaction, LedgerTransaction.reverses_id == Allocation.transaction_id)
        .where(*bills_seen_by(seen_by))
        .order_by(Allocation.allocated_on, Allocation.id)
    )
    if payment_id:
        statement = statement.where(Allocation.payment_id == payment_id)
    if invoice_id:
        statement = statement.where(Allocation.invoice_id == invoice_id)
    return db.session.execute(statement).all()


def open_invoices(client_id: UUID, currency: str, *, seen_by: Actor) -> Sequence[Invoice]:
    """What a client owes in a currency, oldest due first."""
    if not can_see_invoices(seen_by) or not can_see(seen_by, client_id):
        raise NotFound()
    return db.session.scalars(
        sa.select(Invoice)
        .where(*owed(client_id, currency), *bills_seen_by(seen_by))
        .order_by(Invoice.due_on, Invoice.number)
    ).all()


def open_currencies(client_id: UUID, *, seen_by: Actor) -> list[str]:
    """The currencies in which a client owes something."""
    return list(
        db.session.scalars(
            sa.select(Invoice.currency)
            .where(Invoice.payer_id == client_id, Invoice.open_amount > 0, *bills_seen_by(seen_by))
            .distinct()
            .order_by(Invoice.currency)
        )
    )


def receivables_by_client(found: WipFilter, *, seen_by: Actor, page: int = 1) -> AgedPage:
    """What clients owe by the day it fell due, largest first; what is not yet due is a column of its own."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    return aged_clients(Account.RECEIVABLE, found, seen_by=seen_by, page=page)


def every_receivable(found: WipFilter, *, seen_by: Actor) -> Iterator[AgedRow]:
    """All rows of the list, for an export."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    return every_aged(Account.RECEIVABLE, found, seen_by=seen_by)
