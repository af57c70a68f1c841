"""Changing the total of a draft: the same plan is shown before and carried out after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from app.activity.commands import record
from app.billing.amounts import HUNDRED, Share, Spread, share_of, spread_total
from app.billing.commands.fees import agreed_on, keep_drawn
from app.billing.commands.items import items_by_id
from app.billing.commands.lines import Draw, net_draw, settle_line
from app.billing.commands.totals import Agreed, billed_items, charges_entries, lines_of, open_draft, recompute
from app.billing.models import Invoice, InvoiceItem, InvoiceLine, LineKind, Rest
from app.billing.policy import can_draft
from app.core.actors import SYSTEM, Actor
from app.core.db import transaction
from app.core.errors import Refused
from app.core.money import parse_amount, parse_number, round_amount
from app.core.number_format import NumberFormat
from app.core.permissions import authorize
from app.core.wording import amount

ZERO = Decimal(0)


@dataclass(frozen=True)
class Plan:
    """What a new total does: what each line bills and draws, and what becomes of each entry.

    `worth` is the value of the time that the bill deals with, without what it carries; realisation is what is billed of
    it ÷ worth, in percent. `rebate` is what fees give up for good.
    """

    net: Decimal
    before: Decimal
    lines: dict[UUID, Draw]
    items: dict[UUID, Share]
    worth: Decimal
    billed: Decimal
    written: Decimal
    carried: Decimal
    rebate: Decimal

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


def plan_total(
    invoice: Invoice,
    net: Decimal,
    spread: Spread,
    chosen: Collection[UUID] = (),
    rest: Rest | None = None,
    agreed: Agreed | None = None,
) -> Plan:
    """Where a new net total falls. Disbursements keep their amount; so do fixed fees unless it goes pro rata. A line
    of which no entry is billed charges nothing.

    `chosen` are the entries that take it all when it falls on chosen ones. `rest` says what becomes of what is not
    billed; without it each line keeps to what it says. Raises Refused.
    """
    lines, rows = lines_of(invoice), billed_items(invoice)
    agreed = agreed_on(invoice) if agreed is None else agreed
    net = round_amount(net, invoice.currency)
    if spread is Spread.CHOSEN:
        nets, parts = _on_chosen(invoice, lines, rows, chosen, net)
        return _plan(invoice, net, lines, rows, nets, parts, rest, agreed)
    billing = {row.line_id for row in rows}
    able = [line for line in lines if line.id in billing or not charges_entries(line)]
    only_expenses = all(line.kind is LineKind.EXPENSE for line in lines)
    moving = [line for line in able if only_expenses or line.kind is not LineKind.EXPENSE]
    if spread is not Spread.PRO_RATA:
        moving = [line for line in moving if line.kind is LineKind.FEE and any(r.line_id == line.id for r in rows)]
    staying = sum((line.net for line in lines if line not in moving), ZERO)
    if net < 0 or not moving or net < staying:
        kept = amount(staying, invoice.currency)
        said = f"What stays as it is on this bill comes to {kept}; a total below that needs its lines changed."
        raise Refused(said if net >= 0 and lines else "The total of a bill cannot be below zero.", field="total")
    if spread is Spread.PRO_RATA:
        nets, parts = _by_line(moving, rows, net - staying, invoice.currency)
    else:
        nets, parts = _by_entry(moving, rows, net - staying, spread, invoice.currency)
    return _plan(invoice, net, lines, rows, nets, parts, rest, agreed)


def _plan(
    invoice: Invoice, net: Decimal, lines: Sequence[InvoiceLine], rows: Sequence[InvoiceItem],
    nets: dict[UUID, Decimal], parts: dict[UUID, Decimal], rest: Rest | None, agreed: Agreed,
) -> Plan:
    """The plan in full: a line keeps what it draws, an entry its part, where nothing is changed about them."""
    draws = {
        line.id: net_draw(line, nets[line.id], rest, agreed) if line.id in nets
        else Draw(line.net, line.drawn, line.rest)
        for line in lines
    }  # fmt: skip
    shares = {
        row.item_id: share_of(row.value, parts[row.item_id], draws[row.line_id].rest) if row.item_id in parts
        else Share(row.billed, row.written, row.carried)
        for row in rows
    }  # fmt: skip
    carried, billed = (sum((getattr(each, name) for each in shares.values()), ZERO) for name in ("carried", "billed"))
    written = sum((each.written for each in shares.values()), ZERO)
    fees = {line.id for line in lines if line.arrangement_id}
    rebate = sum((max(draw.drawn - draw.net, ZERO) for line_id, draw in draws.items() if line_id in fees), ZERO)
    return Plan(net, invoice.net, draws, shares, billed - written, billed, written, carried, rebate)


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
    nets = {row.line_id: fees[row.line_id].net for row in mine}
    for row in mine:
        nets[row.line_id] += parts[row.item_id] - row.billed
    return nets, parts


def _by_line(
    lines: Sequence[InvoiceLine], rows: Sequence[InvoiceItem], net: Decimal, currency: str
) -> tuple[dict[UUID, Decimal], dict[UUID, Decimal]]:
    parts = spread_total(net, [(dt.date.min, line.net) for line in lines], Spread.PRO_RATA, currency)
    nets = {line.id: part for line, part in zip(lines, parts, strict=True)}
    billed: dict[UUID, Decimal] = {}
    for line in lines:
        mine = [row for row in rows if row.line_id == line.id]
        if mine:
            worth = [(dt.date.min, row.value) for row in mine]
            shares = spread_total(nets[line.id], worth, Spread.PRO_RATA, currency)
            billed |= {row.item_id: share for row, share in zip(mine, shares, strict=True)}
    return nets, billed


def _by_entry(
    lines: Sequence[InvoiceLine], rows: Sequence[InvoiceItem], net: Decimal, spread: Spread, currency: str
) -> tuple[dict[UUID, Decimal], dict[UUID, Decimal]]:
    ids = {line.id for line in lines}
    mine = [row for row in rows if row.line_id in ids]
    worked = {item_id: item.worked_on for item_id, item in items_by_id(
        [row.item_id for row in mine], seen_by=SYSTEM).items()}  # fmt: skip
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
    rest: Rest | None = None,
    reason: str = "",
    version: int | None = None,
) -> None:
    """Set the net total; the difference falls on the lines, and from them on the entries, to the last minor unit.

    What is not billed any more is written off (of a fee: a rebate) or carried to a later bill, as `rest` says; a fee
    that is lowered needs its being said. Raises Refused, Stale.
    """
    authorize(by, can_draft, invoice)
    with transaction():
        agreed = open_draft(invoice, version)
        plan = plan_total(invoice, net, spread, chosen, rest, agreed)
        lines = lines_of(invoice)
        for line in lines:
            settle_line(line, plan.lines[line.id])
        keep_drawn(line.arrangement_id for line in lines)
        for row in billed_items(invoice):
            plan.items[row.item_id].give(row)
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
            written=plan.written,
            carried=plan.carried,
            rebate=plan.rebate,
            topics=("invoices",),
        )
