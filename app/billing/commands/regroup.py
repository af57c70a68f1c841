"""Making the lines of a draft anew: its time by engagement, by job or by entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.commands.drafting import describe, home_of
from app.billing.commands.drafts import job_titles_of
from app.billing.commands.items import items_by_id
from app.billing.commands.totals import lines_of, open_draft, recompute
from app.billing.hours import once
from app.billing.models import Invoice, InvoiceItem, InvoiceLine, LineKind, Treatment
from app.billing.policy import can_draft
from app.clients.models import Engagement
from app.core.actors import SYSTEM, Actor
from app.core.db import db, transaction
from app.core.ids import new_id
from app.core.permissions import authorize
from app.firm.models import Entity, Grouping
from app.timekeeping.commands.wip import Item

ZERO = Decimal(0)
KEPT = ("invoice_id", "client_id", "engagement_id", "currency", "kind", "decimals", "rest", "supplied_on", "tax_code",
        "tax_treatment", "tax_category", "tax_percent", "tax_legend")  # fmt: skip


def regroup_draft(invoice: Invoice, grouping: Grouping, *, by: Actor, version: int | None = None) -> None:
    """Make the lines of a draft's time anew, by `grouping`; what it had already changes nothing.

    What is billed, written off and left of each entry stays, and so does the tax of its line; lines of time are
    described anew. Fees, expenses and written lines stay as they are.
    """
    authorize(by, can_draft, invoice)
    with transaction() as session:
        open_draft(invoice, version, entries=None)
        if invoice.grouping is grouping:
            return
        before, invoice.grouping = invoice.grouping, grouping
        lines, behind = lines_of(invoice), _behind(invoice)
        anew = [line for line in lines if line.kind is LineKind.FEE and line.id in behind]
        items = items_by_id([row.item_id for line in anew for row in behind[line.id]], seen_by=SYSTEM)
        titles = job_titles_of(items.values(), grouping)
        country = session.get_one(Entity, invoice.entity_id).country
        groups: dict[tuple[Any, ...], list[tuple[InvoiceItem, Item]]] = defaultdict(list)
        model: dict[tuple[Any, ...], InvoiceLine] = {}
        for line in anew:
            for row in behind[line.id]:
                home = home_of(items[row.item_id], grouping)
                key = (line.engagement_id, home, line.tax_code, line.tax_percent, line.rest)
                groups[key].append((row, items[row.item_id]))
                model.setdefault(key, line)
        made: dict[UUID | None, list[InvoiceLine]] = defaultdict(list)
        for key, members in sorted(groups.items(), key=lambda group: min(i.worked_on for _, i in group[1])):
            made[key[0]].append(_line(model[key], key[1], members, titles, country))
        _place(lines, anew, made)
        session.flush()
        recompute(invoice)
        record(
            "billing.invoice.regroup", invoice, by=by, before=before, grouping=grouping, lines=len(groups),
            topics=("invoices",),
        )


def _behind(invoice: Invoice) -> Mapping[UUID, list[InvoiceItem]]:
    rows: dict[UUID, list[InvoiceItem]] = {}
    wanted = sa.select(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id).order_by(InvoiceItem.item_id)
    for row in db.session.scalars(wanted.execution_options(populate_existing=True)):
        rows.setdefault(row.line_id, []).append(row)
    return rows


def _line(
    model: InvoiceLine, home: UUID | None, members: Sequence[tuple[InvoiceItem, Item]], titles: dict[UUID, str],
    country: str,
) -> InvoiceLine:
    """A line like the one that these entries stood on, with them alone."""
    engagement = db.session.get_one(Engagement, model.engagement_id)
    told = sorted(
        [item for row, item in members if row.treatment is Treatment.BILL] or [item for _, item in members],
        key=lambda item: (item.worked_on, item.id),
    )
    net = sum((row.billed for row, _ in members), ZERO)
    line = InvoiceLine(
        id=new_id(), position=model.position, tax=ZERO, net=net, **once(net),
        description=describe(engagement, told, home, titles, country),
        **{name: getattr(model, name) for name in KEPT},
    )
    db.session.add(line)
    db.session.flush()
    for row, _ in members:
        row.line_id = line.id
    return line


def _place(
    lines: Sequence[InvoiceLine], anew: Sequence[InvoiceLine], made: dict[UUID | None, list[InvoiceLine]]
) -> None:
    """New lines stand where the first of those stood that they are made from."""
    db.session.flush()
    gone = {line.id for line in anew}
    placed: list[InvoiceLine] = []
    for line in lines:
        if line.id in gone:
            placed += made.pop(line.engagement_id, [])
            db.session.delete(line)
        else:
            placed.append(line)
    for position, line in enumerate(placed):
        line.position = position
