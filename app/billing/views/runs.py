"""Bill runs: what would be billed, and starting it. How far it is stands on the run's own page."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for

from app.billing.commands.drafting import Grouping
from app.billing.commands.runs import KIND, start_bill_run
from app.billing.forms import GROUPINGS, DraftForm
from app.billing.policy import can_run_bills
from app.billing.queries.billable import Billable, list_billable
from app.billing.views.wip import date_arg
from app.core import clock
from app.core.permissions import authorize
from app.core.web import Answer, form_id, me, redirect_to, submit, unprocessable
from app.desk.guard import guard
from app.runs.queries import list_runs

blueprint = guard(Blueprint("bill_runs", __name__))


@blueprint.get("/billing/runs/new")
def new() -> Answer:
    authorize(me(), can_run_bills)
    until = date_arg("until") or clock.today()
    form = DraftForm(formdata=None, until=until, grouping=Grouping.ENGAGEMENT)
    form.id.data = str(form_id(form))
    return render_template("billing/runs/new.html", **_offer(form, list_billable(until, seen_by=me())))


def _offer(form: DraftForm, rows: Any, chosen: set[str] | None = None) -> dict[str, Any]:
    totals: dict[str, Any] = {}
    for row in rows:
        totals[row.currency] = totals.get(row.currency, 0) + row.amount
    return {
        "form": form,
        "rows": rows,
        "totals": totals,
        "chosen": chosen,
        "groupings": [(grouping.value, words) for grouping, words in GROUPINGS.items()],
        "may_approve": can_run_bills(me(), True),
        "runs": list_runs(seen_by=me(), kind=KIND, limit=5),
    }


@blueprint.post("/billing/runs")
def create() -> Answer:
    """Rows that are not ticked are left out."""
    form = DraftForm()
    run_id, picked = form_id(form), set(request.form.getlist("client"))
    rows: list[Billable] = []

    def start() -> None:
        assert form.until.data is not None
        rows.extend(list_billable(form.until.data, seen_by=me()))
        start_bill_run(
            run_id,
            form.until.data,
            by=me(),
            excluded={row.key for row in rows} - picked,
            grouping=form.grouping.data,
            approve=request.form.get("approve") == "1",
        )

    if submit(form, start):
        return redirect_to(url_for("runs.show", run_id=run_id), "The bill run is under way")
    form.id.data = str(run_id)
    shown = rows or list_billable(form.until.data or clock.today(), seen_by=me())
    return unprocessable("billing/runs/new.html", **_offer(form, shown, picked))
