"""Draft bills: made from WIP, added to, submitted, and taken apart again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.approvals.commands import close_pending
from app.approvals.models import ApprovalKind
from app.billing.commands.approving import ask_for_bill, invoice_asker, judge_bill
from app.billing.commands.drafting import Material, build
from app.billing.commands.fees import keep_drawn, lock_arrangements, take_turns
from app.billing.commands.items import Taken, set_items, settle_days_of, take_items
from app.billing.commands.payer import agreed_payer, payer_for, terms_of, usual_payer
from app.billing.commands.totals import hold_bill, items_on, lines_of, open_draft, recompute
from app.billing.models import Invoice, InvoiceItem, InvoiceLine, InvoiceState, TaxMode, Treatment
from app.billing.policy import can_draft
from app.billing.taxing import Taxing
from app.clients.models import Arrangement, ArrangementKind, Client, Engagement
from app.clients.policy import can_see
from app.core import clock
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.firm.models import Entity, Grouping
from app.firm.taxes import tax_table
from app.jobs.models import Job
from app.timekeeping.commands.wip import Item
from app.timekeeping.models import ItemState
from app.timekeeping.waiting import count_waiting


@dataclass(frozen=True, kw_only=True)
class DraftFacts:
    """What a draft is made from: a client's engagements, everything worked up to and including a day.

    Without grouping or payer it is what was agreed for the engagements, else with the client, else the firm's usual.
    """

    client_id: UUID
    engagement_ids: tuple[UUID, ...]
    until: dt.date
    grouping: Grouping | None = None
    payer_id: UUID | None = None
    run_id: UUID | None = None


def create_draft(invoice_id: UUID, facts: DraftFacts, *, by: Actor) -> Invoice:
    """Draft a bill from open WIP. Raises Refused when nothing is open.

    The same id with the same facts gives the draft that is there; with others it is a Conflict.
    Entries on a draft are locked; new time never joins it by itself (see `adding.add_new_items`).
    """
    authorize(by, can_draft)
    with transaction():
        said = digest_of(facts)
        existing = made_before(Invoice, invoice_id, said, seen=lambda row: can_draft(by, row))
        if existing is not None:
            return existing
        payer_id = facts.payer_id or agreed_payer(facts.client_id, facts.engagement_ids)
        take_turns(facts.client_id, payer_id)
        engagements, client, entity = _engagements(facts, by=by)
        if facts.payer_id:
            payer = payer_for(payer_id, client, by=by)
        elif payer_id == agreed_payer(client.id, facts.engagement_ids):
            payer = usual_payer(payer_id, client, by=by)
        else:
            raise Refused("Somebody has just changed who pays for this. Draft the bill again.", field="engagement")
        grouping = facts.grouping or usual_grouping(engagements, client, entity)
        arrangements = lock_arrangements([e.id for e in engagements])
        fees = [fee for e in engagements for fee in fees_left(arrangements.get(e.id, ()), facts.until)]
        items = take_items([e.id for e in engagements], facts.until, seen_by=by)
        if not items and not fees:
            raise Refused(_nothing_to_bill(engagements, arrangements, facts.until, by=by), field="engagement")
        invoice = Invoice(
            id=invoice_id,
            client_id=client.id,
            payer_id=payer.id,
            entity_id=entity.id,
            currency=engagements[0].currency,
            note=entity.invoice_note,
            drafted_by=by.person_id,
            run_id=facts.run_id,
            until_on=facts.until,
            grouping=grouping,
            made_from=said,
            terms_days=terms_of(payer, entity),
        )
        taxing = Taxing(tax_table(), entity, clock.today())
        material = Material(
            engagements=engagements, arrangements=arrangements, items=items, grouping=grouping, taxing=taxing,
            codes=codes_of(engagements, payer, taxing), fees=fees, job_titles=job_titles_of(items, grouping),
        )
        _write(invoice, material)
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


def usual_grouping(engagements: Sequence[Engagement], client: Client, entity: Entity) -> Grouping:
    """How their time stands on a bill: as was agreed for these engagements where that is one way, else with the client,
    else as the entity does it."""
    own = {each.line_grouping for each in engagements}
    return (next(iter(own)) if len(own) == 1 else None) or client.line_grouping or entity.line_grouping


def _engagements(facts: DraftFacts, *, by: Actor) -> tuple[list[Engagement], Client, Entity]:
    """The engagements in order, whose they are, and who bills."""
    rows = db.session.execute(
        sa.select(Engagement, Client, Entity)
        .join(Client, Client.id == Engagement.client_id)
        .join(Entity, Entity.id == Engagement.entity_id)
        .where(Engagement.id.in_(facts.engagement_ids), Engagement.client_id == facts.client_id)
        .order_by(Engagement.number)
    ).all()
    if not rows or len(rows) != len(set(facts.engagement_ids)):
        raise NotFound()
    if any(not can_see(by, engagement.client_id, engagement.id) for engagement, _, _ in rows):
        raise NotFound()
    if len({(engagement.currency, engagement.entity_id) for engagement, _, _ in rows}) > 1:
        raise Refused(
            "One bill has one currency and one entity; draft these engagements separately.", field="engagement"
        )
    return [row[0] for row in rows], rows[0][1], rows[0][2]


def taxing_of(invoice: Invoice, day: dt.date | None = None) -> Taxing:
    """The rates that hold for a bill of this entity on a day, today unless said."""
    return Taxing(tax_table(), db.session.get_one(Entity, invoice.entity_id), day or clock.today())


def codes_of(engagements: Iterable[Engagement], payer: Client, taxing: Taxing) -> dict[UUID, str]:
    """The tax of each engagement: its own, else its payer's, the entity's, the firm's usual one."""
    return {engagement.id: taxing.code(engagement.tax_code, payer.tax_code) for engagement in engagements}


