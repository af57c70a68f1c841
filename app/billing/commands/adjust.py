"""Changing the total of a draft: the same plan is shown before and carried out after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from app.activity.commands import record
from app.billing.amounts import HUNDRED, Spread, spread_total
from app.billing.commands.fees import keep_drawn
from app.billing.commands.items import items_by_id
from app.billing.commands.lines import draw
from app.billing.commands.totals import billed_items, charge_once, lines_of, open_draft, recompute
from app.billing.models import Invoice, InvoiceItem, InvoiceLine, LineKind
from app.billing.policy import can_draft
from app.core.actors import SYSTEM, Actor
from app.core.db import transaction
from app.core.errors import Refused
from app.core.money import parse_amount, parse_number, round_amount
from app.core.number_format import NumberFormat
from app.core.permissions import authorize
from app.core.wording import amount
from app.timekeeping.commands.wip import Item

ZERO = Decimal(0)


@dataclass(frozen=True)
class Plan:
    """What a new total does: the net of each line, what is billed of each entry, and what that says.

    `worth` is the value recorded on the entries billed; realisation is fees billed ÷ worth, in percent.
    """

    net: Decimal
    before: Decimal
    lines: dict[UUID, Decimal]
    items: dict[UUID, Decimal]
    worth: Decimal
    billed: Decimal

    @property
    def change(self) -> Decimal:
        return self.net - self.before

    @property
    def realisation(self) -> Decimal | None:
        return round(self.billed * HUNDRED / self.worth, 1) if self.worth else None


def wanted_net(invoice: Invoice, text: str, written: NumberFormat) -> Decimal:
    """A new net total as its reader writes it: an amount, `-10 %` or `90%` of the present one. Raises Refused."""
    typed = text.strip()
    if not typed.endswith("%"):
        return parse_amount(typed, invoice.currency, written, field="total")
    percent = parse_number(typed.removeprefix("+"), 4, written, unit="%", signed=True, field="total")
    if not -100 <= percent <= 1000:
        raise Refused("A percentage lies between -100 and 1000.", field="total")
    more_or_less = not (typed[0].isdigit() or typed[0] == written.decimal)
    factor = 1 + percent / HUNDRED if more_or_less else percent / HUNDRED
    return round_amount(invoice.net * factor, invoice.currency)


def plan_total(invoice: Invoice, net: Decimal, spread: Spread, chosen: Collection[UUID] = ()) -> Plan:
    """Where a new net total falls. Disbursements keep their amount; so do fixed fees unless it goes pro rata.

    `chosen` are the entries that take it all when it falls on chosen ones.
    """
    lines, rows = lines_of(invoice), billed_items(invoice)
    net = round_amount(net, invoice.currency)
    found = items_by_id([row.item_id for row in rows], seen_by=SYSTEM)
    if spread is Spread.CHOSEN:
        nets, parts = _on_chosen(invoice, lines, rows, chosen, net)
        return _plan(invoice, net, lines, rows, found, nets, parts)
    moving = [line for line in lines if line.kind is not LineKind.EXPENSE] or lines
    if spread is not Spread.PRO_RATA:
        moving = [line for line in moving if line.kind is LineKind.FEE and any(r.line_id == line.id for r in rows)]
    staying = sum((line.net for line in lines if line not in moving), ZERO)
    if net < 0 or not moving or net < staying:
        kept = amount(staying, invoice.currency)
        said = f"What stays as it is on this bill comes to {kept}; a total below that needs its lines changed."
        raise Refused(said if net >= 0 and lines else "The total of a bill cannot be below zero.", field="total")
    worked = {item_id: item.worked_on for item_id, item in found.items()}
    if spread is Spread.PRO_RATA:
        nets, parts = _by_line(moving, rows, worked, net - staying, invoice.currency)
    else:
        nets, parts = _by_entry(moving, rows, worked, net - staying, spread, invoice.currency)
    return _plan(invoice, net, lines, rows, found, nets, parts)


def _plan(
    invoice: Invoice, net: Decimal, lines: Sequence[InvoiceLine], rows: Sequence[InvoiceItem],
    found: Mapping[UUID, Item], nets: dict[UUID, Decimal], parts: dict[UUID, Decimal],
) -> Plan:
    items = {row.item_id: row.billed for row in rows} | parts
    return Plan(
        net,
        invoice.net,
        {line.id: line.net for line in lines} | nets,
        items,
        sum((item.value for item in found.values()), ZERO),
        sum(items.values(), ZERO),
    )


def _on_chosen(
    invoice: Invoice, lines: Sequence[InvoiceLine], rows: Sequence[InvoiceItem], chosen: Collection[UUID], net: Decimal
) -> tuple[dict[UUID, Decimal], dict[UUID, Decimal]]:
    """The whole difference on some entries, by their value; every other entry and line stays as it is."""
    fees = {line.id: line for line in lines if line.kind is LineKind.FEE}
    mine = [row for row in rows if row.item_id in chosen and row.line_id in fees]
    if not mine:
        raise Refused("Open the entries of a line and tick those that the difference falls on.", field="total")
    before = sum((row.billed for row in mine), ZERO)
    target = before + net - invoice.net
    if target < 0:
        ticked, off = amount(before, invoice.currency), amount(net - invoice.net, invoice.currency)
        said = f"The entries ticked come to {ticked}; a difference of {off} needs more of them."
        raise Refused(said, field="total")
    shares = spread_total(target, [(dt.date.min, row.value) for row in mine], Spread.CHOSEN, invoice.currency)
    parts = {row.item_id: share for row, share in zip(mine, shares, strict=True)}
    nets = {line_id: line.net for line_id, line in fees.items()}
    for row in mine:
        if row.line_id is not None:
            nets[row.line_id] += parts[row.item_id] - row.billed
    return nets, parts


def _by_line(
    lines: Sequence[InvoiceLine], rows: Sequence[InvoiceItem], worked: dict[UUID, dt.date], net: Decimal, currency: str
) -> tuple[dict[UUID, Decimal], dict[UUID, Decimal]]:
    parts = spread_total(net, [(dt.date.min, line.net) for line in lines], Spread.PRO_RATA, currency)
    nets = {line.id: part for line, part in zip(lines, parts, strict=True)}
    billed: dict[UUID, Decimal] = {}
    for line in lines:
        mine = [row for row in rows if row.line_id == line.id]
        if mine:
            worth = [(worked[row.item_id], row.value) for row in mine]
            shares = spread_total(nets[line.id], worth, Spread.PRO_RATA, currency)
            billed |= {row.item_id: share for row, share in zip(mine, shares, strict=True)}
    return nets, billed


def _by_entry(
    lines: Sequence[InvoiceLine],
    rows: Sequence[InvoiceItem],
    worked: dict[UUID, dt.date],
    net: Decimal,
    spread: Spread,
    currency: str,
) -> tuple[dict[UUID, Decimal], dict[UUID, Decimal]]:
    ids = {line.id for line in lines}
    mine = [row for row in rows if row.line_id in ids]
    worth = [(worked[row.item_id], row.value) for row in mine]
    billed = dict(zip([row.item_id for row in mine], spread_total(net, worth, spread, currency), strict=True))
    nets = {line.id: sum((billed[row.item_id] for row in mine if row.line_id == line.id), ZERO) for line in lines}
    return nets, billed


def adjust_total(
    invoice: Invoice,
    net: Decimal,
    *,
    by: Actor,
    spread: Spread = Spread.PRO_RATA,
    chosen: Collection[UUID] = (),
    reason: str = "",
    version: int | None = None,
) -> None:
    """Set the net total; the difference falls on the lines, and from them on the entries, to the last minor unit."""
    authorize(by, can_draft, invoice)
    with transaction():
        arrangements = open_draft(invoice, version)
        plan = plan_total(invoice, net, spread, chosen)
        lines = lines_of(invoice)
        for line in lines:
            charge_once(line, plan.lines[line.id])
            draw(line, arrangements)
        keep_drawn(line.arrangement_id for line in lines)
        for row in billed_items(invoice):
            row.billed = plan.items[row.item_id]
        invoice.reason = reason.strip() or invoice.reason
        recompute(invoice)
        record(
            "billing.invoice.adjust",
            invoice,
            by=by,
            before=plan.before,
            after=invoice.net,
            currency=invoice.currency,
            reason=reason,
            spread=spread,
            topics=("invoices",),
        )
