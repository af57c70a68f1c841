"""Changing a draft line by line: words, amounts, tax, what happens to each entry."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.amounts import Share, Spread, share_of, treated
from app.billing.commands.drafting import line_row
from app.billing.commands.drafts import codes_of, taxing_of
from app.billing.commands.fees import keep_drawn
from app.billing.commands.items import items_by_id, set_items, settle_days_of
from app.billing.commands.totals import (
    Agreed,
    billed_items,
    charge_entries,
    charge_once,
    charges_entries,
    line_of,
    lines_of,
    open_draft,
    recompute,
    spread_over,
)
from app.billing.models import Invoice, InvoiceItem, InvoiceLine, LineKind, Rest, TaxMode, Treatment
from app.billing.policy import can_draft
from app.clients.models import Client, Engagement
from app.core.actors import Actor
from app.core.db import transaction
from app.core.errors import NotFound, Refused, Stale
from app.core.money import round_amount
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.wording import amount
from app.firm.taxes import check_tax_code
from app.timekeeping.commands.wip import Item
from app.timekeeping.models import ItemState

ZERO = Decimal(0)


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
    rest: Rest | None = None
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
        before = _told(line)
        if change.description is not None:
            if not change.description.strip():
                raise Refused("Say what the line is for; the client reads it.", field="description")
            line.description = change.description.strip()
        if change.supplied_on is not None:
            if line.kind not in (LineKind.FIXED, LineKind.TEXT):
                raise Refused("Time and expenses count as supplied on their own dates.", field="supplied_on")
            line.supplied_on = change.supplied_on
        if change.tax_code is not None:
            line.tax_code = check_tax_code(change.tax_code) or line.tax_code
        if change.net is not None:
            set_net(invoice, line, change.net, change.spread, change.rest, arrangements)
        elif change.rest is not None:
            set_rest(invoice, line, change.rest, arrangements)
        keep_drawn([line.arrangement_id])
        recompute(invoice)
        record(
            "billing.invoice.change_line",
            invoice,
            by=by,
            before=before,
            after=_told(line),
            currency=invoice.currency,
            topics=("invoices",),
        )


def _told(line: InvoiceLine) -> dict[str, Any]:
    return {"description": line.description, "net": line.net, "drawn": line.drawn, "rest": line.rest}


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
    if "net" in left and change.seen is not None and change.rest is change.seen.rest:
        left["rest"] = None
    return replace(change, **left)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one, however a browser breaks the lines of a text."""
    return bool(one.splitlines() == other.splitlines() if isinstance(one, str) and other is not None else one == other)


WHICH = (
    "Less than is left of the fee: say whether the rest is a rebate, which is never billed again, or comes on a later "
    "bill."
)

NOTHING_BEHIND = (
    "Nothing on this line is billed: its entries are written off or left for later. Bill one of them, or add a line "
    "for an amount of its own."
)


def set_net(
    invoice: Invoice, line: InvoiceLine, net: Decimal, spread: Spread, rest: Rest | None, arrangements: Agreed
) -> None:
    """Give a line another amount and its entries their part of it; `rest` says what becomes of what it does not bill.

    None leaves that as it was. Raises Refused for a fee of which less is billed without its being said, and for a line
    of which no entry is billed.
    """
    if net < 0:
        raise Refused("An amount on a bill cannot be below zero; make a credit note.", field="net")
    net = round_amount(net, invoice.currency)
    if net and charges_entries(line) and not billed_items(invoice, line.id):
        raise Refused(NOTHING_BEHIND, field="net")
    settle_line(line, net_draw(line, net, rest, arrangements))
    spread_over(invoice, line, spread)


def set_rest(invoice: Invoice, line: InvoiceLine, rest: Rest, arrangements: Agreed) -> None:
    """Say otherwise what becomes of what a line does not bill; its amount and its entries' parts stay."""
    draw = net_draw(line, line.net, rest, arrangements)
    if line.arrangement_id and draw.drawn == draw.net and draw.rest is Rest.WRITE_OFF:
        raise Refused("Say first how much of the fee is billed now; then what becomes of the rest.", field="net")
    settle_line(line, draw)
    for row in billed_items(invoice, line.id):
        share_of(row.value, row.billed, line.rest).give(row)


@dataclass(frozen=True)
class Draw:
    """What a line bills, what it takes of its fee for that, and what becomes of the rest."""

    net: Decimal
    drawn: Decimal
    rest: Rest


