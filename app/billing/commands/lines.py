"""Changing a draft line by line: words, amounts, tax, what happens to each entry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.amounts import Spread
from app.billing.commands.drafting import line_row
from app.billing.commands.drafts import codes_of, taxing_of
from app.billing.commands.fees import keep_drawn
from app.billing.commands.items import items_by_id, set_items
from app.billing.commands.totals import charge_once, line_of, lines_of, open_draft, recompute, spread_over
from app.billing.models import Invoice, InvoiceItem, InvoiceLine, LineKind, TaxMode, Treatment
from app.billing.policy import can_draft
from app.clients.models import Arrangement, Client, Engagement
from app.core.actors import Actor
from app.core.db import transaction
from app.core.errors import NotFound, Refused, Stale
from app.core.money import round_amount
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.wording import amount
from app.firm.taxes import check_tax_code
from app.timekeeping.models import ItemState

ZERO = Decimal(0)
Agreed = Mapping[UUID, Sequence[Arrangement]]


@dataclass(frozen=True, kw_only=True)
class LineChange:
    """A line as the person wants it; None leaves a value as it is.

    `seen` is the line as their form showed it: what they left as it was there stays as others have made it since.
    """

    description: str | None = None
    net: Decimal | None = None
    tax_code: str | None = None
    supplied_on: dt.date | None = None
    spread: Spread = Spread.PRO_RATA
    seen: LineChange | None = None


def change_line(invoice: Invoice, line_id: UUID, change: LineChange, *, by: Actor) -> None:
    """Reword a line, change its amount (spread back over its entries) or its tax.

    Raises Stale when somebody else has changed the very same value since it was seen.
    """
    authorize(by, can_draft, invoice)
    with transaction():
        arrangements = open_draft(invoice)
        line = line_of(invoice, line_id)
        change = _still_to_do(line, change, invoice.currency)
        before = {"description": line.description, "net": line.net}
        if change.description is not None:
            if not change.description.strip():
                raise Refused("Say what the line is for; the client reads it.", field="description")
            line.description = change.description.strip()
        if change.supplied_on is not None:
            if line.kind not in (LineKind.FIXED, LineKind.TEXT):
                raise Refused("Time and expenses were supplied when they are dated.", field="supplied_on")
            line.supplied_on = change.supplied_on
        if change.tax_code is not None:
            line.tax_code = check_tax_code(change.tax_code) or line.tax_code
        if change.net is not None:
            set_net(invoice, line, change.net, change.spread, arrangements)
            keep_drawn([line.arrangement_id])
        recompute(invoice)
        record(
            "billing.invoice.change_line",
            invoice,
            by=by,
            before=before,
            after={"description": line.description, "net": line.net},
            currency=invoice.currency,
            topics=("invoices",),
        )


def _still_to_do(line: InvoiceLine, change: LineChange, currency: str) -> LineChange:
    left: dict[str, Any] = {}
    for name in ("description", "net", "tax_code", "supplied_on"):
        wanted, seen, now = getattr(change, name), getattr(change.seen, name, None), getattr(line, name)
        if wanted is None or _same(wanted, now) or _same(wanted, seen):
            left[name] = None
        elif seen is not None and not _same(seen, now):
            theirs = {"net": amount(line.net, currency)}
            raise Stale(
                f"Somebody else changed this meanwhile; it is now “{theirs.get(name, now)}”. "
                "Yours is still here: look at theirs and save again.", field=name,
            )
    return replace(change, **left)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one, however a browser breaks the lines of a text."""
    return bool(one.splitlines() == other.splitlines() if isinstance(one, str) and other is not None else one == other)


def set_net(
    invoice: Invoice, line: InvoiceLine, net: Decimal, spread: Spread, arrangements: Agreed
) -> None:
    """Give a line another amount and its entries their part of it; a fixed fee is drawn on as far as it goes."""
    if net < 0:
        raise Refused("An amount on a bill cannot be below zero; make a credit note.", field="net")
    charge_once(line, round_amount(net, invoice.currency))
    draw(line, arrangements)
    spread_over(invoice, line, spread)


def draw(line: InvoiceLine, arrangements: Agreed) -> None:
    """Take of the line's fee what it bills, as far as the fee goes. `keep_drawn` follows when all lines are set."""
    if line.arrangement_id is None or line.engagement_id is None:
        return
    fee = next(each for each in arrangements[line.engagement_id] if each.id == line.arrangement_id)
    line.drawn = min(line.net, fee.left + line.drawn)


