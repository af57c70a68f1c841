"""How open WIP becomes the lines of a bill: pure arithmetic and words, no writing."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from babel.dates import format_date

from app.billing.amounts import Spread, TaxedLine, share_of, spread_total, tax_lines
from app.billing.commands.items import Taken
from app.billing.hours import once, time_priced
from app.billing.models import Invoice, LineKind, Rest, Treatment
from app.billing.taxing import Taxing, tax_facts
from app.clients.models import Arrangement, ArrangementKind, Engagement, in_force
from app.core.ids import new_id
from app.core.money import exponent, round_amount
from app.firm.models import Grouping
from app.firm.taxes import Tax
from app.firm.words import english, words_of
from app.timekeeping.commands.wip import Item

ZERO = Decimal(0)
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything that lines are made from. `codes` is the tax of each engagement, `fees` are the fixed fees of which
    something is left to bill."""

    engagements: Sequence[Engagement]
    arrangements: Mapping[UUID, Sequence[Arrangement]]
    items: Sequence[Taken]
    grouping: Grouping
    taxing: Taxing
    codes: Mapping[UUID, str]
    fees: Sequence[Arrangement]
    job_titles: Mapping[UUID, str]


def fee_for(item: Taken, arrangements: Sequence[Arrangement]) -> Arrangement | None:
    """The fixed fee that a time entry is worked for, by its work date; None when it is billed for itself."""
    standing = [each for each in arrangements if each.archived_at is None]
    if item.is_expense or not standing:
        return None
    found = in_force(standing, item.worked_on)
    return found if found.kind is ArrangementKind.FIXED else None


def build(invoice: Invoice, material: Material) -> tuple[list[Row], list[Row]]:
    """The rows of the lines, taxed, and of the items behind them; the invoice's totals follow them."""
    engagements = {engagement.id: engagement for engagement in material.engagements}
    fees = {fee.id: fee for fee in material.fees}
    fee_on = invoice.until_on or material.taxing.day
    groups: dict[tuple[Any, ...], list[Taken]] = defaultdict(list)
    taxes: dict[tuple[Any, ...], Tax] = {}
    for each in material.fees:
        groups[each.engagement_id, LineKind.FIXED, each.id] = []
    for item in material.items:
        worked_for = fee_for(item, material.arrangements[item.engagement_id])
        key = group_key(item, worked_for.id if worked_for else None, material.grouping)
        if worked_for is None:  # what the tax falls on differently stands on lines of its own
            tax = material.taxing.on(item.tax_code or material.codes[item.engagement_id], item.worked_on)
            key = (*key, tax)
            taxes[key] = tax
        groups[key].append(item)
    lines: list[Row] = []
    items: list[Row] = []
    for key, members in sorted(groups.items(), key=lambda group: _order(group[0], material)):
        engagement, kind = engagements[key[0]], LineKind(key[1])
        worth = [(item.worked_on, item.open_value) for item in members]
        net = round_amount(sum((value for _, value in worth), ZERO), invoice.currency)
        billed = [value for _, value in worth]
        fee = fees[key[2]] if kind is LineKind.FIXED else None
        if fee is not None:
            net = fee.left
            billed = spread_total(net, worth, Spread.PRO_RATA, invoice.currency) if worth else []
        words = describe_line(engagement, fee, kind, members, key, material.job_titles, material.taxing.entity.country)
        tax = taxes.get(key) or material.taxing.on(material.codes[engagement.id], fee_on)
        supplied_on = fee_on if fee is not None else max(item.worked_on for item in members)
        line = line_row(invoice, engagement, kind, len(lines), words, net, tax, supplied_on)
        if kind is LineKind.FEE:
            line |= time_priced(net, [(item.charged, item.rate) for item in members], invoice.currency)
        if fee is not None:
            line |= {"arrangement_id": fee.id, "drawn": net}
        lines.append(line)
        items += [item_row(line, item, part) for item, part in zip(members, billed, strict=True)]
    _tax(invoice, lines)
    return lines, items


