"""Draft bills: made from WIP, adjusted line by line or in total, and taken apart again."""

from __future__ import annotations

import datetime as dt
import enum
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.amounts import Spread, TaxedLine, spread_total, tax_lines
from app.billing.commands.items import items_by_id, kind_of, open_items, set_items
from app.billing.models import (
    Invoice,
    InvoiceItem,
    InvoiceKind,
    InvoiceLine,
    InvoiceState,
    LineKind,
    TaxMode,
    Treatment,
)
from app.billing.policy import can_draft
from app.clients.models import Arrangement, Client, Engagement
from app.clients.policy import can_see
from app.core.actors import SYSTEM, Actor
from app.core.db import check_version, db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.money import round_amount
from app.core.permissions import authorize
from app.firm.models import Entity, TaxRate, TaxTreatment
from app.jobs.models import Job
from app.timekeeping.commands.wip import Item
from app.timekeeping.models import Expense, ItemState

ZERO = Decimal(0)


class Grouping(enum.StrEnum):
    """How entries become lines."""

    ENGAGEMENT = "engagement"
    JOB = "job"
    ENTRY = "entry"


@dataclass(frozen=True, kw_only=True)
class DraftFacts:
    """What a draft is made from: a client's engagements, everything worked up to and including a day."""

    client_id: UUID
    engagement_ids: tuple[UUID, ...]
    until: dt.date
    grouping: Grouping = Grouping.ENGAGEMENT
    payer_id: UUID | None = None
    run_id: UUID | None = None


def create_draft(invoice_id: UUID, facts: DraftFacts, *, by: Actor) -> Invoice:
    """Draft a bill from open WIP. The same id again gives the draft that is there. Raises Refused when nothing is open.

    Entries on a draft are locked; new time never joins it by itself (see `add_new_items`).
    """
    authorize(by, can_draft)
    with transaction() as session:
        existing = session.get(Invoice, invoice_id)
        if existing is not None:
            return existing
        engagements = _engagements(facts, by=by)
        first = engagements[0]
        if len({(e.currency, e.entity_id) for e in engagements}) > 1:
            raise Refused(
                "One bill has one currency and one entity; draft these engagements apart.", field="engagement_ids"
            )
        items = open_items([e.id for e in engagements], facts.until, seen_by=by, lock=True)
        fixed = [e for e in engagements if e.arrangement is Arrangement.FIXED and e.fixed_fee]
        if not items and not fixed:
            raise Refused("There is nothing to bill here up to that day.", field="engagement_ids")
        client = session.get_one(Client, facts.client_id)
        entity = session.get_one(Entity, first.entity_id)
        invoice = Invoice(
            id=invoice_id,
            client_id=client.id,
            payer_id=facts.payer_id or client.id,
            entity_id=entity.id,
            currency=first.currency,
            note=entity.invoice_note,
            drafted_by=by.person_id,
            run_id=facts.run_id,
            terms_days=client.terms_days if client.terms_days is not None else entity.terms_days,
        )
        session.add(invoice)
        session.flush()
        _write_lines(invoice, engagements, items, facts, _rates(engagements))
        set_items([item.id for item in items], state=ItemState.DRAFTED)
        recompute(invoice)
        record(
            "billing.invoice.draft",
            invoice,
            by=by,
            items=len(items),
            net=invoice.net,
            currency=invoice.currency,
            topics=("wip", "invoices"),
        )
        return invoice


def _engagements(facts: DraftFacts, *, by: Actor) -> list[Engagement]:
    rows = db.session.scalars(
        sa.select(Engagement)
        .where(Engagement.id.in_(facts.engagement_ids), Engagement.client_id == facts.client_id)
        .order_by(Engagement.number)
    ).all()
    if not rows or len(rows) != len(set(facts.engagement_ids)):
        raise NotFound()
    if any(not can_see(by, e.client_id, e.id) for e in rows):
        raise NotFound()
    return list(rows)


