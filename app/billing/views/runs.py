"""Bill runs: what would be billed, and starting it. How far it is stands on the run's own page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from flask import Blueprint, render_template, request, url_for

from app.billing.commands.runs import KIND, start_bill_run
from app.billing.forms import DraftForm
from app.billing.policy import can_run_bills
from app.billing.queries.aged import WipFilter
from app.billing.queries.billable import list_billable
from app.billing.views.wip import choices, date_arg, wip_filter
from app.core import clock
from app.core.permissions import authorize
from app.core.web import Answer, form_id, me, redirect_to, submit, unprocessable
from app.desk.guard import guard
from app.firm.forms import GROUPINGS
from app.runs.queries import list_runs
from app.timekeeping.policy import can_edit_rates
from app.timekeeping.waiting import count_waiting

blueprint = guard(Blueprint("bill_runs", __name__))


SHOWN = 50


@blueprint.get("/billing/runs/new")
def new() -> Answer:
    authorize(me(), can_run_bills)
    until = date_arg("until") or clock.today()
    form = DraftForm(formdata=None, until=until)
    form.id.data = str(form_id(form))
    found = wip_filter()
    return render_template("billing/runs/new.html", **_offer(form, found, until))


def _offer(form: DraftForm, found: WipFilter, until: dt.date, left_out: Collection[str] = ()) -> dict[str, Any]:
    """The largest clients to tick, and what all of the run comes to."""
    rows = list_billable(until, seen_by=me(), found=found)
    totals: dict[str, tuple[int, Decimal]] = {}
    for row in rows:
        count, amount = totals.get(row.currency, (0, Decimal(0)))
        totals[row.currency] = count + 1, amount + row.amount
    return {
        "form": form,
        "found": found,
        "rows": rows[:SHOWN],
        "more": len(rows) - SHOWN,
        "total": len(rows),
        "totals": totals,
        "left_out": left_out,
        "waiting": count_waiting(seen_by=me(), until=until),
        "may_set_rates": can_edit_rates(me()),
        "groupings": [("", "Lines as agreed"), *((grouping.value, words) for grouping, words in GROUPINGS.items())],
        "may_approve": can_run_bills(me(), True),
        "runs": list_runs(seen_by=me(), kind=KIND, limit=5),
        **choices(),
    }


@blueprint.post("/billing/runs")
def create() -> Answer:
    """What was shown and is not ticked is left out; what was too much to show is in the run."""
    form = DraftForm()
    run_id, found = form_id(form), wip_filter()
    left_out = set(request.form.getlist("shown")) - set(request.form.getlist("client"))

    def start() -> None:
        assert form.until.data is not None
        start_bill_run(
            run_id,
            form.until.data,
            by=me(),
            excluded=left_out,
            grouping=form.grouping.data,
            approve=request.form.get("approve") == "1",
            found=found,
        )

    if submit(form, start):
        return redirect_to(url_for("runs.show", run_id=run_id), "The bill run is under way")
    return unprocessable("billing/runs/new.html", **_offer(form, found, form.until.data or clock.today(), left_out))
