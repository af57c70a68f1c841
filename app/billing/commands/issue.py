"""Issuing a bill, sending it, and voiding it by credit note. What is numbered never changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.amounts import TaxedLine, tax_summary
from app.billing.commands.drafts import lines_of, needs_tax_number
from app.billing.commands.items import items_by_id
from app.billing.commands.payments import release_allocations, settle_invoice
from app.billing.models import Invoice, InvoiceItem, InvoiceKind, InvoiceLine, InvoiceState, LineKind, Treatment
from app.billing.policy import can_approve
from app.clients.models import Client
from app.core import clock
from app.core.actors import SYSTEM, Actor
from app.core.clock import now
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.core.queue import enqueue
from app.firm.commands import next_number
from app.firm.models import Entity, SeriesKind
from app.ledger.commands import Leg, post, reverse
from app.ledger.models import Account, LedgerTransaction, TransactionKind
from app.timekeeping.commands.wip import Item, Place, wip_legs
from app.timekeeping.models import Expense, ItemState, TimeEntry

ZERO = Decimal(0)


def approve_invoice(
    invoice: Invoice, *, by: Actor, issued_on: dt.date | None = None, version: int | None = None, send: bool = False
) -> Invoice:
    """Approve = issue = give the number, in one transaction; the WIP, the receivable, revenue and tax are posted.

    Pressing twice issues once. Raises Refused with what is missing.
    """
    authorize(by, can_approve, invoice)
    day = issued_on or clock.today()
    with transaction() as session:
        session.refresh(invoice, with_for_update=True)
        if invoice.number is not None:
            return invoice
        check_version(invoice, version)
        lines = lines_of(invoice)
        client, entity = session.get_one(Client, invoice.payer_id), session.get_one(Entity, invoice.entity_id)
        rows = list(session.scalars(sa.select(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id)))
        _check(invoice, lines, rows, client, day)
        items = items_by_id(
            [row.item_id for row in rows if row.treatment is not Treatment.LATER], seen_by=SYSTEM, lock=True
        )
        invoice.issued_on, invoice.due_on = day, day + dt.timedelta(days=invoice.terms_days)
        invoice.approved_by, invoice.approved_at = by.person_id, now()
        for row in rows:
            if row.treatment is Treatment.LATER:
                session.delete(row)
        _post_wip(invoice, rows, items, entity.currency, by=by)
        _post_receivable(invoice, lines, entity.currency, by=by)
        _settle_items(rows)
        # Last, so that the series is locked for as short a time as can be.
        invoice.number = _number(invoice, day)
        invoice.state = InvoiceState.APPROVED
        invoice.facts = facts_of(invoice, lines, client, entity)
        session.flush()
        settle_invoice(invoice.id)
        record(
            "billing.invoice.approve",
            invoice,
            by=by,
            number=invoice.number,
            gross=invoice.gross,
            currency=invoice.currency,
            topics=("wip", "invoices"),
        )
        enqueue("billing.keep_pdf", invoice_id=str(invoice.id), send_by=str(by.id) if send else "")
        return invoice


def _check(
    invoice: Invoice, lines: Sequence[InvoiceLine], rows: Sequence[InvoiceItem], client: Client, day: dt.date
) -> None:
    if not lines:
        raise Refused("A bill needs at least one line.")
    if invoice.gross <= 0:
        raise Refused("A bill over nothing is not issued; write the time off instead.")
    if day > clock.today():
        raise Refused("A bill is not dated in the future.", field="issued_on")
    worth = sum((row.value for row in rows if row.treatment is not Treatment.LATER), ZERO)
    billed = sum((row.billed for row in rows if row.treatment is Treatment.BILL), ZERO)
    if billed != worth and not invoice.reason:
        raise Refused(
            "This bill is not what the time is worth. Say why the difference is written off or on.", field="reason"
        )
    if any(needs_tax_number(line.tax_treatment) for line in lines) and not client.tax_number:
        raise Refused(
            "Reverse charge names the customer's own VAT number (Directive 2006/112/EC, art. 226). "
            f"{client.name} has none."
        )


def _number(invoice: Invoice, day: dt.date) -> str:
    kind = SeriesKind.CREDIT_NOTE if invoice.kind is InvoiceKind.CREDIT_NOTE else SeriesKind.INVOICE
    number = next_number(kind, invoice.entity_id)[0]
    latest = db.session.scalar(
        sa.select(sa.func.max(Invoice.issued_on)).where(
            Invoice.entity_id == invoice.entity_id, Invoice.kind == invoice.kind, Invoice.number.is_not(None)
        )
    )
    if latest is not None and day < latest:
        raise Refused(
            f"The last bill is dated {latest:%-d %B %Y}; numbers follow dates, so this one cannot be earlier.",
            field="issued_on",
        )
    return number


def _post_wip(invoice: Invoice, rows: Sequence[InvoiceItem], items: dict[UUID, Item], base: str, *, by: Actor) -> None:
    """Write the difference off or on, then take what is billed out of WIP: three transactions for the whole bill."""
    moves: dict[TransactionKind, list[Leg]] = {
        kind: [] for kind in (TransactionKind.WRITTEN_OFF, TransactionKind.WRITTEN_ON, TransactionKind.BILLED)
    }
    for row in rows:
        if row.treatment is Treatment.LATER:
            continue
        item = items[row.item_id]
        change = row.billed - item.open_value
        if change:
            kind = TransactionKind.WRITTEN_OFF if change < 0 else TransactionKind.WRITTEN_ON
            moves[kind] += wip_legs(_place(item, change))
        moves[TransactionKind.BILLED] += wip_legs(_place(item, -row.billed))
    assert invoice.issued_on is not None
    for kind, legs in moves.items():
        post(
            kind,
            legs,
            by=by,
            currency=invoice.currency,
            base=base,
            source=invoice,
            happened_on=invoice.issued_on,
            reason=invoice.reason,
        )


def _place(item: Item, amount: Decimal) -> Place:
    return Place(item.client_id, item.engagement_id, item.id, item.worked_on, amount, item.currency)


def _post_receivable(invoice: Invoice, lines: Sequence[InvoiceLine], base: str, *, by: Actor) -> None:
    legs = [
        Leg(
            account=Account.RECEIVABLE,
            amount=invoice.gross,
            client_id=invoice.client_id,
            invoice_id=invoice.id,
            age_on=invoice.due_on,
        )
    ]
    for line in lines:
        account = Account.RECOVERED if line.kind is LineKind.EXPENSE else Account.REVENUE
        key: dict[str, Any] = {
            "client_id": line.client_id,
            "engagement_id": line.engagement_id,
            "invoice_id": invoice.id,
        }
        legs.append(Leg(account=account, amount=-line.net, **key))
        legs.append(Leg(account=Account.TAX, amount=-line.tax, **key))
    assert invoice.issued_on is not None
    post(
        TransactionKind.ISSUED,
        legs,
        by=by,
        currency=invoice.currency,
        base=base,
        source=invoice,
        happened_on=invoice.issued_on,
    )


def _settle_items(rows: Sequence[InvoiceItem]) -> None:
    billed = [row.item_id for row in rows if row.treatment is Treatment.BILL]
    off = [row.item_id for row in rows if row.treatment is Treatment.WRITE_OFF]
    for ids, state in ((billed, ItemState.BILLED), (off, ItemState.WRITTEN_OFF)):
        for table in (TimeEntry, Expense):
            if ids:
                db.session.execute(
                    sa.update(table)
                    .where(table.id.in_(ids))
                    .values(state=state, open_value=0, version=table.version + 1)
                    .execution_options(synchronize_session=False)
                )


def facts_of(invoice: Invoice, lines: Sequence[InvoiceLine], payer: Client, entity: Entity) -> dict[str, Any]:
    """Everything that the invoice says, kept as it was on the day: the PDF is made from this alone."""
    taxed = [TaxedLine(line.net, line.tax_treatment, line.tax_percent) for line in lines]
    sums = tax_summary(taxed, [line.tax for line in lines])
    return {
        "kind": invoice.kind.value,
        "number": invoice.number,
        "currency": invoice.currency,
        "issued_on": str(invoice.issued_on),
        "due_on": str(invoice.due_on),
        "note": invoice.note,
        "seller": {
            "name": entity.name,
            "address": entity.address,
            "country": entity.country,
            "tax_number": entity.tax_number,
            "registration_number": entity.registration_number,
            "bank": {
                "name": entity.bank_name,
                "iban": entity.iban,
                "bic": entity.bic,
                "account_number": entity.account_number,
                "sort_code": entity.sort_code,
            },
        },
        "buyer": {
            "name": payer.legal_name or payer.name,
            "code": payer.code,
            "address": payer.address,
            "country": payer.country or "",
            "tax_number": payer.tax_number,
            "language": payer.language,
        },
        "lines": [
            {
                "description": line.description,
                "quantity": format(line.quantity.normalize(), "f"),
                "unit_price": str(line.unit_price),
                "net": str(line.net),
                "tax_percent": format(line.tax_percent.normalize(), "f"),
                "tax_treatment": line.tax_treatment.value,
                "tax_legend": line.tax_legend,
                "tax": str(line.tax),
            }
            for line in lines
        ],
        "taxes": [
            {
                "treatment": s.treatment.value,
                "percent": format(s.percent.normalize(), "f"),
                "net": str(s.net),
                "tax": str(s.tax),
            }
            for s in sums
        ],
        "legends": sorted({line.tax_legend for line in lines if line.tax_legend}),
        "net": str(invoice.net),
        "tax": str(invoice.tax),
        "gross": str(invoice.gross),
    }


def mark_sent(invoice: Invoice, *, by: Actor, to: Sequence[str] = ()) -> None:
    """The bill has left the house: from now on the portal shows it."""
    authorize(by, can_approve, invoice)
    with transaction() as session:
        session.refresh(invoice, with_for_update=True)
        if invoice.number is None:
            raise Refused("Approve the bill first.")
        if invoice.state is InvoiceState.VOID:
            raise Refused("This bill is void.")
        invoice.state = InvoiceState.SENT
        invoice.sent_at = invoice.sent_at or now()
        record("billing.invoice.send", invoice, by=by, number=invoice.number, to=list(to), topics=("invoices",))


def credit_invoice(invoice: Invoice, credit_id: UUID, reason: str, *, by: Actor) -> Invoice:
    """Void an issued bill by a credit note over all of it: the WIP stands again, payments become credit.

    Returns the credit note. The same id again gives the note that is there.
    """
    authorize(by, can_approve, invoice)
    if not reason.strip():
        raise Refused("Say why the bill is credited; the credit note prints it.", field="reason")
    with transaction() as session:
        existing = session.get(Invoice, credit_id)
        if existing is not None:
            return existing
        session.refresh(invoice, with_for_update=True)
        if invoice.state not in (InvoiceState.APPROVED, InvoiceState.SENT) or invoice.kind is InvoiceKind.CREDIT_NOTE:
            raise Refused("Only an issued bill can be credited, and only once.")
        entity, payer = session.get_one(Entity, invoice.entity_id), session.get_one(Client, invoice.payer_id)
        release_allocations(invoice, by=by, base=entity.currency, reason=reason)
        note = _note_for(invoice, credit_id, reason, by=by)
        session.add(note)
        session.flush()
        lines = _copy_lines(invoice, note)
        note.number = next_number(SeriesKind.CREDIT_NOTE, note.entity_id)[0]
        note.state = InvoiceState.SENT if invoice.sent_at else InvoiceState.APPROVED
        note.facts = facts_of(note, lines, payer, entity) | {"credits": invoice.number, "reason": reason}
        for transaction_id in session.scalars(
            sa.select(LedgerTransaction.id)
            .where(
                LedgerTransaction.source_kind == "invoice",
                LedgerTransaction.source_id == invoice.id,
                LedgerTransaction.reverses_id.is_(None),
            )
            .order_by(LedgerTransaction.id.desc())
        ).all():
            reverse(transaction_id, by=by, base=entity.currency, source=note, reason=reason)
        _reopen_items(invoice)
        invoice.state = InvoiceState.VOID
        session.flush()
        settle_invoice(invoice.id)
        record(
            "billing.invoice.credit",
            invoice,
            by=by,
            number=invoice.number,
            note=note.number,
            reason=reason,
            gross=invoice.gross,
            currency=invoice.currency,
            topics=("wip", "invoices"),
        )
        enqueue("billing.keep_pdf", invoice_id=str(note.id), send_by="")
        return note


def _note_for(invoice: Invoice, credit_id: UUID, reason: str, *, by: Actor) -> Invoice:
    moment = now()
    return Invoice(
        id=credit_id,
        kind=InvoiceKind.CREDIT_NOTE,
        state=InvoiceState.DRAFT,
        entity_id=invoice.entity_id,
        client_id=invoice.client_id,
        payer_id=invoice.payer_id,
        credits_id=invoice.id,
        currency=invoice.currency,
        tax_mode=invoice.tax_mode,
        issued_on=clock.today(),
        due_on=clock.today(),
        terms_days=0,
        net=invoice.net,
        tax=invoice.tax,
        gross=invoice.gross,
        note=invoice.note,
        reason=reason,
        drafted_by=by.person_id,
        approved_by=by.person_id,
        approved_at=moment,
        sent_at=moment if invoice.sent_at else None,
    )


def _copy_lines(invoice: Invoice, note: Invoice) -> list[InvoiceLine]:
    copies = [
        InvoiceLine(
            invoice_id=note.id,
            client_id=line.client_id,
            engagement_id=line.engagement_id,
            position=line.position,
            kind=line.kind,
            description=line.description,
            quantity=line.quantity,
            unit_price=line.unit_price,
            net=line.net,
            tax_rate_id=line.tax_rate_id,
            tax_treatment=line.tax_treatment,
            tax_percent=line.tax_percent,
            tax_legend=line.tax_legend,
            tax=line.tax,
        )
        for line in lines_of(invoice)
    ]
    db.session.add_all(copies)
    db.session.flush()
    return copies


def _reopen_items(invoice: Invoice) -> None:
    """Entries of a credited bill are WIP again, worth what they were worth before it."""
    rows = list(
        db.session.scalars(sa.select(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id, InvoiceItem.live))
    )
    items = items_by_id([row.item_id for row in rows], seen_by=SYSTEM, lock=True)
    for row in rows:
        row.live = False
        item = items[row.item_id]
        item.state, item.open_value = ItemState.OPEN, row.value
        item.version += 1
    db.session.flush()
