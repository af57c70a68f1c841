"""Who pays a bill: chosen on its draft. The payer owes and sees it; for whom the work was done stays its client."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.commands.totals import lines_of, open_draft, recompute
from app.billing.models import Invoice, InvoiceItem
from app.billing.policy import can_draft
from app.billing.taxing import Taxing
from app.clients.models import Client, Engagement
from app.clients.policy import can_see
from app.core import clock
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.permissions import authorize
from app.firm.models import Entity
from app.firm.taxes import tax_table
from app.timekeeping.models import Expense


def payer_for(payer_id: UUID, client: Client, *, by: Actor) -> Client:
    """A client who may pay a bill for another. Raises NotFound, and Refused with what does not fit.

    A client belongs to no entity and may owe in any currency: whichever entity issues the bill, and in whatever
    currency, its payer pays into that one's account.
    """
    payer = db.session.get(Client, payer_id)
    if payer is None or not can_see(by, payer.id):
        raise NotFound()
    if payer.id == client.id:
        return payer
    if payer.is_firm:
        raise Refused("The firm does not bill itself.", field="payer")
    if payer.archived_at is not None:
        raise Refused(f"{payer.name} is archived. Restore it first, or name another payer.", field="payer")
    return payer


def agreed_payer(client_id: UUID, engagement_ids: Collection[UUID]) -> UUID:
    """Who pays for these engagements of a client as agreed: each one's own payer, else the client's, else the client.

    Raises Refused where they are several.
    """
    found = db.session.scalars(
        sa.select(sa.func.coalesce(Engagement.payer_id, Client.payer_id, Client.id)).distinct()
        .select_from(Engagement).join(Client, Client.id == Engagement.client_id)
        .where(Engagement.id.in_(engagement_ids), Engagement.client_id == client_id)
    ).all()
    if len(found) > 1:
        raise Refused("Different clients pay for these engagements; draft a bill for each payer.", field="engagement")
    return found[0] if found else client_id


def usual_payer(payer_id: UUID, client: Client, *, by: Actor) -> Client:
    """The payer that was agreed, unless they cannot pay any more. Raises Refused with what to do."""
    payer = db.session.get_one(Client, payer_id)
    if not can_see(by, payer.id):
        raise Refused(
            f"Bills for {client.name} go to a client that you may not see. Ask a colleague to draft this one.",
            field="engagement",
        )
    if payer.archived_at is not None and payer.id != client.id:
        raise Refused(
            f"Bills for {client.name} go to {payer.name}, who is archived. Name another payer on the client or the "
            f"engagement, or restore {payer.name}.", field="engagement",
        )
    return payer


def terms_of(payer: Client, entity: Entity) -> int:
    """After how many days the payer's bills are due."""
    return payer.terms_days if payer.terms_days is not None else entity.terms_days


def change_payer(invoice: Invoice, payer_id: UUID, *, by: Actor, version: int | None = None) -> None:
    """Let another client pay a draft. Terms and taxes that were the old payer's usual ones become the new one's; what
    was chosen for this draft stays. The payer that it has already changes nothing."""
    authorize(by, can_draft, invoice)
    with transaction() as session:
        payer = payer_for(payer_id, session.get_one(Client, invoice.client_id), by=by)
        open_draft(invoice, version, payer_id=payer.id)
        before = session.get_one(Client, invoice.payer_id)
        if before.id == payer.id:
            return
        entity, table = session.get_one(Entity, invoice.entity_id), tax_table()
        if invoice.terms_days == terms_of(before, entity):
            invoice.terms_days = terms_of(payer, entity)
        lines = lines_of(invoice)
        own = dict(
            session.execute(
                sa.select(Engagement.id, Engagement.tax_code).where(
                    Engagement.id.in_([line.engagement_id for line in lines if line.engagement_id])
                )
            ).all()
        )
        said = set(session.scalars(
            sa.select(InvoiceItem.line_id).join(Expense, Expense.id == InvoiceItem.item_id)
            .where(InvoiceItem.invoice_id == invoice.id, Expense.tax_code.is_not(None))
        ))
        taxing = Taxing(table, entity, clock.today())
        for line in lines:
            if line.engagement_id is None or line.id in said or own.get(line.engagement_id) is not None:
                continue
            if line.tax_code == taxing.code(None, before.tax_code):
                line.tax_code = taxing.code(None, payer.tax_code)
        invoice.payer_id = payer.id
        session.flush()
        recompute(invoice)
        record(
            "billing.invoice.change_payer", invoice, by=by, before=before.name, payer=payer.name, topics=("invoices",)
        )
