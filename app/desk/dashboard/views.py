"""The dashboard: how jobs stand, what clients owe us, hours against capacity, unbilled WIP."""

from __future__ import annotations

import datetime as dt

from flask import Blueprint, render_template

from app.core.permissions import Permission, authorize
from app.core.web import Answer, is_htmx, me
from app.desk.guard import guard
from app.firm.exports import hand_out
from app.jobs.policy import can_see_dashboard
from app.reports.dashboard import due_this_week, hours_of_week, standing, this_week, unbilled
from app.timekeeping.policy import can_edit_rates
from app.timekeeping.waiting import count_waiting

blueprint = guard(Blueprint("dashboard", __name__))


@blueprint.get("/dashboard")
def index() -> Answer:
    actor = me()
    authorize(actor, can_see_dashboard)
    due = due_this_week(seen_by=actor)
    return render_template(
        "desk/dashboard/_figures.html" if is_htmx() else "desk/dashboard/index.html",
        standing=standing(seen_by=actor), weeks=hours_of_week(seen_by=actor, due=due), week=this_week(),
        nobody=due.get(None, dt.timedelta()),
        wip=unbilled(seen_by=actor) if actor.may(Permission.WIP_SEE) else None,
        waiting=count_waiting(seen_by=actor) if actor.may(Permission.WIP_SEE) else None,
        may_set_rates=can_edit_rates(actor),
        zero=dt.timedelta(), has_wall=bool(actor.walled_clients or actor.walled_engagements),
        may_export=actor.may(Permission.EXPORT),
    )


@blueprint.get("/dashboard/hours.csv")
def export() -> Answer:
    """The week's hours by person as a file."""
    actor = me()
    authorize(actor, can_see_dashboard)
    header = ["Person", "Recorded, hours", "Charged, hours", "Capacity, hours", "Due by Sunday, hours",
              "Share, %"]
    return hand_out("hours of the week", "hours.csv", header, lambda: (
        [row.name,
         *(round(each.total_seconds() / 3600, 2) for each in (row.recorded, row.charged, row.capacity, row.due)),
         row.share]
        for row in hours_of_week(seen_by=actor)
    ), by=actor)