def _rates(engagements: Iterable[Engagement]) -> dict[UUID, TaxRate]:
    """The tax rate of each engagement: its own, else the firm's default."""
    rates = {rate.id: rate for rate in db.session.scalars(sa.select(TaxRate))}
    default = next((rate for rate in rates.values() if rate.is_default), None)
    found: dict[UUID, TaxRate] = {}
    for engagement in engagements:
        rate = rates.get(engagement.tax_rate_id) if engagement.tax_rate_id else default
        if rate is None:
            raise Refused("No tax rate is the firm's default; set one under Settings.", field="tax_rate_id")
        found[engagement.id] = rate
    return found


def _write_lines(
    invoice: Invoice,
    engagements: Sequence[Engagement],
    items: Sequence[Item],
    facts: DraftFacts,
    rates: dict[UUID, TaxRate],
) -> None:
    """Lines and item rows in one multi-row INSERT each."""
    names = _job_names(items) if facts.grouping is Grouping.JOB else {}
    by_id = {engagement.id: engagement for engagement in engagements}
    groups: dict[tuple[Any, ...], list[Item]] = defaultdict(list)
    for item in items:
        groups[_group_key(item, by_id[item.engagement_id], facts.grouping)].append(item)
    lines: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    seen_fixed: set[UUID] = set()
    for key, members in groups.items():
        engagement, kind = by_id[key[0]], LineKind(key[1])
        values = [(item.worked_on, item.open_value) for item in members]
        net = sum((value for _, value in values), ZERO)
        billed = [value for _, value in values]
        if kind is LineKind.FIXED:
            seen_fixed.add(engagement.id)
            net = round_amount(engagement.fixed_fee or ZERO, invoice.currency)
            billed = spread_total(net, values, Spread.PRO_RATA, invoice.currency)
        line = _line(
            invoice,
            engagement,
            kind,
            len(lines),
            _describe(engagement, kind, members, key, names),
            net,
            rates[engagement.id],
        )
        lines.append(line)
        rows += [
            {
                "invoice_id": invoice.id,
                "item_id": item.id,
                "item_kind": kind_of(item),
                "line_id": line["id"],
                "treatment": Treatment.BILL,
                "value": item.open_value,
                "billed": part,
                "live": True,
            }
            for item, part in zip(members, billed, strict=True)
        ]
    for engagement in engagements:
        if engagement.arrangement is Arrangement.FIXED and engagement.fixed_fee and engagement.id not in seen_fixed:
            lines.append(
                _line(
                    invoice,
                    engagement,
                    LineKind.FIXED,
                    len(lines),
                    engagement.name,
                    round_amount(engagement.fixed_fee, invoice.currency),
                    rates[engagement.id],
                )
            )
    db.session.execute(sa.insert(InvoiceLine), lines)
    if rows:
        db.session.execute(sa.insert(InvoiceItem), rows)


def _group_key(item: Item, engagement: Engagement, grouping: Grouping) -> tuple[Any, ...]:
    if isinstance(item, Expense):
        return (item.engagement_id, LineKind.EXPENSE, item.id)
    if engagement.arrangement is Arrangement.FIXED and engagement.fixed_fee:
        return (item.engagement_id, LineKind.FIXED)
    if grouping is Grouping.JOB:
        return (item.engagement_id, LineKind.FEE, item.job_id)
    if grouping is Grouping.ENTRY:
        return (item.engagement_id, LineKind.FEE, item.id)
    return (item.engagement_id, LineKind.FEE)


def _job_names(items: Sequence[Item]) -> dict[UUID, str]:
    ids = {item.job_id for item in items if item.job_id}
    return {row.id: row.title for row in db.session.execute(sa.select(Job.id, Job.title).where(Job.id.in_(ids)))}


def _describe(
    engagement: Engagement, kind: LineKind, members: Sequence[Item], key: tuple[Any, ...], names: dict[UUID, str]
) -> str:
    """What the client reads on the line; changeable until the bill is approved."""
    if kind is LineKind.EXPENSE:
        return members[0].narrative or "Disbursement"
    if kind is LineKind.FIXED:
        return engagement.name
    if len(key) == 3 and key[2] in names:
        return names[key[2]]
    if len(key) == 3 and len(members) == 1 and members[0].narrative:
        return members[0].narrative
    first, last = min(m.worked_on for m in members), max(m.worked_on for m in members)
    span = f"{first:%-d %B %Y}" if first == last else f"{first:%-d %B %Y} to {last:%-d %B %Y}"
    return f"{engagement.name}: professional services, {span}"


