"""Changing a draft in place: lines, entries, the total."""

from __future__ import annotations

import re
from decimal import Decimal
from uuid import UUID

from flask import Blueprint, render_template, request

from app.billing.amounts import Spread
from app.billing.commands.adjust import adjust_total, plan_total, wanted_net
from app.billing.commands.lines import LineChange, add_line, change_line, remove_line, treat_item
from app.billing.forms import LONGEST_LINE, LineForm, PartForm, TotalForm
from app.billing.models import Invoice, Rest, Treatment
from app.billing.policy import can_draft
from app.billing.queries.behind import items_behind
from app.billing.queries.invoices import PENDING, get_invoice
from app.billing.views.draft_page import PARTS, TREATMENTS, draft_partial, draft_refused
from app.core.errors import Refused
from app.core.ids import new_id, parse_id
from app.core.money import parse_amount
from app.core.permissions import authorize
from app.core.web import Answer, arg, me, submit
from app.core.wording import number_format
from app.desk.guard import guard
from app.timekeeping.forms import day_or

blueprint = guard(Blueprint("lines", __name__, url_prefix="/billing/invoices/<uuid:invoice_id>"))

_STORED = re.compile(r"-?\d{1,14}(\.\d{1,4})?", re.ASCII)


def _typed(name: str, longest: int = 500) -> str:
    return request.form.get(name, "").strip()[:longest]


def _spread(text: str) -> Spread:
    return Spread(text) if text in set(Spread) else Spread.PRO_RATA


def _ids(texts: list[str]) -> set[UUID]:
    return {found for text in texts if (found := parse_id(text))}


@blueprint.post("/lines")
def create(invoice_id: UUID) -> Answer:
    invoice = get_invoice(invoice_id, seen_by=me())
    form = LineForm()
    line_id = parse_id(form.id.data) or new_id()

    def save() -> None:
        net = _net(form.net.data or "0", invoice)
        add_line(invoice, line_id, form.description.data or "", net, by=me(), tax_code=form.tax_code.data or None)

    if submit(form, save):
        return draft_partial(invoice_id, "Line added")
    return draft_refused(invoice_id, form, "new")


def _net(text: str | None, invoice: Invoice, field: str = "net") -> Decimal:
    return parse_amount(text or "", invoice.currency, number_format(), field=field)


@blueprint.get("/lines/<uuid:line_id>/entries")
def entries(invoice_id: UUID, line_id: UUID) -> Answer:
    """The entries behind a line, fetched when they are asked for."""
    invoice = get_invoice(invoice_id, seen_by=me())
    return render_template(
        "billing/drafts/_entries.html",
        invoice=invoice,
        line_id=line_id,
        entries=items_behind(invoice, seen_by=me(), line_id=line_id),
        treatments=TREATMENTS,
        parts=PARTS,
        line=next((line for line in invoice.lines if line.id == line_id), None),
        typed={},
        may_draft=can_draft(me(), invoice) and invoice.state in PENDING,
    )


@blueprint.post("/lines/<uuid:line_id>")
def update(invoice_id: UUID, line_id: UUID) -> Answer:
    invoice = get_invoice(invoice_id, seen_by=me())
    form = LineForm()

    def save() -> None:
        change = LineChange(
            description=form.description.data or "",
            net=_net(form.net.data, invoice),
            tax_code=form.tax_code.data or None,
            supplied_on=form.supplied_on.data,
            rest=form.rest.choice,
            seen=_seen(),
        )
        change_line(invoice, line_id, change, by=me())

    if submit(form, save):
        return draft_partial(invoice_id, "Saved")
    return draft_refused(invoice_id, form, str(line_id))


def _seen() -> LineChange:
    """The line as the form showed it when it was drawn."""
    net = _typed("was_net")  # as the database writes it: nobody types this
    return LineChange(
        description=_typed("was_description", 2 * LONGEST_LINE) or None,
        net=Decimal(net) if _STORED.fullmatch(net) else None,
        tax_code=_typed("was_tax_code") or None,
        supplied_on=day_or(_typed("was_supplied_on"), None),
        rest=Rest(_typed("was_rest")) if _typed("was_rest") in set(Rest) else None,
    )


@blueprint.post("/lines/<uuid:line_id>/removal")
def delete(invoice_id: UUID, line_id: UUID) -> Answer:
    remove_line(get_invoice(invoice_id, seen_by=me()), line_id, by=me())
    return draft_partial(invoice_id, "Line removed; its time is WIP again")


@blueprint.post("/items/<uuid:item_id>/treatment")
def treat(invoice_id: UUID, item_id: UUID) -> Answer:
    """Bill an entry, a part of it, write it off or leave it; an amount typed beside “Bill” is a part of it."""
    invoice = get_invoice(invoice_id, seen_by=me())
    form, line_id = PartForm(), parse_id(_typed("line"))

    def save() -> None:
        wanted, typed, was = form.treatment.data or "", form.amount.data or "", _typed("was_amount")
        if wanted not in {*Treatment, *(value for value, _ in PARTS)}:
            raise Refused("An entry is billed, written off or left for later.", field="treatment")
        parted = wanted.startswith("part_")
        if parted and typed == was and _typed("whole"):
            raise Refused("Write first how much of it is billed; then what becomes of the rest.", field="amount")
        part = _net(typed, invoice, "amount") if parted or (wanted == Treatment.BILL and typed != was) else None
        rest = Rest.CARRY if wanted == "part_carry" else Rest.WRITE_OFF
        treatment = Treatment.BILL if parted else Treatment(wanted)
        treat_item(invoice, item_id, treatment, by=me(), amount=part, rest=rest)

    if submit(form, save):
        return draft_partial(invoice_id, opened=line_id)
    return draft_refused(invoice_id, form, str(item_id), opened=line_id)


@blueprint.get("/adjustment")
def preview(invoice_id: UUID) -> Answer:
    """What a new total would do, before it is done."""
    invoice = get_invoice(invoice_id, seen_by=me())
    authorize(me(), can_draft, invoice)
    if not arg("total"):
        return ""
    try:
        chosen = _ids(request.args.getlist("item"))
        rest = Rest(arg("rest")) if arg("rest") in set(Rest) else None
        net = wanted_net(invoice, arg("total"), number_format())
        plan = plan_total(invoice, net, _spread(arg("spread")), chosen, rest)
    except Refused as refusal:
        return render_template("billing/drafts/_preview.html", invoice=invoice, refusal=refusal.message)
    return render_template("billing/drafts/_preview.html", invoice=invoice, plan=plan)


@blueprint.post("/adjustment")
def adjust(invoice_id: UUID) -> Answer:
    invoice = get_invoice(invoice_id, seen_by=me())
    form, chosen = TotalForm(), _ids(request.form.getlist("item"))

    def save() -> None:
        net = wanted_net(invoice, form.total.data or "", number_format())
        adjust_total(
            invoice, net, by=me(), spread=form.spread.data, chosen=chosen, rest=form.rest.choice,
            reason=form.reason.data or "", version=form.version.number,
        )

    if submit(form, save):
        return draft_partial(invoice_id, "Total changed")
    return draft_refused(invoice_id, form, "total", chosen=chosen)
