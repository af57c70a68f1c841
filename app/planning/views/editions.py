"""Newer editions of statutory rules: what each would move, old → new, and confirming it."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.core.errors import NotFound
from app.core.ids import new_id, parse_id
from app.core.permissions import authorize
from app.core.web import Answer, me, redirect_to
from app.desk.guard import guard
from app.planning.commands.editions import confirm_edition
from app.planning.editions import list_renewals
from app.planning.policy import can_confirm_edition

blueprint = guard(Blueprint("editions", __name__))
MOST_SHOWN = 200


@blueprint.get("/services/editions")
def index() -> Answer:
    return render_template(
        "planning/editions.html", renewals=[(each, new_id()) for each in list_renewals(seen_by=me())],
        may_confirm=can_confirm_edition(me()), most=MOST_SHOWN,
    )


@blueprint.post("/services/editions")
def create() -> Answer:
    """Begin to confirm what was ticked of one rule."""
    authorize(me(), can_confirm_edition)
    run_id = parse_id(request.form.get("id", ""))
    if run_id is None:
        raise NotFound()
    run = confirm_edition(
        run_id, request.form.get("rule", "")[:80], services=_chosen("services"), jobs=_chosen("jobs"),
        seen=request.form.get("seen", ""), by=me(),
    )
    return redirect_to(url_for("runs.show", run_id=run.id), "Confirmed; dates are moving")


def _chosen(name: str) -> set[UUID]:
    return {found for text in request.form.getlist(name) if (found := parse_id(text))}