def _order(key: tuple[Any, ...], material: Material) -> tuple[int, int]:
    """Engagements in their order; in each, agreed fees before time before what was laid out."""
    position = next(i for i, engagement in enumerate(material.engagements) if engagement.id == key[0])
    return position, {LineKind.FIXED: 0, LineKind.FEE: 1}.get(key[1], 2)


def _tax(invoice: Invoice, lines: list[Row]) -> None:
    taxed = [TaxedLine(line["net"], line["tax_treatment"], line["tax_percent"]) for line in lines]
    for line, tax in zip(lines, tax_lines(taxed, invoice.tax_mode, invoice.currency), strict=True):
        line["tax"] = tax
    invoice.net = sum((line["net"] for line in lines), ZERO)
    invoice.tax = sum((line["tax"] for line in lines), ZERO)
    invoice.gross = invoice.net + invoice.tax


def group_key(item: Taken, fee_id: UUID | None, grouping: Grouping) -> tuple[Any, ...]:
    if item.is_expense:
        return (item.engagement_id, LineKind.EXPENSE, item.id)
    if fee_id is not None:
        return (item.engagement_id, LineKind.FIXED, fee_id)
    return (item.engagement_id, LineKind.FEE, home_of(item, grouping))


def home_of(item: Taken | Item, grouping: Grouping) -> UUID | None:
    """What time shares its line with: its job, nothing but itself, or (None) all of its engagement's."""
    return {Grouping.JOB: item.job_id, Grouping.ENTRY: item.id}.get(grouping)


def describe_line(
    engagement: Engagement,
    fee: Arrangement | None,
    kind: LineKind,
    members: Sequence[Taken],
    key: tuple[Any, ...],
    job_titles: Mapping[UUID, str],
    country: str,
) -> str:
    """What the client reads on the line; changeable until the bill is approved."""
    if kind is LineKind.EXPENSE:
        return members[0].narrative or words_of(country).disbursement
    if fee is not None:
        return fee.name or engagement.name
    return describe(engagement, members, key[2], job_titles, country)


def describe(
    engagement: Engagement, members: Sequence[Taken | Item], home: UUID | None, job_titles: Mapping[UUID, str],
    country: str,
) -> str:
    """What a line of time is called: its job, what its one entry says, else its engagement and when it was worked, in
    the words of the country that bills."""
    if home is not None and home in job_titles:
        return job_titles[home]
    if home == members[0].id and members[0].narrative:
        return members[0].narrative
    first, last = min(m.worked_on for m in members), max(m.worked_on for m in members)
    days = [format_date(each, "long", locale=english(country)) for each in dict.fromkeys((first, last))]
    span = " to ".join(days)
    return f"{engagement.name}: professional services, {span}"


def line_row(
    invoice: Invoice,
    engagement: Engagement,
    kind: LineKind,
    position: int,
    description: str,
    net: Decimal,
    tax: Tax,
    supplied_on: dt.date,
) -> Row:
    return {
        "id": new_id(),
        "invoice_id": invoice.id,
        "client_id": invoice.client_id,
        "engagement_id": engagement.id,
        "currency": invoice.currency,
        "arrangement_id": None,
        "drawn": ZERO,
        "rest": Rest.WRITE_OFF,
        "position": position,
        "kind": kind,
        "description": description,
        "supplied_on": supplied_on,
        **once(net),
        "decimals": exponent(invoice.currency),
        "net": net,
        "tax": ZERO,
        **tax_facts(tax),
    }


def item_row(line: Mapping[str, Any], item: Taken, billed: Decimal) -> Row:
    """An entry on a line, of whose client, engagement and currency it is; what is not billed of it is written off."""
    share = share_of(item.open_value, billed, line["rest"])
    return {
        "item_id": item.id,
        "item_kind": item.kind,
        "line_id": line["id"],
        **{name: line[name] for name in ("invoice_id", "client_id", "engagement_id", "currency")},
        "treatment": Treatment.BILL,
        "value": item.open_value,
        "billed": share.billed,
        "written": share.written,
        "carried": share.carried,
        "issued": False,
        "live": True,
    }
