"""The page of a draft and its one region that changes, for every view that changes a draft."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import Response, render_template, request, url_for

from app.billing.addresses import asks_addresses, lacking
from app.billing.amounts import HUNDRED
from app.billing.commands.fees import agreed_on
from app.billing.forms import SPREADS, TAX_MODES, PayerForm, TermsForm
from app.billing.marks import marks_on, marks_words
from app.billing.models import Invoice, LineKind, Rest, Treatment
from app.billing.policy import can_approve, can_draft
from app.billing.queries.around_draft import around_draft
from app.billing.queries.behind import asks_reason, expenses_on, items_behind, sums_of_lines
from app.billing.queries.invoices import get_invoice, standing_of
from app.clients.policy import can_edit_client
from app.core import clock
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.web import SAVE_AGAIN, Answer, Form, error_page, id_arg, is_htmx, me, redirect_to, toasted, unprocessable
from app.firm.forms import GROUPINGS
from app.firm.models import percent_words
from app.firm.policy import can_edit_settings
from app.timekeeping.policy import can_edit_rates

ASKED_ON_APPROVAL = ("issued_on", "reason", "without_address")
TREATMENTS = [(Treatment.BILL, "Bill"), (Treatment.WRITE_OFF, "Write off"), (Treatment.LATER, "Later")]
PARTS = [("part_write_off", "Part, rest written off"), ("part_carry", "Part, rest later")]
RESTS = {Rest.WRITE_OFF.value: "The rest is written off", Rest.CARRY.value: "The rest comes on a later bill"}
FEE_RESTS = {Rest.WRITE_OFF.value: "Rebate: the rest is given up", Rest.CARRY.value: "Part bill: the rest comes later"}


def draft_facts(
    invoice: Invoice, terms: TermsForm | None = None, opened: UUID | None = None, payer: PayerForm | None = None
) -> dict[str, Any]:
    """Everything that a draft's region shows; of the entries only those of the line that is open."""
    sums = sums_of_lines(invoice, seen_by=me())
    worth = sum((line.worth for line in sums.values()), Decimal(0))
    billed = sum((line.billed for line in sums.values()), Decimal(0))
    around = around_draft(invoice, seen_by=me())
    has_fee = any(line.arrangement_id for line in invoice.lines)
    has_expense = any(line.kind is LineKind.EXPENSE for line in invoice.lines)
    form = terms or TermsForm(formdata=None, obj=invoice)
    if terms is None:
        form.version.data = str(invoice.version)
    payer_form = payer or PayerForm(formdata=None)
    if payer is None:
        payer_form.payer.data, payer_form.payer.text = invoice.payer_id, invoice.payer.name
        payer_form.version.data = str(invoice.version)
    return {
        "payer_form": payer_form,
        "invoice": invoice,
        "standing": standing_of(invoice),
        "sums": sums,
        "opened": opened,
        "entries": items_behind(invoice, seen_by=me(), line_id=opened) if opened else [],
        "worth": worth,
        "billed": billed,
        "carried": sum((line.carried for line in sums.values()), Decimal(0)),
        "groupings": [(grouping.value, words) for grouping, words in GROUPINGS.items()],
        "has_time": any(line.kind is LineKind.FEE for line in invoice.lines),
        "expenses": expenses_on(invoice, seen_by=me()) if has_expense else {},
        "marks": marks_on(invoice),
        "marks_words": marks_words,
        "lacks": lacking(invoice.payer, invoice.entity),
        "must_have_address": asks_addresses(invoice.entity),
        "may_add_address": can_edit_client(me(), invoice.payer),
        "may_edit_settings": can_edit_settings(me()),
        "asks_reason": asks_reason(invoice, sums),
        "fees": {fee.id: fee for fees in agreed_on(invoice).values() for fee in fees} if has_fee else {},
        "realisation": round(billed * HUNDRED / worth, 1) if worth else None,
        "new": around.new,
        "comments": around.comments,
        "waiting": around.waiting,
        "may_set_rates": can_edit_rates(me()),
        "terms": form,
        "tax_options": tax_options(around.taxes, invoice),
        "default_tax": invoice.lines[0].tax_code if invoice.lines else None,
        "spreads": [(spread.value, words) for spread, words in SPREADS.items()],
        "tax_modes": TAX_MODES,
        "treatments": TREATMENTS,
        "parts": PARTS,
        "rests": list(RESTS.items()),
        "fee_rests": list(FEE_RESTS.items()),
        "typed": {},
        "approving": {},
        "errors": {},
        "chosen": frozenset(),
        "new_line_id": new_id(),
        "may_draft": can_draft(me(), invoice),
        "may_approve": can_approve(me(), invoice),
        "due_on": clock.today(),
        "ahead": around,
    }


