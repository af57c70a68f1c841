"""How the draft that an expense lies on taxes it."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, url_for

from app.billing.commands.expense_tax import draft_with, retax_drafted_expense
from app.billing.policy import can_see_invoices
from app.core.permissions import authorize
from app.core.web import Answer, me, redirect_to, submit, unprocessable
from app.desk.guard import guard
from app.timekeeping.forms import ExpenseTaxForm
from app.timekeeping.models import Expense
from app.timekeeping.policy import can_edit_item
from app.timekeeping.queries import get_expense

blueprint = guard(Blueprint("expense_tax", __name__))


@blueprint.get("/expenses/<uuid:expense_id>/tax")
def edit(expense_id: UUID) -> Answer:
    expense = get_expense(expense_id, seen_by=me())
    authorize(me(), can_edit_item, expense)
    if draft_with(expense) is None:
        return redirect_to(url_for("expenses.edit", expense_id=expense.id))
    form = ExpenseTaxForm(formdata=None)
    form.offer_taxes(expense)
    form.show_tax(expense)
    return render_template("billing/drafts/expense_tax.html", form=form, expense=expense, back=_back(expense))


def _back(expense: Expense) -> str:
    """The draft for whoever may see it, else the expense."""
    draft = draft_with(expense) if can_see_invoices(me()) else None
    if draft is None:
        return url_for("expenses.edit", expense_id=expense.id)
    return url_for("invoices.show", invoice_id=draft.id)


@blueprint.post("/expenses/<uuid:expense_id>/tax")
def update(expense_id: UUID) -> Answer:
    expense = get_expense(expense_id, seen_by=me())
    form = ExpenseTaxForm()
    form.offer_taxes(expense)
    if submit(form, lambda: retax_drafted_expense(expense, form.said_of_tax(), by=me(), version=form.version.number)):
        return redirect_to(_back(expense), "Saved; the draft follows")
    expense = get_expense(expense_id, seen_by=me())
    form.version.data = str(expense.version)
    return unprocessable("billing/drafts/expense_tax.html", form=form, expense=expense, back=_back(expense))
