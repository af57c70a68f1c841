"""The list of issued bills and the page of one."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, url_for

from app.billing.models import InvoiceKind, InvoiceState
from app.billing.policy import can_approve, can_draft, can_record_payment
from app.billing.queries.behind import comments_on, sums_of_lines
from app.billing.queries.invoices import (
    PENDING,
    PER_PAGE,
    STANDINGS,
    InvoiceFilter,
    count_failed,
    credit_note_of,
    get_invoice,
    list_invoices,
    printed_due,
    standing_of,
)
from app.billing.queries.payments import allocations_of
from app.billing.views.draft_page import draft_page
from app.billing.views.wip import column_asked
from app.clients.queries import get_client
from app.core.ids import new_id
from app.core.permissions import Permission
from app.core.web import Answer, arg, id_arg, me, page_number
from app.delivery.queries import list_mails_about, mail_troubles
from app.desk.guard import guard
from app.ledger.queries import list_postings
from app.people.queries import list_people

blueprint = guard(Blueprint("invoices", __name__))


def invoice_filter() -> InvoiceFilter:
    standing = arg("standing")
    return InvoiceFilter(
        standing=standing if standing in STANDINGS else "",
        text=arg("q"),
        client_id=id_arg("client"),
        payer_id=id_arg("payer"),
        run_id=id_arg("run"),
        **column_asked(),
    )


@blueprint.get("/billing/invoices")
def index() -> Answer:
    found, sort = invoice_filter(), arg("sort", "-number")
    invoices = list_invoices(found, seen_by=me(), sort=sort, page=page_number())
    return render_template(
        "billing/invoices/index.html",
        found=found,
        sort=sort,
        standing_of=standing_of,
        invoices=invoices,
        troubles=mail_troubles("invoice", [invoice.id for invoice in invoices.rows], seen_by=me()),
        per_page=PER_PAGE,
        failed=count_failed(seen_by=me()),
        may_draft=can_draft(me()),
        may_export=me().may(Permission.EXPORT),
    )


@blueprint.get("/clients/<uuid:client_id>/invoices")
def client_section(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    found = InvoiceFilter(client_id=client.id)
    drafts = InvoiceFilter(client_id=client.id, standing="pending")
    invoices = list_invoices(found, seen_by=me())
    return render_template(
        "billing/invoices/_client.html",
        client=client,
        standing_of=standing_of,
        invoices=invoices,
        troubles=mail_troubles("invoice", [invoice.id for invoice in invoices.rows], seen_by=me()),
        drafts=list_invoices(drafts, seen_by=me(), sort="-created"),
        may_draft=can_draft(me()),
    )


@blueprint.get("/billing/invoices/<uuid:invoice_id>")
def show(invoice_id: UUID) -> Answer:
    """A draft, to be worked on, or what was issued, with everything behind its figures."""
    invoice = get_invoice(invoice_id, seen_by=me())
    if invoice.state in PENDING:
        return draft_page(invoice)
    names = {person.id: person.name for person in list_people(seen_by=me(), everyone=True)}
    mails = list_mails_about("invoice", invoice.id, seen_by=me())
    credited = invoice.credits_id and get_invoice(invoice.credits_id, seen_by=me())
    note = credit_note_of(invoice, seen_by=me()) if invoice.state is InvoiceState.VOID else None
    return render_template(
        "billing/invoices/show.html",
        invoice=invoice,
        standing=standing_of(invoice),
        is_credit=invoice.kind is InvoiceKind.CREDIT_NOTE,
        sums=sums_of_lines(invoice, seen_by=me()),
        allocations=allocations_of(seen_by=me(), invoice_id=invoice.id),
        postings=list_postings(seen_by=me(), invoice_id=invoice.id, limit=100),
        credited=credited,
        printed_due=printed_due(invoice),
        note=note,
        comments=comments_on(invoice, seen_by=me()),
        names=names,
        mails=mails,
        trouble=min((mail.state.value for mail in mails if mail.is_open), default=""),
        credit_id=new_id(),
        send_id=new_id(),
        may_approve=can_approve(me(), invoice),
        may_pay=can_record_payment(me()),
        pay_url=url_for("payments.new", client=invoice.payer_id),
    )