def _line(
    invoice: Invoice,
    engagement: Engagement,
    kind: LineKind,
    position: int,
    description: str,
    net: Decimal,
    rate: TaxRate,
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "invoice_id": invoice.id,
        "client_id": invoice.client_id,
        "engagement_id": engagement.id,
        "position": position,
        "kind": kind,
        "description": description,
        "quantity": Decimal(1),
        "unit_price": net,
        "net": net,
        "tax_rate_id": rate.id,
        "tax_treatment": rate.treatment,
        "tax_percent": rate.percent,
        "tax_legend": rate.legend,
        "tax": ZERO,
    }


def lines_of(invoice: Invoice) -> list[InvoiceLine]:
    return list(
        db.session.scalars(
            sa.select(InvoiceLine)
            .where(InvoiceLine.invoice_id == invoice.id)
            .order_by(InvoiceLine.position)
            .execution_options(populate_existing=True)
        )
    )


def recompute(invoice: Invoice) -> None:
    """Tax and totals of a draft from its lines."""
    lines = lines_of(invoice)
    taxed = [TaxedLine(line.net, line.tax_treatment, line.tax_percent) for line in lines]
    for line, tax in zip(lines, tax_lines(taxed, invoice.tax_mode, invoice.currency), strict=True):
        line.tax = tax
    invoice.net = sum((line.net for line in lines), ZERO)
    invoice.tax = sum((line.tax for line in lines), ZERO)
    invoice.gross = invoice.net + invoice.tax
    db.session.flush()


def _open_draft(invoice: Invoice, version: int | None) -> None:
    db.session.refresh(invoice, with_for_update=True)
    if invoice.number is not None or invoice.kind is InvoiceKind.CREDIT_NOTE:
        raise Refused(f"Invoice {invoice.number} is issued and never changes; credit it instead.")
    check_version(invoice, version)
    invoice.state = InvoiceState.DRAFT


def _items_of(invoice: Invoice, line_id: UUID | None = None) -> list[InvoiceItem]:
    statement = sa.select(InvoiceItem).where(
        InvoiceItem.invoice_id == invoice.id, InvoiceItem.treatment == Treatment.BILL
    )
    if line_id:
        statement = statement.where(InvoiceItem.line_id == line_id)
    return list(db.session.scalars(statement.execution_options(populate_existing=True)))


@dataclass(frozen=True, kw_only=True)
class LineChange:
    """A line as the person wants it; None leaves a value as it is."""

    description: str | None = None
    net: Decimal | None = None
    tax_rate_id: UUID | None = None
    spread: Spread = Spread.PRO_RATA


def change_line(invoice: Invoice, line_id: UUID, change: LineChange, *, by: Actor, version: int | None = None) -> None:
    """Reword a line, change its amount (spread back over its entries) or its tax."""
    authorize(by, can_draft, invoice)
    with transaction() as session:
        _open_draft(invoice, version)
        line = session.get(InvoiceLine, line_id)
        if line is None or line.invoice_id != invoice.id:
            raise NotFound()
        before = {"description": line.description, "net": line.net}
        if change.description is not None:
            line.description = change.description or line.description
        if change.tax_rate_id is not None:
            rate = session.get(TaxRate, change.tax_rate_id)
            if rate is None:
                raise Refused("That tax rate does not exist.", field="tax_rate_id")
            line.tax_rate_id, line.tax_treatment = rate.id, rate.treatment
            line.tax_percent, line.tax_legend = rate.percent, rate.legend
        if change.net is not None:
            _set_net(invoice, line, change.net, change.spread)
        recompute(invoice)
        record(
            "billing.invoice.change_line",
            invoice,
            by=by,
            before=before,
            after={"description": line.description, "net": line.net},
            topics=("invoices",),
        )


