"""Drafts: the list, making one from a client's WIP, its head, and taking it apart."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.billing.commands.adding import add_new_items
from app.billing.commands.drafts import (
    DraftFacts,
    create_draft,
    discard_draft,
    fees_left,
    return_to_draft,
    submit_for_approval,
    usual_grouping,
)
from app.billing.commands.lines import change_terms
from app.billing.commands.payer import change_payer
from app.billing.commands.regroup import regroup_draft
from app.billing.forms import AddressForm, DraftForm, GroupingForm, PayerForm, TermsForm
from app.billing.policy import can_draft
from app.billing.queries.aged import AgedRow
from app.billing.queries.invoices import PER_PAGE, InvoiceFilter, get_invoice, list_invoices
from app.billing.queries.payers import other_payers
from app.billing.queries.wip import wip_by_engagement
from app.billing.views.draft_page import draft_page, draft_partial, draft_refused
from app.clients.commands.clients import give_address
from app.clients.models import Arrangement, Client
from app.clients.queries import engagements_of, get_client
from app.core import clock
from app.core.db import db
from app.core.errors import Refused
from app.core.ids import parse_id
from app.core.permissions import authorize
from app.core.web import Answer, arg, form_id, me, page_number, redirect_to, submit, unprocessable
from app.desk.guard import guard
from app.firm.forms import GROUPINGS
from app.firm.models import Entity
from app.timekeeping.policy import can_edit_rates
from app.timekeeping.waiting import count_waiting

blueprint = guard(Blueprint("drafts", __name__))


@blueprint.get("/billing/drafts")
def index() -> Answer:
    standing = arg("standing") if arg("standing") in ("draft", "awaiting") else "pending"
    found = InvoiceFilter(standing=standing, text=arg("q"))
    return render_template(
        "billing/drafts/index.html",
        drafts=list_invoices(found, seen_by=me(), sort=arg("sort", "-created"), page=page_number()),
        found=found,
        sort=arg("sort", "-created"),
        per_page=PER_PAGE,
        may_draft=can_draft(me()),
        may_approve=me().may("billing.invoice.approve"),
    )


@blueprint.get("/billing/clients/<uuid:client_id>/draft")
def new(client_id: UUID) -> Answer:
    authorize(me(), can_draft)
    client = get_client(client_id, seen_by=me())
    form = DraftForm(until=clock.today())
    form.id.data = str(form_id(form))
    rows, fees = _billable(client)
    payers = other_payers(client.id, seen_by=me())
    alike = [(row.currency, payers.get(row.id)) for row in rows]
    chosen = {row.id for row, kind in zip(rows, alike, strict=True) if kind == alike[0]}
    return render_template("billing/drafts/new.html", **_offer(form, client, rows, fees, chosen))


def _billable(client: Client) -> tuple[list[AgedRow], list[Arrangement]]:
    """Engagements with WIP, and what is left of their fixed fees; a fee may have no time yet."""
    engagements = engagements_of(client.id, seen_by=me(), open_only=True)
    fees = [fee for each in engagements for fee in fees_left(each.arrangements, clock.today())]
    return wip_by_engagement(client.id, seen_by=me()), fees


def _offer(
    form: DraftForm, client: Client, rows: list[AgedRow], fees: list[Arrangement], chosen: set[UUID]
) -> dict[str, Any]:
    known = {row.id for row in rows}
    engagements = engagements_of(client.id, seen_by=me(), open_only=True)
    picked = [each for each in engagements if each.id in chosen]
    if picked:
        entity = db.session.get_one(Entity, picked[0].entity_id)
        words = GROUPINGS[usual_grouping(picked, client, entity)]
        form.grouping.call_empty(f"As agreed: {words[0].lower()}{words[1:]}")
    return {
        "form": form,
        "client": client,
        "rows": rows,
        "fees": {row.id: [fee for fee in fees if fee.engagement_id == row.id] for row in rows},
        "fixed": [fee for fee in fees if fee.engagement_id not in known],
        "names": {each.id: each.name for each in engagements},
        "payers": other_payers(client.id, seen_by=me()),
        "chosen": chosen,
        "waiting": count_waiting(seen_by=me(), client_id=client.id),
        "may_set_rates": can_edit_rates(me()),
    }


@blueprint.post("/billing/clients/<uuid:client_id>/draft")
def create(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    form = DraftForm()
    invoice_id = form_id(form)
    picked = {found for text in form.engagement.data or () if (found := parse_id(text))}

    def make() -> None:
        if not picked:
            raise Refused("Choose what is billed.", field="engagement")
        assert form.until.data is not None
        facts = DraftFacts(
            client_id=client.id,
            engagement_ids=tuple(picked),
            until=form.until.data,
            grouping=form.grouping.data,
        )
        create_draft(invoice_id, facts, by=me())

    if submit(form, make):
        return redirect_to(url_for("invoices.show", invoice_id=invoice_id), f"Draft for {client.name}")
    rows, fees = _billable(client)
    return unprocessable("billing/drafts/new.html", **_offer(form, client, rows, fees, picked))


@blueprint.post("/billing/invoices/<uuid:invoice_id>/terms")
def update(invoice_id: UUID) -> Answer:
    invoice = get_invoice(invoice_id, seen_by=me())
    form = TermsForm()
    if submit(form, lambda: change_terms(invoice, form.values(), by=me(), version=form.version.number)):
        return draft_partial(invoice_id, "Saved")
    return draft_page(get_invoice(invoice_id, seen_by=me()), terms=form, status=422)


@blueprint.post("/billing/invoices/<uuid:invoice_id>/address")
def create_address(invoice_id: UUID) -> Answer:
    """Keep the address of whoever the bill goes to, which it lacked."""
    invoice = get_invoice(invoice_id, seen_by=me())
    payer, form = get_client(invoice.payer_id, seen_by=me()), AddressForm()
    if submit(form, lambda: give_address(payer, form.address.data or "", by=me())):
        return redirect_to(url_for("invoices.show", invoice_id=invoice_id), f"Kept as the address of {payer.name}")
    return draft_refused(invoice_id, form, "address")


@blueprint.post("/billing/invoices/<uuid:invoice_id>/payer")
def update_payer(invoice_id: UUID) -> Answer:
    """Who owes and sees the bill; its client stays for whom the work was done."""
    invoice = get_invoice(invoice_id, seen_by=me())
    form = PayerForm()
    if submit(form, lambda: change_payer(invoice, form.payer.data, by=me(), version=form.version.number)):
        return draft_partial(invoice_id, "Saved")
    return draft_page(get_invoice(invoice_id, seen_by=me()), payer=form, status=422)


@blueprint.post("/billing/invoices/<uuid:invoice_id>/grouping")
def update_grouping(invoice_id: UUID) -> Answer:
    """The lines of its time made anew, by engagement, job or entry."""
    invoice = get_invoice(invoice_id, seen_by=me())
    form = GroupingForm()
    if submit(form, lambda: regroup_draft(invoice, form.grouping.data, by=me(), version=form.version.number)):
        return draft_partial(invoice_id, "The lines are made anew")
    return draft_refused(invoice_id, form, "lines")


@blueprint.post("/billing/invoices/<uuid:invoice_id>/new-items")
def add_items(invoice_id: UUID) -> Answer:
    count = add_new_items(get_invoice(invoice_id, seen_by=me()), clock.today(), by=me())
    return draft_partial(invoice_id, f"{count} {'entry' if count == 1 else 'entries'} added")


@blueprint.post("/billing/invoices/<uuid:invoice_id>/submission")
def submit_draft(invoice_id: UUID) -> Answer:
    submit_for_approval(get_invoice(invoice_id, seen_by=me()), by=me())
    return draft_partial(invoice_id, "Submitted for approval")


@blueprint.post("/billing/invoices/<uuid:invoice_id>/return")
def return_draft(invoice_id: UUID) -> Answer:
    invoice = get_invoice(invoice_id, seen_by=me())
    return_to_draft(invoice, request.form.get("reason", "")[:500], by=me())
    return draft_partial(invoice_id, "Sent back to be changed")


@blueprint.post("/billing/invoices/<uuid:invoice_id>/removal")
def delete(invoice_id: UUID) -> Answer:
    invoice = get_invoice(invoice_id, seen_by=me())
    name = invoice.client.name
    discard_draft(invoice, by=me())
    return redirect_to(url_for("drafts.index"), f"The draft for {name} is gone; its time is WIP again")
