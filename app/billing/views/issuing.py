"""Approving, sending, crediting, and the PDF of what was issued."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for

from app.billing.background import ensure_pdf
from app.billing.commands.credit import credit_invoice
from app.billing.commands.due_dates import change_due_date
from app.billing.commands.issue import approve_invoice
from app.billing.commands.paper import preview_pdf
from app.billing.commands.send import mark_sent, send_invoice
from app.billing.forms import DueDateForm
from app.billing.models import Invoice
from app.billing.pdf import PaperRefused
from app.billing.policy import can_approve
from app.billing.queries.invoices import get_invoice, next_to_approve, printed_due
from app.billing.views.draft_page import ASKED_ON_APPROVAL, approval_refused, approval_typed, draft_facts
from app.core.db import transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id, parse_id
from app.core.permissions import authorize
from app.core.queue import enqueue
from app.core.storage import StorageUnavailable, storage
from app.core.viewing import PDF, Shown, show_file
from app.core.web import Answer, id_arg, me, redirect_to, submit, unprocessable
from app.desk.guard import guard, safe_next

blueprint = guard(Blueprint("issuing", __name__))


def _day() -> dt.date | None:
    """The date of the bill that a form, or the address of a preview, asks for."""
    text = request.values.get("issued_on", "")
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise Refused("That is not a date.", field="issued_on") from None


@blueprint.post("/billing/invoices/<uuid:invoice_id>/approval")
def approve(invoice_id: UUID) -> Answer:
    """Issue it; `then` says whether the sitting goes on with the next one."""
    invoice = get_invoice(invoice_id, seen_by=me())
    version = request.form.get("version", "")
    sends = request.form.get("send") == "1"
    try:
        approve_invoice(
            invoice,
            by=me(),
            issued_on=_day(),
            version=int(version) if version.isascii() and version.isdigit() and len(version) < 10 else None,
            send=sends,
            reason=request.form.get("reason", "")[:500],
            without_address=request.form.get("without_address") == "1",
        )
    except Refused as refusal:
        if refusal.field not in ASKED_ON_APPROVAL and not isinstance(refusal, PaperRefused):
            raise
        if request.form.get("then") == "next":
            return _sitting_refused(invoice_id, refusal)
        return approval_refused(invoice_id, refusal)
    if invoice.number is None:
        said = "It is above your limit: its approval is asked for"
    else:
        said = f"{invoice.number} issued{' and on its way' if sends else ''}"
    if request.form.get("then") == "next":
        return redirect_to(url_for("issuing.sitting"), said)
    return redirect_to(url_for("invoices.show", invoice_id=invoice_id), said)


@blueprint.get("/billing/sitting")
def sitting() -> Answer:
    """A month's bills in one go: one after the other with what matters, approve or pass over."""
    invoice_id, left = next_to_approve(seen_by=me(), after=id_arg("after"))
    if invoice_id is None:
        return render_template("billing/drafts/sitting.html", invoice=None, left=0)
    invoice = get_invoice(invoice_id, seen_by=me())
    facts = draft_facts(invoice)
    return render_template("billing/drafts/sitting.html", left=left, **facts)


def _sitting_refused(invoice_id: UUID, refusal: Refused) -> Answer:
    """The sitting stays at the bill, with the way to the field of its draft that stands in the way."""
    invoice = get_invoice(invoice_id, seen_by=me())
    left = next_to_approve(seen_by=me(), after=invoice_id)[1] + 1
    facts = draft_facts(invoice) | {"errors": {refusal.field or "": refusal.message}, "approving": approval_typed()}
    answer = Response(render_template("billing/drafts/sitting.html", left=left, **facts), status=422)
    answer.headers.update({"HX-Retarget": "#content", "HX-Reselect": "#content", "HX-Reswap": "outerHTML"})
    return answer


@blueprint.post("/billing/invoices/<uuid:invoice_id>/sending")
def send(invoice_id: UUID) -> Answer:
    invoice = get_invoice(invoice_id, seen_by=me())
    if not can_approve(me(), invoice) or invoice.number is None:
        raise NotFound()
    ensure_pdf(invoice)
    send_id = parse_id(request.form.get("send_id", "")) or new_id()
    addresses = send_invoice(invoice, by=me(), send_id=send_id)
    return redirect_to(url_for("invoices.show", invoice_id=invoice_id), f"On its way to {', '.join(addresses)}")