def tax_options(taxes: Mapping[str, str], invoice: Invoice) -> list[tuple[str, str]]:
    """What can be chosen today, and what a line has though it cannot be chosen any more."""
    found = dict(taxes)
    for line in invoice.lines:
        found.setdefault(line.tax_code, f"{line.tax_code}, {percent_words(line.tax_percent)} %")
    return list(found.items())


def draft_page(
    invoice: Invoice, *, terms: TermsForm | None = None, payer: PayerForm | None = None, status: int = 200
) -> Answer:
    """The whole page, or for htmx its region."""
    template = "billing/drafts/_draft.html" if is_htmx() else "billing/drafts/show.html"
    return render_template(template, **draft_facts(invoice, terms, id_arg("open"), payer)), status


def draft_partial(invoice_id: UUID, message: str = "", opened: UUID | None = None) -> Answer:
    """After a change: the region for htmx, the page for a plain form."""
    if not is_htmx():
        return redirect_to(url_for("invoices.show", invoice_id=invoice_id, open=opened), message)
    invoice = get_invoice(invoice_id, seen_by=me())
    return toasted(
        Response(render_template("billing/drafts/_draft.html", **draft_facts(invoice, opened=opened))), message
    )


def draft_refused(
    invoice_id: UUID, form: Form, key: str, *, chosen: Collection[UUID] = (), opened: UUID | None = None
) -> Answer:
    """After a refused change: for htmx the message alone, for a plain form the page with what was typed.

    `key` says which of the page's forms it was: a line's id, an entry's, `new` or `total`; its fields' ids end in it.
    `opened` is the line whose entries are shown.
    """
    errors = {f"{name}-{key}" if name else "": said[0] for name, said in form.errors.items()}
    if is_htmx():
        # The form stays as it is on the page, with the id that it had.
        return error_page(422, next(iter(errors.values())).replace(SAVE_AGAIN, "Load the page again to add another."))
    invoice = get_invoice(invoice_id, seen_by=me())
    ticked = (item.line_id for item in items_behind(invoice, seen_by=me()) if item.id in chosen) if chosen else ()
    facts = draft_facts(invoice, opened=next(iter(ticked), opened))
    return unprocessable(
        "billing/drafts/show.html", **facts | {"typed": {key: form}, "errors": errors, "chosen": chosen}
    )


def approval_typed() -> dict[str, str]:
    """What was typed where a bill is approved."""
    return {name: request.form.get(name, "")[:500] for name in ASKED_ON_APPROVAL}


def approval_refused(invoice_id: UUID, refusal: Refused) -> Answer:
    """After a refused approval: the draft, what was typed in its dialog, and why beside the field that it lies in. The
    dialog is open again where one of its own fields is at fault."""
    invoice = get_invoice(invoice_id, seen_by=me())
    terms = TermsForm(formdata=None, obj=invoice)
    terms.version.data = str(invoice.version)
    errors = {refusal.field or "": refusal.message}
    if refusal.field == "note":
        terms.note.errors = [refusal.message]
    template = "billing/drafts/_draft.html" if is_htmx() else "billing/drafts/show.html"
    facts = draft_facts(invoice, terms) | {"errors": errors, "approving": approval_typed()}
    page = render_template(template, **facts)
    answer = Response(page, status=422)
    if is_htmx():  # the dialog that it was pressed in goes with the rest of the draft
        answer.headers.update({"HX-Retarget": "#draft", "HX-Reswap": "outerHTML"})
    return answer