def _set_net(invoice: Invoice, line: InvoiceLine, net: Decimal, spread: Spread) -> None:
    if net < 0:
        raise Refused("An amount on a bill cannot be below zero; make a credit note.", field="net")
    line.net = line.unit_price = round_amount(net, invoice.currency)
    line.quantity = Decimal(1)
    rows = _items_of(invoice, line.id)
    if not rows:
        return
    dates = {
        item_id: item.worked_on for item_id, item in items_by_id([row.item_id for row in rows], seen_by=SYSTEM).items()
    }
    parts = spread_total(line.net, [(dates[row.item_id], row.value) for row in rows], spread, invoice.currency)
    for row, part in zip(rows, parts, strict=True):
        row.billed = part


def adjust_total(
    invoice: Invoice,
    net: Decimal,
    *,
    by: Actor,
    spread: Spread = Spread.PRO_RATA,
    reason: str = "",
    version: int | None = None,
) -> None:
    """Set the net total; the difference falls on the lines by their amount, and from them on the entries."""
    authorize(by, can_draft, invoice)
    with transaction():
        _open_draft(invoice, version)
        lines = [line for line in lines_of(invoice) if line.kind is not LineKind.EXPENSE or line.net]
        if net < 0 or not lines:
            raise Refused("The total of a bill cannot be below zero.", field="net")
        before = invoice.net
        rounded = round_amount(net, invoice.currency)
        parts = spread_total(rounded, [(dt.date.min, line.net) for line in lines], Spread.PRO_RATA, invoice.currency)
        for line, part in zip(lines, parts, strict=True):
            _set_net(invoice, line, part, spread)
        invoice.reason = reason.strip() or invoice.reason
        recompute(invoice)
        record(
            "billing.invoice.adjust",
            invoice,
            by=by,
            before=before,
            after=invoice.net,
            reason=reason,
            spread=spread,
            topics=("invoices",),
        )


def add_line(
    invoice: Invoice, line_id: UUID, description: str, net: Decimal, *, by: Actor, tax_rate_id: UUID | None = None
) -> None:
    """Add a line that stands for no entry (a fee agreed otherwise). The same id again changes nothing."""
    authorize(by, can_draft, invoice)
    with transaction() as session:
        if session.get(InvoiceLine, line_id) is not None:
            return
        _open_draft(invoice, None)
        if not description.strip():
            raise Refused("Say what the line is for.", field="description")
        lines = lines_of(invoice)
        engagement = (
            session.get_one(Engagement, next(line.engagement_id for line in lines if line.engagement_id))
            if lines
            else None
        )
        if engagement is None:
            raise Refused("A bill starts from an engagement.", field="description")
        rate = session.get(TaxRate, tax_rate_id) if tax_rate_id else _rates([engagement])[engagement.id]
        if rate is None:
            raise Refused("That tax rate does not exist.", field="tax_rate_id")
        values = _line(
            invoice,
            engagement,
            LineKind.TEXT,
            len(lines),
            description.strip(),
            round_amount(net, invoice.currency),
            rate,
        )
        session.execute(sa.insert(InvoiceLine), [values | {"id": line_id}])
        recompute(invoice)
        record("billing.invoice.add_line", invoice, by=by, net=net, topics=("invoices",))


def remove_line(invoice: Invoice, line_id: UUID, *, by: Actor) -> None:
    """Take a line off; its entries go back to WIP."""
    authorize(by, can_draft, invoice)
    with transaction() as session:
        _open_draft(invoice, None)
        line = session.get(InvoiceLine, line_id)
        if line is None or line.invoice_id != invoice.id:
            return
        ids = [row.item_id for row in _items_of(invoice, line_id)]
        session.execute(
            sa.delete(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id, InvoiceItem.line_id == line_id)
        )
        session.delete(line)
        session.flush()
        set_items(ids, state=ItemState.OPEN)
        recompute(invoice)
        record("billing.invoice.remove_line", invoice, by=by, items=len(ids), topics=("wip", "invoices"))