@blueprint.post("/billing/invoices/<uuid:invoice_id>/sent")
def create_sent(invoice_id: UUID) -> Answer:
    """It was handed over by other means: from now on the client's portal shows it."""
    mark_sent(get_invoice(invoice_id, seen_by=me()), by=me())
    return redirect_to(url_for("invoices.show", invoice_id=invoice_id), "Marked as sent")


def _issued(invoice_id: UUID) -> Invoice:
    """A bill that has a due date to change, for whoever may change it; 404 while it is a draft."""
    invoice = get_invoice(invoice_id, seen_by=me())
    if invoice.number is None:
        raise NotFound()
    authorize(me(), can_approve, invoice)
    return invoice


@blueprint.get("/billing/invoices/<uuid:invoice_id>/due-date")
def due_date(invoice_id: UUID) -> Answer:
    invoice = _issued(invoice_id)
    form = DueDateForm(formdata=None, due_on=invoice.due_on)
    form.version.data = str(invoice.version)
    return render_template("billing/invoices/due_date.html", invoice=invoice, form=form, printed=printed_due(invoice))


@blueprint.post("/billing/invoices/<uuid:invoice_id>/due-date")
def create_due_date(invoice_id: UUID) -> Answer:
    """Let it be due on another day; back to the day on its paper is the same act."""
    invoice, form = _issued(invoice_id), DueDateForm()

    def save() -> None:
        assert form.due_on.data is not None
        change_due_date(invoice, form.due_on.data, form.reason.data or "", by=me(), version=form.version.number)

    if submit(form, save):
        return redirect_to(url_for("invoices.show", invoice_id=invoice_id), "Its due date is changed")
    invoice = get_invoice(invoice_id, seen_by=me())
    return unprocessable(
        "billing/invoices/due_date.html", invoice=invoice, form=form, printed=printed_due(invoice)
    )


@blueprint.post("/billing/invoices/<uuid:invoice_id>/credit")
def credit(invoice_id: UUID) -> Answer:
    invoice = get_invoice(invoice_id, seen_by=me())
    note_id = parse_id(request.form.get("id", "")) or new_id()
    note = credit_invoice(invoice, note_id, request.form.get("reason", "").strip()[:500], by=me())
    return redirect_to(url_for("invoices.show", invoice_id=note.id), f"{invoice.number} is void by {note.number}")


@blueprint.get("/billing/invoices/<uuid:invoice_id>/pdf")
def pdf(invoice_id: UUID) -> Answer:
    """The PDF, shown or saved; it is made now if no worker has come to it yet."""
    invoice = get_invoice(invoice_id, seen_by=me())
    if invoice.number is None:
        raise NotFound()
    ensure_pdf(invoice)
    key, name = str(invoice.pdf_key), f"{invoice.number}.pdf"
    if request.args.get("save") != "1":
        return show_file(Shown(key, name, PDF))
    return redirect(storage().link(key, name=name, content_type=PDF), 302)


@blueprint.get("/billing/invoices/<uuid:invoice_id>/preview")
def preview(invoice_id: UUID) -> Answer:
    """The PDF of a draft as its issue on the chosen day (today) would make it, kept nowhere."""
    invoice = get_invoice(invoice_id, seen_by=me())
    if invoice.number is not None:
        return redirect(url_for("issuing.pdf", invoice_id=invoice_id), 302)
    name = f"draft-{invoice.client.code}.pdf"
    answer = Response(preview_pdf(invoice, by=me(), issued_on=_day()), mimetype="application/pdf")
    answer.headers.set("Content-Disposition", "inline", filename=name)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.post("/billing/invoices/<uuid:invoice_id>/paper")
def create_paper(invoice_id: UUID) -> Answer:
    """Try once more to make a PDF that failed; a bill that was to be sent is sent then. Either way one comes back to
    the page that it was pressed on."""
    invoice = get_invoice(invoice_id, seen_by=me())
    if not can_approve(me(), invoice) or invoice.number is None:
        raise NotFound()
    back = safe_next(request.form.get("back"), url_for("invoices.show", invoice_id=invoice_id))
    try:
        ensure_pdf(invoice)
    except (Refused, StorageUnavailable) as refusal:
        return redirect_to(back, refusal.message, meaning="late")
    if invoice.send_wanted_by is not None:
        with transaction():
            enqueue("billing.keep_pdf", invoice_id=str(invoice.id))
    return redirect_to(back, f"The PDF of {invoice.number} is there now")
