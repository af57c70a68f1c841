"""Voiding an issued bill by a credit note over all of it."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.amounts import treated
from app.billing.commands.fees import keep_drawn
from app.billing.commands.items import items_by_id, settle_days_of
from app.billing.commands.numbering import give_number
from app.billing.commands.settling import close_in_base, release_allocations, settle_invoice
from app.billing.commands.totals import hold_bill, lines_of
from app.billing.facts import facts_of
from app.billing.models import Allocation, Invoice, InvoiceItem, InvoiceKind, InvoiceLine, InvoiceState, Treatment
from app.billing.pdf import try_paper
from app.billing.policy import can_approve
from app.clients.models import Client
from app.core import clock
from app.core.actors import SYSTEM, Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.queue import enqueue
from app.firm.models import Entity
from app.firm.queries import the_firm
from app.ledger.commands import hold_open, reverse
from app.ledger.models import Account, LedgerTransaction
from app.timekeeping.commands.figures import settle
from app.timekeeping.commands.wip import Item, close_wip_in_base
from app.timekeeping.models import ItemState


def credit_invoice(invoice: Invoice, credit_id: UUID, reason: str, *, by: Actor) -> Invoice:
    """Void an issued bill by a credit note over all of it: the WIP stands again, payments become credit.

    Returns the credit note. The same id with the same facts gives the note that is there.
    """
    authorize(by, can_approve, invoice)
    if not reason.strip():
        raise Refused("Say why the bill is credited; the credit note prints it.", field="reason")
    with transaction() as session:
        said = digest_of(invoice.id, reason)
        existing = made_before(Invoice, credit_id, said, seen=lambda row: row.credits_id == invoice.id)
        if existing is not None:
            return existing
        hold_bill(invoice, entries=None)
        if invoice.state not in (InvoiceState.APPROVED, InvoiceState.SENT) or invoice.kind is InvoiceKind.CREDIT_NOTE:
            raise Refused("Only an issued bill can be credited, and only once.")
        entity, payer = session.get_one(Entity, invoice.entity_id), session.get_one(Client, invoice.payer_id)
        paid = session.scalars(sa.select(Allocation.payment_id).where(Allocation.invoice_id == invoice.id)).all()
        note = _note_for(invoice, credit_id, reason, by=by)
        note.made_from = said
        session.add(note)
        session.flush()
        lines = _copy_lines(invoice, note)
        facts = facts_of(note, lines, payer, entity) | {
            "credits": invoice.number, "reason": reason, "exchange": (invoice.facts or {}).get("exchange")
        }
        try_paper(facts, the_firm())
        number = give_number(note, clock.today())
        hold_open(invoice.entity_id)
        release_allocations(invoice, by=by, reason=reason)
        with session.no_autoflush:  # number, state and facts are written in one statement: after it, nothing changes
            note.number = number
            note.state = InvoiceState.SENT if invoice.sent_at else InvoiceState.APPROVED
            note.facts = facts | {"number": number}
        for transaction_id in session.scalars(
            sa.select(LedgerTransaction.id)
            .where(
                LedgerTransaction.source_kind == "invoice",
                LedgerTransaction.source_id == invoice.id,
                LedgerTransaction.reverses_id.is_(None),
            )
            .order_by(LedgerTransaction.id.desc())
        ).all():
            reverse(transaction_id, by=by, source=note, reason=reason)
        freed = _give_back(invoice)
        close_wip_in_base(freed.values(), by=by, reason=reason)
        invoice.state, invoice.send_wanted_by = InvoiceState.VOID, None
        session.flush()
        keep_drawn(line.arrangement_id for line in lines)
        close_in_base(invoice, Account.RECEIVABLE, by=by)
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
            covers=[
                ("bill", note.id), ("bill_life", note.id), ("bill_life", invoice.id), ("billed_work", invoice.id),
                *(("payment", payment_id) for payment_id in paid),
            ],
        )
        settle_days_of(list(freed), by=by)
        enqueue("billing.keep_pdf", invoice_id=str(note.id))
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
        until_on=invoice.until_on,
        grouping=invoice.grouping,
        allowance=invoice.allowance,
        allowance_reason=invoice.allowance_reason,
        charge=invoice.charge,
        charge_reason=invoice.charge_reason,
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


# What a credited line said, word for word and penny for penny.
SAID = (
    "supplied_on", "quantity", "unit", "unit_price", "decimals", "allowance", "allowance_reason", "charge",
    "charge_reason", "net", "tax_code", "tax_treatment", "tax_category", "tax_percent", "tax_legend", "tax",
)  # fmt: skip


def _copy_lines(invoice: Invoice, note: Invoice) -> list[InvoiceLine]:
    copies = [
        InvoiceLine(
            invoice_id=note.id,
            client_id=line.client_id,
            engagement_id=line.engagement_id,
            currency=line.currency,
            arrangement_id=line.arrangement_id,
            rest=line.rest,
            drawn=0,  # what the bill took is free again; its note takes nothing
            position=line.position,
            kind=line.kind,
            description=line.description,
            credited_line_id=line.id,
            **{name: getattr(line, name) for name in SAID},
        )
        for line in lines_of(invoice)
    ]
    db.session.add_all(copies)
    db.session.flush()
    return copies


def _give_back(invoice: Invoice) -> dict[UUID, Item]:
    """Entries get back just what the bill took and wrote; what other bills did with them since stands.

    An entry whose rest is on a draft meanwhile stays there; what comes back to it is left for later by that draft.
    Answers which they are.
    """
    rows = list(
        db.session.scalars(sa.select(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id, InvoiceItem.live))
    )
    items = items_by_id([row.item_id for row in rows], seen_by=SYSTEM)
    held = [item_id for item_id, item in items.items() if item.state is ItemState.DRAFTED]
    drafts = db.session.scalars(
        sa.select(InvoiceItem).where(
            InvoiceItem.item_id.in_(held), InvoiceItem.live, ~InvoiceItem.issued,
            InvoiceItem.treatment != Treatment.LATER,
        )
    )  # fmt: skip
    drafted = {row.item_id: row for row in drafts}
    for row in rows:
        row.live = False
        item, back = items[row.item_id], row.billed - row.written
        item.billed -= row.billed
        item.written -= row.written
        settle(item)
        if (draft := drafted.get(row.item_id)) is not None:
            _leave_with(draft, back)
            item.state = ItemState.OPEN if draft.treatment is Treatment.LATER else ItemState.DRAFTED
        item.version += 1
    db.session.flush()
    return items


def _leave_with(draft: InvoiceItem, back: Decimal) -> None:
    """What comes back stays open with a draft that bills the rest; one that bills nothing of it leaves it for later."""
    draft.value += back
    if draft.billed:
        draft.carried += back
    else:
        draft.treatment = Treatment.LATER
        treated(draft.value, Treatment.LATER).give(draft)
