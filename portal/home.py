"""The first page: what we need from you, what we are doing for you, what you owe."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, session, url_for

from app.core import clock
from app.core.web import Answer, me, redirect_to
from portal.door import chosen_clients
from portal.readings import list_asked_and_work, list_owed, names_of_clients

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def show() -> Answer:
    actor = me()
    if actor.request_id is not None:
        return redirect(url_for("portal.requests.show", request_id=actor.request_id), 303)
    clients = chosen_clients()
    names = names_of_clients(seen_by=actor) if len(actor.client_ids) > 1 else {}
    asked, work = list_asked_and_work(clients, seen_by=actor)
    return render_template(
        "portal/home.html", asked=asked, work=work,
        owed=list_owed(clients, seen_by=actor), names=names, chosen=clients, hour=clock.local(clock.now()).hour,
    )


@blueprint.post("/client")
def update_client() -> Answer:
    """Look at one client only, or at all of them again."""
    session["client"] = request.form.get("client", "")
    return redirect_to(url_for("portal.home.show"))
