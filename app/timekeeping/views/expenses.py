"""Expenses: a list, adding, changing, deleting."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import Blueprint, jsonify, render_template, url_for

from app.core.ids import new_id
from app.core.permissions import authorize
from app.core.web import Answer, arg, form_id, id_arg, me, page_number, redirect_to, submit
from app.desk.guard import guard
from app.documents.upload_bodies import new_file, plan_answer
from app.timekeeping.commands.expenses import (
    ExpenseFacts,
    add_receipt,
    delete_expense,
    edit_expense,
    record_expense,
    restore_expense,
)
from app.timekeeping.forms import ExpenseForm
from app.timekeeping.models import BillTax, Expense
from app.timekeeping.policy import (
    can_change_item,
    can_edit_item,
    can_record_time,
    can_see_rates,
    can_see_time_of,
    can_take_back,
)
from app.timekeeping.queries import PAGE, get_expense, list_expenses
from app.timekeeping.written import asked_write_offs, movements_of

blueprint = guard(Blueprint("expenses", __name__))


@blueprint.get("/expenses")
def index() -> Answer:
    everyone = arg("show") == "all" and can_see_time_of(me(), None) and can_see_rates(me())
    rows = list_expenses(seen_by=me(), person_id=None if everyone else me().id, page=page_number())
    undo = get_expense(deleted, seen_by=me(), deleted=True) if (deleted := id_arg("deleted")) else None
    return render_template(
        "timekeeping/expenses.html",
        expenses=rows[:PAGE],
        has_next=len(rows) > PAGE,
        page=page_number(),
        everyone=everyone,
        sees_rates=can_see_rates(me()),
        undo=undo,
    )


@blueprint.get("/expenses/new")
def new() -> Answer:
    authorize(me(), can_record_time)
    form = ExpenseForm(formdata=None).prepare(me())
    form.id.data = str(new_id())
    return _page(form)


def _page(form: ExpenseForm, expense: Expense | None = None) -> str:
    return render_template(
        "timekeeping/expense.html",
        form=form,
        expense=expense,
        sees_rates=can_see_rates(me()),
        may_change=expense is None or can_change_item(me(), expense),
        movements=movements_of(expense, seen_by=me()) if expense else [],
        may_retax=expense is not None and can_edit_item(me(), expense),
        asked=asked_write_offs([expense.id], seen_by=me()).get(expense.id) if expense else None,
        may_take_back=expense is not None and can_take_back(me(), expense),
    )


def _facts(form: ExpenseForm, mark_up: Decimal) -> ExpenseFacts:
    """Whoever sees no rates neither sees nor sets a mark-up."""
    tax = form.said_of_tax()
    if can_see_rates(me()):
        mark_up = form.mark_up_percent.data or Decimal(0)
    elif tax.how is BillTax.DISBURSEMENT:
        mark_up = Decimal(0)
    assert form.spent_on.data is not None
    return ExpenseFacts(
        spent_on=form.spent_on.data,
        net=form.net.data,
        tax=form.tax.data or Decimal(0),
        mark_up_percent=mark_up,
        category=form.category.data or "",
        narrative=form.narrative.data or "",
        billable=form.billable.data,
        bill_tax=tax,
        **vars(form.work.data),
    )


@blueprint.post("/expenses")
def create() -> Answer:
    form = ExpenseForm().prepare(me())
    expense_id = form_id(form)
    if submit(form, lambda: record_expense(expense_id, _facts(form, Decimal(0)), by=me())):
        return redirect_to(url_for("expenses.edit", expense_id=expense_id), "Expense recorded; its receipt can go here")
    return _page(form), 422


@blueprint.get("/expenses/<uuid:expense_id>")
def edit(expense_id: UUID) -> Answer:
    expense = get_expense(expense_id, seen_by=me())
    return _page(_filled(expense), expense)


def _filled(expense: Expense) -> ExpenseForm:
    form = ExpenseForm(formdata=None).prepare(me(), expense)
    form.show_tax(expense)
    values: dict[str, Any] = {
        "spent_on": expense.worked_on,
        "category": expense.category,
        "narrative": expense.narrative,
        "net": expense.net,
        "tax": expense.tax,
        "mark_up_percent": expense.mark_up_percent,
        "billable": expense.billable,
    }
    for name, value in values.items():
        form[name].data = value
    form.net.currency = form.tax.currency = expense.currency
    form.work.show(expense)
    return form


@blueprint.post("/expenses/<uuid:expense_id>")
def update(expense_id: UUID) -> Answer:
    expense = get_expense(expense_id, seen_by=me())
    form = ExpenseForm().prepare(me(), expense)
    mark_up = expense.mark_up_percent

    def save() -> None:
        edit_expense(expense, _facts(form, mark_up), by=me(), version=form.version.number)

    if submit(form, save):
        return redirect_to(url_for("expenses.index"), "Expense saved")
    expense = get_expense(expense_id, seen_by=me())
    form.version.data = str(expense.version)
    return _page(form, expense), 422


@blueprint.post("/expenses/<uuid:expense_id>/receipt")
def create_receipt(expense_id: UUID) -> Answer:
    """A photograph or a file, sent straight to storage."""
    document = add_receipt(get_expense(expense_id, seen_by=me()), new_file(), by=me())
    return jsonify(
        plan_answer(
            document,
            by=me(),
            plan=url_for("documents.show_upload", document_id=document.id),
            completion=url_for("documents.create_completion", document_id=document.id),
            abandonment=url_for("documents.create_abandonment", document_id=document.id),
        )
    )


@blueprint.post("/expenses/<uuid:expense_id>/deletion")
def delete(expense_id: UUID) -> Answer:
    delete_expense(get_expense(expense_id, seen_by=me(), deleted=True), by=me())
    return redirect_to(url_for("expenses.index", deleted=expense_id), "Expense deleted")


@blueprint.post("/expenses/<uuid:expense_id>/restoration")
def restore(expense_id: UUID) -> Answer:
    restore_expense(get_expense(expense_id, seen_by=me(), deleted=True), by=me())
    return redirect_to(url_for("expenses.index"), "The expense is back")
