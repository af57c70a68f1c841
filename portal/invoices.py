"""Invoices: the list, the page, the PDF straight from storage."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, g, redirect, render_template

from app.activity.commands import record
from app.billing.models import Invoice
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotFound
from app.core.storage import storage
from app.core.web import Answer, me, page_number
from app.firm.models import Entity
from portal.door import chosen_clients, signed_in_only
from portal.readings import Bill, get_bill, lines_of, list_bills, list_owed, list_paid_by_others, sums_of

blueprint = Blueprint("invoices", __name__, url_prefix="/invoices")


@blueprint.get("/")
@signed_in_only
def index() -> Answer:
    clients = chosen_clients()
    bills, has_next = list_bills(clients, seen_by=me(), page=page_number())
    owed = list_owed(clients, seen_by=me())
    return render_template(
        "portal/invoices/index.html", bills=bills, has_next=has_next, page=page_number(),
        owed=owed, owed_in_all=sums_of(owed), late_in_all=sums_of(owed, late=True),
        others=list_paid_by_others(clients, seen_by=me()),
    )


@blueprint.get("/<uuid:invoice_id>")
@signed_in_only
def show(invoice_id: UUID) -> Answer:
    bill = get_bill(invoice_id, seen_by=me())
    _see(bill)
    return render_template("portal/invoices/show.html", bill=bill, lines=lines_of(bill, seen_by=me()),
                           entity=db.session.get(Entity, bill.entity_id),
                           client=g.visit.clients.get(bill.payer_id, ""))


@blueprint.get("/<uuid:invoice_id>/pdf")
@signed_in_only
def show_pdf(invoice_id: UUID) -> Answer:
    """To storage, by a link that works for two minutes; downloading is recorded."""
    bill = get_bill(invoice_id, seen_by=me())
    if bill.pdf_key is None:
        raise NotFound()
    with transaction():
        record("billing.invoice.downloaded", _subject(bill), by=me(), client_id=bill.client_id, number=bill.number)
    return redirect(storage().link(bill.pdf_key, name=f"{bill.number}.pdf", content_type="application/pdf"), 303)


def _see(bill: Bill) -> None:
    """The first look is kept on the invoice and in the log."""
    if bill.viewed_at is not None or bill.is_void:
        return
    with transaction() as session:
        session.execute(sa.update(Invoice).where(Invoice.id == bill.id).values(viewed_at=now()))
        record("billing.invoice.viewed", _subject(bill), by=me(), client_id=bill.client_id, number=bill.number)


def _subject(bill: Bill) -> Invoice:
    """Only its name for the log: a contact may not load the whole row."""
    return Invoice(id=bill.id)
