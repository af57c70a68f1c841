"""The dashboard: how jobs stand, what clients owe us, hours against capacity, what is left to do, unbilled WIP."""

from __future__ import annotations

import datetime as dt

from flask import Blueprint, render_template

from app.catalogue.models import WorkRole
from app.core.permissions import Permission, authorize
from app.core.web import Answer, arg, is_htmx, me, page_number
from app.desk.guard import guard
from app.firm.exports import hand_out
from app.jobs.policy import can_see_dashboard
from app.jobs.queries.load import NO_ROLE, NOBODY, PER_PAGE, Due, LoadFilter, list_load
from app.people.filters import people_asked
from app.reports.dashboard import days_of_week, hours_of_week, standing, this_week, unbilled
from app.timekeeping.policy import can_edit_rates
from app.timekeeping.waiting import count_waiting
from app.timekeeping.weeks import monday_of

blueprint = guard(Blueprint("dashboard", __name__))
DUE = {Due.WEEK: "Due by Sunday", Due.LATER: "Due later", Due.UNDATED: "No date"}
ROLES = {NOBODY: "Nobody, any role", **{role.value: f"Nobody, {role}" for role in WorkRole}, NO_ROLE: "Nobody, no role"}


@blueprint.get("/dashboard")
def index() -> Answer:
    actor = me()
    authorize(actor, can_see_dashboard)
    return render_template(
        "desk/dashboard/_figures.html" if is_htmx() else "desk/dashboard/index.html",
        standing=standing(seen_by=actor), weeks=hours_of_week(seen_by=actor), week=this_week(), no_role=NO_ROLE,
        wip=unbilled(seen_by=actor) if actor.may(Permission.WIP_SEE) else None,
        waiting=count_waiting(seen_by=actor) if actor.may(Permission.WIP_SEE) else None,
        may_set_rates=can_edit_rates(actor), has_wall=_has_wall(), may_export=actor.may(Permission.EXPORT),
    )


def _has_wall() -> bool:
    return bool(me().walled_clients or me().walled_engagements)


@blueprint.get("/dashboard/load")
def load() -> Answer:
    """The steps behind a figure of what is left."""
    authorize(me(), can_see_dashboard)
    people, role, due = people_asked("person"), arg("role"), arg("due")
    found = LoadFilter(
        person_id=people["person"].id, role=role if role in ROLES else "", due=Due(due) if due in set(Due) else None,
        guessed=arg("estimate") == "none",
    )
    return render_template(
        "desk/dashboard/load.html", found=found, people=people, roles=ROLES, dues=DUE, per_page=PER_PAGE,
        load=list_load(found, seen_by=me(), page=page_number()), has_wall=_has_wall(),
    )


@blueprint.get("/dashboard/hours")
def hours() -> Answer:
    """The days behind a figure of capacity."""
    authorize(me(), can_see_dashboard)
    people, start = people_asked("person"), monday_of(_day_asked())
    rows = days_of_week(seen_by=me(), start=start, person_id=people["person"].id)
    return render_template(
        "desk/dashboard/hours.html", rows=rows, start=start, people=people, week=dt.timedelta(days=7),
    )


def _day_asked() -> dt.date:
    try:
        return dt.date.fromisoformat(arg("on"))
    except ValueError:
        return this_week()[0]


@blueprint.get("/dashboard/hours.csv")
def export() -> Answer:
    """The week's hours by person, and what nobody has by role, as a file."""
    actor = me()
    authorize(actor, can_see_dashboard)
    header = ["Person", "Recorded, hours", "Charged, hours", "Capacity, hours", "Due by Sunday, hours",
              "Due later, hours", "No date, hours", "Steps without an estimate", "Share, %"]

    def rows() -> list[list[object]]:
        weeks = hours_of_week(seen_by=actor)
        return [
            [row.name, _hours(row.recorded), _hours(row.charged), _hours(row.capacity), _hours(row.load.week),
             _hours(row.load.later), _hours(row.load.undated), row.load.guessed, row.share]
            for row in weeks.people
        ] + [
            [ROLES[load.role or NO_ROLE], "", "", "", _hours(load.week), _hours(load.later), _hours(load.undated),
             load.guessed, ""]
            for load in weeks.nobody
        ]

    return hand_out("hours of the week", "hours.csv", header, rows, by=actor)


def _hours(time: dt.timedelta) -> float:
    return round(time.total_seconds() / 3600, 2)