def net_draw(line: InvoiceLine, net: Decimal, rest: Rest | None, arrangements: Agreed) -> Draw:
    """What another amount takes of the line's fee: a rebate takes all that is left, a part bill no more than it bills.

    A fee is taken as far as it goes; what is billed beyond it is no part of it. Raises Refused.
    """
    if line.arrangement_id is None or line.engagement_id is None:
        return Draw(net, ZERO, rest or line.rest)
    fee = next(each for each in arrangements[line.engagement_id] if each.id == line.arrangement_id)
    left = fee.left + line.drawn
    if net >= left:
        return Draw(net, left, Rest.WRITE_OFF)
    if rest is None:
        if line.net >= left:
            raise Refused(WHICH, field="rest")
        rest = line.rest
    return Draw(net, left if rest is Rest.WRITE_OFF else net, rest)


def settle_line(line: InvoiceLine, draw: Draw) -> None:
    if line.net != draw.net:
        charge_once(line, draw.net)
    line.drawn, line.rest = draw.drawn, draw.rest


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
        payer = session.get_one(Client, invoice.payer_id)
        code = check_tax_code(tax_code) or codes_of([engagement], payer, taxing)[engagement.id]
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
        open_draft(invoice, entries=None)
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
        freed = [item_id for item_id, treatment in rows if treatment is not Treatment.LATER]
        set_items(freed, state=ItemState.OPEN)
        recompute(invoice)
        record("billing.invoice.remove_line", invoice, by=by, items=len(rows), topics=("wip", "invoices"))
        settle_days_of(freed, by=by)


def treat_item(
    invoice: Invoice,
    item_id: UUID,
    treatment: Treatment,
    *,
    by: Actor,
    amount: Decimal | None = None,
    rest: Rest = Rest.WRITE_OFF,
) -> None:
    """Bill an entry (all of it, or an `amount`, with the `rest` written off or carried), write it off with the bill, or
    leave it for later; the line follows.

    A fee stays what it is: what is billed of it falls on the entries that remain. Raises NotFound, and Refused when the
    entry is not where the draft remembers it.
    """
    authorize(by, can_draft, invoice)
    with transaction() as session:
        open_draft(invoice, entries=[item_id])
        row = session.get(InvoiceItem, (invoice.id, item_id), populate_existing=True)
        item = items_by_id([item_id], seen_by=by).get(item_id)
        if row is None or item is None:
            if item is None:
                raise NotFound()
            raise Refused("That entry is not on this draft any more: it was moved or taken off. Look at it in WIP.")
        line = line_of(invoice, row.line_id)
        if treatment is Treatment.BILL and amount is not None:
            _check_part(line, amount, invoice.currency)
        if row.treatment is Treatment.LATER and treatment is not Treatment.LATER:
            _take_back(invoice, row, item)
        value = item.open_value
        share = treated(value, treatment)
        if treatment is Treatment.BILL and amount is not None:
            share = share_of(value, amount, rest)
        before = (row.treatment, row.value, Share(row.billed, row.written, row.carried))
        if before == (treatment, value, share):
            return
        row.treatment, row.value = treatment, value
        share.give(row)
        session.flush()
        if line.kind is LineKind.FIXED:
            spread_over(invoice, line, Spread.PRO_RATA)
        else:
            charge_entries(invoice, line)
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
            billed=row.billed,
            written=row.written,
            carried=row.carried,
            currency=invoice.currency,
            topics=("wip", "invoices"),
        )
        if treatment is Treatment.LATER:
            settle_days_of([item_id], by=by)


def _check_part(line: InvoiceLine, amount: Decimal, currency: str) -> None:
    if line.kind is LineKind.FIXED:
        raise Refused("A fee is billed as a whole; change the amount of its line.", field="amount")
    if amount < 0:
        raise Refused("An amount on a bill cannot be below zero.", field="amount")
    if amount != round_amount(amount, currency):
        raise Refused(f"{currency} has no amounts that small.", field="amount")


def _take_back(invoice: Invoice, row: InvoiceItem, item: Item) -> None:
    """An entry that was left for later joins the draft again, if it still is what and where it was."""
    if item.state is not ItemState.OPEN or item.deleted_at is not None or not item.billable:
        raise Refused("That entry is on another bill, held or gone by now.")
    if item.waiting:
        raise Refused("That entry waits for a rate; it can be billed once it has one.")
    if (item.client_id, item.engagement_id, item.currency) != (row.client_id, row.engagement_id, row.currency):
        raise Refused("That entry has been moved to another engagement since; it is billed there.")


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
