"""Taking time and expenses recorded since into a draft."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.amounts import Spread
from app.billing.commands.drafting import describe, describe_line, fee_for, group_key, item_row, line_row
from app.billing.commands.drafts import codes_of, job_titles_of, taxing_of
from app.billing.commands.fees import engagements_on, keep_drawn, lock_arrangements, take_turns
from app.billing.commands.items import Taken, take_items
from app.billing.commands.totals import charge_entries, lines_of, open_draft, recompute, spread_over
from app.billing.models import Invoice, InvoiceItem, InvoiceLine, LineKind, Treatment
from app.billing.policy import can_draft
from app.billing.taxing import Taxing
from app.clients.models import Arrangement, Client, Engagement
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.permissions import authorize
from app.firm.models import Grouping
from app.firm.taxes import Tax
from app.timekeeping.models import TimeEntry

ZERO = Decimal(0)
Key = tuple[Any, ...]


def add_new_items(invoice: Invoice, until: dt.date, *, by: Actor) -> int:
    """Take time recorded since into the draft: onto the line of its fee, else where time like it stands by the draft's
    grouping and with its tax, else onto a line of its own.

    What was set on a line stays: a fee is spread anew over all its time, time by the hour is added at its value, and
    only words that were made for the line name its new days.
    Returns how many entries joined.
    """
    authorize(by, can_draft, invoice)
    with transaction() as session:
        take_turns(invoice.client_id, invoice.payer_id)
        arrangements = lock_arrangements(engagements_on(invoice))
        lines = lines_of(invoice)
        fees = {fee.id: fee for each in arrangements.values() for fee in each}
        ids = [engagement_id for engagement_id in {line.engagement_id for line in lines} if engagement_id]
        later = session.scalars(
            sa.select(InvoiceItem.item_id).where(
                InvoiceItem.invoice_id == invoice.id, InvoiceItem.treatment == Treatment.LATER
            )
        ).all()
        drawn = [line.arrangement_id for line in lines if line.arrangement_id]
        items = take_items(ids, until, seen_by=by, leaving=later, fees=drawn)
        open_draft(invoice)
        behind = _behind(invoice)
        places = _places(invoice, lines, behind)
        engagements = {e.id: e for e in session.scalars(sa.select(Engagement).where(Engagement.id.in_(ids)))}
        taxing = taxing_of(invoice)
        codes = codes_of(engagements.values(), session.get_one(Client, invoice.payer_id), taxing)
        groups: dict[Key, list[Taken]] = defaultdict(list)
        joined: dict[Key, InvoiceLine] = {}
        taxes: dict[Key, Tax] = {}
        for item in items:
            fee = fee_for(item, arrangements[item.engagement_id])
            key = group_key(item, fee.id if fee else None, invoice.grouping)
            like = places.get(key, [])
            if (place := _joins(like, item, taxing)) is not None:
                key = (*key, place.id)
                joined[key] = place
            else:  # what the tax falls on differently stands on lines of its own
                code = item.tax_code or (like[0].tax_code if like else codes[item.engagement_id])
                tax = taxing.on(code, item.worked_on)
                key = key if fee else (*key, tax)
                taxes.setdefault(key, tax)
            groups[key].append(item)
        titles, country = job_titles_of(items, invoice.grouping), taxing.entity.country
        for key, members in groups.items():
            line = joined.get(key)
            if line is None:
                fee, engagement = fees[key[2]] if key[1] is LineKind.FIXED else None, engagements[key[0]]
                words = describe_line(engagement, fee, LineKind(key[1]), members, key, titles, country)
                line = _new_line(invoice, lines, engagement, fee, LineKind(key[1]), words, members[0].worked_on,
                                 taxes[key])
            elif line.kind is LineKind.FEE:
                _describe_longer(line, engagements[key[0]], behind[line.id], members, key[2], titles, country)
            by_fee = line.kind is LineKind.FIXED
            for item in members:
                session.add(InvoiceItem(**item_row(_ties(line), item, ZERO if by_fee else item.open_value)))
            session.flush()
            if by_fee:
                spread_over(invoice, line, Spread.PRO_RATA)
            else:
                charge_entries(invoice, line)
        keep_drawn(line.arrangement_id for line in lines if line.arrangement_id)
        recompute(invoice)
        record("billing.invoice.add_items", invoice, by=by, items=len(items), topics=("wip", "invoices"))
        return len(items)


Behind = Mapping[UUID, Sequence[Any]]


def _behind(invoice: Invoice) -> Behind:
    """The time on each line of a draft, in the order in which it was worked."""
    rows = db.session.execute(
        sa.select(InvoiceItem.line_id, InvoiceItem.treatment, TimeEntry.id, TimeEntry.job_id, TimeEntry.worked_on,
                  TimeEntry.narrative)
        .join(TimeEntry, TimeEntry.id == InvoiceItem.item_id).where(InvoiceItem.invoice_id == invoice.id)
        .order_by(TimeEntry.worked_on, TimeEntry.id)
    )  # fmt: skip
    behind: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        behind[row.line_id].append(row)
    return behind


def _joins(lines: Sequence[InvoiceLine], item: Taken, taxing: Taxing) -> InvoiceLine | None:
    """The first of these lines that would charge one tax with this item on it; a fee has that of its own day."""
    for line in lines:
        if line.arrangement_id:
            return line
        if taxing.on(line.tax_code, item.worked_on) == taxing.on(line.tax_code, line.supplied_on):
            return line
    return None


def _places(invoice: Invoice, lines: Sequence[InvoiceLine], behind: Behind) -> dict[Key, list[InvoiceLine]]:
    """The lines for each fee, and for the time of each engagement or job; an entry by itself joins none."""
    places: dict[Key, list[InvoiceLine]] = defaultdict(list)
    for line in lines:
        if line.arrangement_id:
            places[line.engagement_id, LineKind.FIXED, line.arrangement_id].append(line)
        elif line.kind is LineKind.FEE and invoice.grouping is not Grouping.ENTRY:
            homes = {row.job_id for row in behind[line.id]} if invoice.grouping is Grouping.JOB else {None}
            for home in homes:
                places[line.engagement_id, LineKind.FEE, home].append(line)
    return places


def _describe_longer(
    line: InvoiceLine, engagement: Engagement, behind: Sequence[Any], joining: Sequence[Taken], home: UUID | None,
    titles: dict[UUID, str], country: str,
) -> None:
    """Let a line name the days of what joins it as well, unless somebody has worded it."""
    told = [row for row in behind if row.treatment is Treatment.BILL] or list(behind)
    if told and line.description == describe(engagement, told, home, titles, country):
        line.description = describe(engagement, [*told, *joining], home, titles, country)


def _ties(line: InvoiceLine) -> dict[str, Any]:
    return {
        name: getattr(line, name) for name in ("id", "invoice_id", "client_id", "engagement_id", "currency", "rest")
    }


def _new_line(
    invoice: Invoice, lines: list[InvoiceLine], engagement: Engagement, fee: Arrangement | None, kind: LineKind,
    words: str, supplied_on: dt.date, tax: Tax,
) -> InvoiceLine:
    net = fee.left if fee else ZERO
    position = max((line.position for line in lines), default=-1) + 1
    values = line_row(invoice, engagement, kind, position, words, net, tax, supplied_on)
    if fee is not None:
        values |= {"arrangement_id": fee.id, "drawn": net}
    line = InvoiceLine(**values)
    db.session.add(line)
    db.session.flush()
    lines.append(line)
    return line
