"""What every change of a draft shares: the lock, the lines, the totals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.billing.amounts import Spread, TaxedLine, share_of, spread_total, tax_lines
from app.billing.commands.fees import engagements_on, lock_arrangements, take_turns
from app.billing.commands.items import items_by_id, lock_items
from app.billing.commands.taxes import settle_taxes
from app.billing.hours import once
from app.billing.models import Invoice, InvoiceItem, InvoiceKind, InvoiceLine, InvoiceState, LineKind, Treatment
from app.billing.taxing import Taxing
from app.clients.models import Arrangement
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import check_version, db
from app.core.errors import NotFound, Refused
from app.core.locking import to_lock
from app.firm.models import Entity
from app.firm.taxes import tax_table

ZERO = Decimal(0)


def lock_invoice(invoice: Invoice) -> None:
    """Lock a bill and read it anew, whatever was loaded with it. Raises NotFound when it is gone."""
    if db.session.scalar(to_lock(sa.select(Invoice).where(Invoice.id == invoice.id))) is None:
        raise NotFound()


Agreed = Mapping[UUID, Sequence[Arrangement]]


def hold_bill(invoice: Invoice, entries: Iterable[UUID] | None = (), payer_id: UUID | None = None) -> Agreed:
    """Lock what a bill touches in the order of the house, and read it anew; of its `entries` these, or (None) all.
    `payer_id` is one that is to pay it from now on.

    Answers what is agreed for its engagements. Raises NotFound when it is gone.
    """
    take_turns(invoice.client_id, invoice.payer_id, payer_id or invoice.payer_id)
    arrangements = lock_arrangements(engagements_on(invoice))
    lock_items(_entries_on(invoice) if entries is None else entries)
    lock_invoice(invoice)
    return arrangements


def _entries_on(invoice: Invoice) -> Sequence[UUID]:
    return db.session.scalars(
        sa.select(InvoiceItem.item_id).where(
            InvoiceItem.invoice_id == invoice.id, InvoiceItem.treatment != Treatment.LATER
        )
    ).all()


def open_draft(
    invoice: Invoice, version: int | None = None, *, entries: Iterable[UUID] | None = (), payer_id: UUID | None = None
) -> Agreed:
    """Lock a draft for a change; one that was submitted is a draft again. Answers what is agreed for its engagements.

    Raises Refused, Stale, NotFound.
    """
    arrangements = hold_bill(invoice, entries, payer_id)
    if invoice.number is not None or invoice.kind is InvoiceKind.CREDIT_NOTE:
        raise Refused(f"{invoice.number} is issued and never changes; credit it instead.")
    check_version(invoice, version)
    invoice.state = InvoiceState.DRAFT
    return arrangements


def lines_of(invoice: Invoice) -> list[InvoiceLine]:
    return list(
        db.session.scalars(
            sa.select(InvoiceLine)
            .where(InvoiceLine.invoice_id == invoice.id)
            .order_by(InvoiceLine.position, InvoiceLine.id)
            .execution_options(populate_existing=True)
        )
    )


def line_of(invoice: Invoice, line_id: UUID) -> InvoiceLine:
    line = db.session.get(InvoiceLine, line_id, populate_existing=True)
    if line is None or line.invoice_id != invoice.id:
        raise NotFound()
    return line


def billed_items(invoice: Invoice, line_id: UUID | None = None) -> list[InvoiceItem]:
    """The items that a draft bills, of one line or of all."""
    statement = sa.select(InvoiceItem).where(
        InvoiceItem.invoice_id == invoice.id, InvoiceItem.treatment == Treatment.BILL
    )
    if line_id:
        statement = statement.where(InvoiceItem.line_id == line_id)
    return list(db.session.scalars(statement.order_by(InvoiceItem.item_id).execution_options(populate_existing=True)))


def items_on(invoice: Invoice) -> list[InvoiceItem]:
    """All that lies on a bill, whatever it does with it, read anew."""
    statement = sa.select(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id)
    return list(db.session.scalars(statement.execution_options(populate_existing=True)))


def spread_over(invoice: Invoice, line: InvoiceLine, spread: Spread) -> None:
    """Give the entries of a line their part of its amount; what is left of them goes by the line's `rest`."""
    rows = billed_items(invoice, line.id)
    if not rows:
        return
    items = items_by_id([row.item_id for row in rows], seen_by=SYSTEM)
    worth = [(items[row.item_id].worked_on, row.value) for row in rows]
    for row, part in zip(rows, spread_total(line.net, worth, spread, invoice.currency), strict=True):
        share_of(row.value, part, line.rest).give(row)


def charges_entries(line: InvoiceLine) -> bool:
    """Whether a line is by its nature what is billed of its entries, and without one nothing."""
    return line.kind in (LineKind.FEE, LineKind.EXPENSE)


def charge_entries(invoice: Invoice, line: InvoiceLine) -> None:
    """Let a line of time or of an expense charge what is billed of its entries by now."""
    db.session.flush()
    charge_once(line, sum((row.billed for row in billed_items(invoice, line.id)), ZERO))


def charge_once(line: InvoiceLine, net: Decimal) -> None:
    """Let a line charge one of something at this net; recompute says it as hours × rate where that is the same."""
    line.net, line.allowance, line.charge = net, ZERO, ZERO
    for name, value in once(net).items():
        setattr(line, name, value)


def recompute(invoice: Invoice, day: dt.date | None = None) -> None:
    """Tax and totals of a draft from its lines, as if it were issued on a day (today)."""
    db.session.flush()
    entity = db.session.get_one(Entity, invoice.entity_id)
    lines = settle_taxes(invoice, lines_of(invoice), Taxing(tax_table(), entity, day or clock.today()))
    taxed = [TaxedLine(line.net, line.tax_treatment, line.tax_percent) for line in lines]
    for line, tax in zip(lines, tax_lines(taxed, invoice.tax_mode, invoice.currency), strict=True):
        line.tax = tax
    invoice.net = sum((line.net for line in lines), ZERO)
    invoice.tax = sum((line.tax for line in lines), ZERO)
    invoice.gross = invoice.net + invoice.tax
    db.session.flush()