def fees_left(arrangements: Sequence[Arrangement], until: dt.date) -> list[Arrangement]:
    """The fixed fees that hold by a day and of which something is left to bill."""
    return [
        each
        for each in sorted(arrangements, key=lambda each: each.from_on or dt.date.min)
        if each.kind is ArrangementKind.FIXED
        and each.archived_at is None
        and each.left > 0
        and (each.from_on is None or each.from_on <= until)
    ]


def _nothing_to_bill(
    engagements: Sequence[Engagement], arrangements: Mapping[UUID, Sequence[Arrangement]], until: dt.date, *, by: Actor
) -> str:
    """Why there is nothing: most often a fee that another draft has taken meanwhile."""
    taken = {
        fee.id: engagement
        for engagement in engagements
        for fee in arrangements.get(engagement.id, ())
        if fee.kind is ArrangementKind.FIXED and fee.archived_at is None and fee.left == 0
    }
    drafted = db.session.scalars(
        sa.select(InvoiceLine.arrangement_id)
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(InvoiceLine.arrangement_id.in_(list(taken)), InvoiceLine.drawn > 0, Invoice.number.is_(None))
    ).first()
    if drafted is not None:
        return f"The fee for “{taken[drafted].name}” is on a draft already."
    if taken:
        named = next(iter(taken.values())).name
        return f"The fee for “{named}” is billed in full; agree another one, or write off the time beyond it."
    waiting = count_waiting(seen_by=by, engagement_ids=[engagement.id for engagement in engagements], until=until)
    if waiting.count:
        verb = "waits" if waiting.count == 1 else "wait"
        return f"There is nothing to bill here up to that day: {waiting.words} {verb} for a rate."
    return "There is nothing to bill here up to that day."


def _write(invoice: Invoice, material: Material) -> None:
    """The invoice, its lines and its items: one INSERT each, whatever their number."""
    invoice.tax_mode = TaxMode.LINE
    lines, rows = build(invoice, material)
    db.session.add(invoice)
    db.session.flush()
    db.session.execute(sa.insert(InvoiceLine), lines)
    if rows:
        db.session.execute(sa.insert(InvoiceItem), rows)
    keep_drawn(line["arrangement_id"] for line in lines)


def job_titles_of(items: Iterable[Taken | Item], grouping: Grouping) -> dict[UUID, str]:
    ids = {item.job_id for item in items if item.job_id} if grouping is Grouping.JOB else set()
    if not ids:
        return {}
    return {row.id: row.title for row in db.session.execute(sa.select(Job.id, Job.title).where(Job.id.in_(ids)))}


def discard_draft(invoice: Invoice, *, by: Actor) -> None:
    """Take a draft apart; every entry goes back to WIP as it was."""
    authorize(by, can_draft, invoice)
    with transaction() as session:
        open_draft(invoice, entries=None)
        close_pending(ApprovalKind.BILL, invoice.id, "the draft was taken apart", by=by)
        ids = session.scalars(
            sa.select(InvoiceItem.item_id).where(
                InvoiceItem.invoice_id == invoice.id, InvoiceItem.treatment != Treatment.LATER
            )
        ).all()
        session.execute(sa.delete(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id))
        set_items(ids, state=ItemState.OPEN)
        record(
            "billing.invoice.discard",
            invoice,
            by=by,
            net=invoice.net,
            currency=invoice.currency,
            topics=("wip", "invoices"),
        )
        fees = session.scalars(
            sa.delete(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id).returning(InvoiceLine.arrangement_id)
        ).all()
        keep_drawn(fees)
        session.execute(sa.delete(Invoice).where(Invoice.id == invoice.id))
        session.expunge(invoice)
        settle_days_of(ids, by=by)


def submit_for_approval(invoice: Invoice, *, by: Actor) -> None:
    """Ask for the approval of a draft, as it stands, by whoever may."""
    authorize(by, can_draft, invoice)
    with transaction():
        open_draft(invoice)
        recompute(invoice)
        lines = lines_of(invoice)
        if not lines:
            raise Refused("A bill needs at least one line.")
        rows = items_on(invoice)
        ask_for_bill(invoice, lines, rows, judge_bill(invoice, lines, rows, clock.today(), by=by), by=by)
        record(
            "billing.invoice.submit", invoice, by=by, net=invoice.net, currency=invoice.currency, topics=("invoices",)
        )


def return_to_draft(invoice: Invoice, reason: str, *, by: Actor) -> None:
    """Send a submitted draft back to whoever prepared it, with what is to be changed."""
    authorize(by, can_draft, invoice)
    with transaction():
        hold_bill(invoice)
        if invoice.state is not InvoiceState.AWAITING:
            raise Refused("This bill is not waiting for approval.")
        open_draft(invoice)
        word, mine = reason.strip(), invoice_asker(invoice) == by.person_id
        close_pending(ApprovalKind.BILL, invoice.id, word, by=by, declined=bool(word) and not mine)
        record("billing.invoice.return", invoice, by=by, reason=reason.strip(), topics=("invoices",))
