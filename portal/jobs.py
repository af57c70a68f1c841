"""What the firm is doing for its client, in plain words."""

from __future__ import annotations

from flask import Blueprint, render_template

from app.core.web import Answer, me
from portal.door import chosen_clients, signed_in_only
from portal.readings import list_work

blueprint = Blueprint("jobs", __name__, url_prefix="/work")


@blueprint.get("/")
@signed_in_only
def index() -> Answer:
    clients = chosen_clients()
    return render_template(
        "portal/jobs/index.html", work=list_work(clients, seen_by=me()),
        finished=list_work(clients, seen_by=me(), done=True, limit=30),
    )