def add_line(
    invoice: Invoice, line_id: UUID, description: str, net: Decimal, *, by: Actor, tax_code: str | None = None
) -> None:
    """Add a line that stands for no entry (a fee agreed otherwise). The same id with the same facts changes
    nothing."""
    authorize(by, can_draft, invoice)
    with transaction() as session:
        said = digest_of(invoice.id, description, net, tax_code)
        if made_before(InvoiceLine, line_id, said, seen=lambda row: row.invoice_id == invoice.id) is not None:
            return
        open_draft(invoice)
        if not description.strip():
            raise Refused("Say what the line is for; the client reads it.", field="description")
        if net < 0:
            raise Refused("An amount on a bill cannot be below zero; lower another line instead.", field="net")
        lines = lines_of(invoice)
        first = next((line.engagement_id for line in lines if line.engagement_id), None)
        if first is None:
            raise Refused("A bill starts from an engagement.", field="description")
        engagement = session.get_one(Engagement, first)
        taxing = taxing_of(invoice)
        client = session.get_one(Client, invoice.client_id)
        code = check_tax_code(tax_code) or codes_of([engagement], client, taxing)[engagement.id]
        supplied_on = invoice.until_on or taxing.day
        amount, position = round_amount(net, invoice.currency), lines[-1].position + 1
        tax = taxing.on(code, supplied_on)
        values = line_row(invoice, engagement, LineKind.TEXT, position, description.strip(), amount, tax, supplied_on)
        session.add(InvoiceLine(**values | {"id": line_id, "made_from": said}))
        recompute(invoice)
        record("billing.invoice.add_line", invoice, by=by, net=amount, currency=invoice.currency, topics=("invoices",))


def remove_line(invoice: Invoice, line_id: UUID, *, by: Actor) -> None:
    """Take a line off; its entries go back to WIP."""
    authorize(by, can_draft, invoice)
    with transaction() as session:
        open_draft(invoice)
        line = session.get(InvoiceLine, line_id, populate_existing=True)
        if line is None or line.invoice_id != invoice.id:
            return
        rows = session.execute(
            sa.delete(InvoiceItem)
            .where(InvoiceItem.invoice_id == invoice.id, InvoiceItem.line_id == line_id)
            .returning(InvoiceItem.item_id, InvoiceItem.treatment)
        ).all()
        session.delete(line)
        session.flush()
        keep_drawn([line.arrangement_id])
        set_items([item_id for item_id, treatment in rows if treatment is not Treatment.LATER], state=ItemState.OPEN)
        recompute(invoice)
        record("billing.invoice.remove_line", invoice, by=by, items=len(rows), topics=("wip", "invoices"))


def treat_item(invoice: Invoice, item_id: UUID, treatment: Treatment, *, by: Actor) -> None:
    """Bill an entry, write it off with the bill, or leave it for later; the line follows.

    A fixed fee stays what it is: what is billed of it falls on the entries that remain.
    """
    authorize(by, can_draft, invoice)
    with transaction() as session:
        open_draft(invoice)
        row = session.get(InvoiceItem, (invoice.id, item_id), populate_existing=True, with_for_update=True)
        if row is None:
            raise NotFound()
        if row.treatment is treatment:
            return
        if row.treatment is Treatment.LATER:
            item = items_by_id([item_id], seen_by=by, lock=True).get(item_id)
            if item is None or item.state is not ItemState.OPEN or item.deleted_at is not None:
                raise Refused("That entry is on another bill, held or gone by now.")
            row.value = item.open_value
        line = session.get(InvoiceLine, row.line_id) if row.line_id else None
        bills = treatment is Treatment.BILL
        change, row.billed = (row.value, row.value) if bills else (-row.billed, ZERO)
        row.treatment = treatment
        session.flush()
        if line is not None and line.kind is LineKind.FIXED:
            spread_over(invoice, line, Spread.PRO_RATA)
        elif line is not None:
            charge_once(line, line.net + change)
        session.flush()
        set_items([item_id], state=ItemState.OPEN if treatment is Treatment.LATER else ItemState.DRAFTED)
        recompute(invoice)
        record(
            "billing.invoice.treat_item",
            invoice,
            by=by,
            item=str(item_id),
            treatment=treatment,
            value=row.value,
            currency=invoice.currency,
            topics=("wip", "invoices"),
        )


@dataclass(frozen=True, kw_only=True)
class DraftTerms:
    """The head of a draft."""

    terms_days: int
    note: str
    tax_mode: TaxMode
    reason: str = ""


def change_terms(invoice: Invoice, terms: DraftTerms, *, by: Actor, version: int | None = None) -> None:
    authorize(by, can_draft, invoice)
    with transaction():
        open_draft(invoice, version)
        if not 0 <= terms.terms_days <= 365:
            raise Refused("Terms are between 0 and 365 days.", field="terms_days")
        invoice.terms_days, invoice.note = terms.terms_days, terms.note.strip()
        invoice.tax_mode, invoice.reason = terms.tax_mode, terms.reason.strip()
        recompute(invoice)
        record("billing.invoice.change_terms", invoice, by=by, terms_days=terms.terms_days, topics=("invoices",))