def treat_item(invoice: Invoice, item_id: UUID, treatment: Treatment, *, by: Actor) -> None:
    """Bill an entry, write it off with the bill, or leave it for later; the line follows."""
    authorize(by, can_draft, invoice)
    with transaction() as session:
        _open_draft(invoice, None)
        row = session.get(InvoiceItem, (invoice.id, item_id), populate_existing=True, with_for_update=True)
        if row is None:
            raise NotFound()
        if row.treatment is treatment:
            return
        if row.treatment is Treatment.LATER:
            item = items_by_id([item_id], seen_by=by, lock=True).get(item_id)
            if item is None or item.state is not ItemState.OPEN:
                raise Refused("That entry is on another bill by now.")
            row.value = item.open_value
        line = session.get(InvoiceLine, row.line_id) if row.line_id else None
        change = -row.billed if treatment is not Treatment.BILL else row.value
        row.billed = ZERO if treatment is not Treatment.BILL else row.value
        row.treatment = treatment
        if line is not None:
            line.net += change
            line.unit_price = line.net
        session.flush()
        set_items([item_id], state=ItemState.OPEN if treatment is Treatment.LATER else ItemState.DRAFTED)
        recompute(invoice)
        record(
            "billing.invoice.treat_item",
            invoice,
            by=by,
            item=str(item_id),
            treatment=treatment,
            topics=("wip", "invoices"),
        )


def add_new_items(invoice: Invoice, until: dt.date, *, by: Actor) -> int:
    """Take time recorded since into the draft, onto the line of its engagement. Returns how many entries joined."""
    authorize(by, can_draft, invoice)
    with transaction() as session:
        _open_draft(invoice, None)
        lines = lines_of(invoice)
        homes = {line.engagement_id: line for line in reversed(lines) if line.kind is not LineKind.EXPENSE}
        already = set(session.scalars(sa.select(InvoiceItem.item_id).where(InvoiceItem.invoice_id == invoice.id)))
        items = [
            item for item in open_items([e for e in homes if e], until, seen_by=by, lock=True) if item.id not in already
        ]
        for item in items:
            line = homes[item.engagement_id]
            extra = ZERO if line.kind is LineKind.FIXED else item.open_value
            session.add(
                InvoiceItem(
                    invoice_id=invoice.id,
                    item_id=item.id,
                    item_kind=kind_of(item),
                    line_id=line.id,
                    value=item.open_value,
                    billed=extra,
                )
            )
            line.net += extra
            line.unit_price = line.net
        session.flush()
        set_items([item.id for item in items], state=ItemState.DRAFTED)
        recompute(invoice)
        record("billing.invoice.add_items", invoice, by=by, items=len(items), topics=("wip", "invoices"))
        return len(items)


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
        _open_draft(invoice, version)
        if not 0 <= terms.terms_days <= 365:
            raise Refused("Terms are between 0 and 365 days.", field="terms_days")
        invoice.terms_days, invoice.note = terms.terms_days, terms.note
        invoice.tax_mode, invoice.reason = terms.tax_mode, terms.reason or invoice.reason
        recompute(invoice)
        record("billing.invoice.change_terms", invoice, by=by, topics=("invoices",))


def discard_draft(invoice: Invoice, *, by: Actor) -> None:
    """Take a draft apart; every entry goes back to WIP as it was."""
    authorize(by, can_draft, invoice)
    with transaction() as session:
        _open_draft(invoice, None)
        ids = [
            row.item_id
            for row in session.scalars(
                sa.select(InvoiceItem).where(
                    InvoiceItem.invoice_id == invoice.id, InvoiceItem.treatment != Treatment.LATER
                )
            )
        ]
        session.execute(sa.delete(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id))
        set_items(ids, state=ItemState.OPEN)
        record("billing.invoice.discard", invoice, by=by, net=invoice.net, topics=("wip", "invoices"))
        for line in lines_of(invoice):
            session.delete(line)
        session.flush()
        session.delete(invoice)


def submit_for_approval(invoice: Invoice, *, by: Actor) -> None:
    """Say that a draft is ready for whoever approves."""
    authorize(by, can_draft, invoice)
    with transaction():
        _open_draft(invoice, None)
        invoice.state = InvoiceState.AWAITING
        record(
            "billing.invoice.submit", invoice, by=by, net=invoice.net, currency=invoice.currency, topics=("invoices",)
        )


def needs_tax_number(treatment: TaxTreatment) -> bool:
    """Reverse charge names the customer's own VAT number (Directive 2006/112/EC, art. 226(4))."""
    return treatment is TaxTreatment.REVERSE_CHARGE
