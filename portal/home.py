"""The first page: what we need from you, what we are doing for you, what you owe."""

from __future__ import annotations

from flask import Blueprint, g, jsonify, redirect, render_template, request, session, url_for
from flask_wtf.csrf import generate_csrf

from app.core import clock
from app.core.ids import parse_id
from app.core.web import Answer, me, redirect_to
from portal.door import chosen_clients, signed_in_only
from portal.readings import list_asked_and_work, list_owed, sums_of

blueprint = Blueprint("home", __name__)
LISTS = {"documents": "portal.documents.index", "jobs": "portal.jobs.index", "invoices": "portal.invoices.index"}


@blueprint.get("/")
def show() -> Answer:
    actor = me()
    if actor.request_id is not None:
        return redirect(url_for("portal.requests.show", request_id=actor.request_id), 303)
    clients = chosen_clients()
    asked, work = list_asked_and_work(clients, seen_by=actor)
    owed = list_owed(clients, seen_by=actor)
    return render_template(
        "portal/home.html", asked=asked, work=work,
        owed=owed, owed_in_all=sums_of(owed), hour=clock.local(clock.now()).hour,
    )


@blueprint.get("/rest")
@signed_in_only
def show_rest() -> Answer:
    """From a request's link to everything else: a way to sign in, and then the first page."""
    return redirect_to(url_for("portal.home.show"))


@blueprint.get("/form-token")
def show_form_token() -> Answer:
    """For a page that is open while its session is followed by another one: whose it is now, and that one's token."""
    return jsonify(contact=str(g.visit.contact_id), token=generate_csrf())


@blueprint.post("/client")
def update_client() -> Answer:
    """Look at one client only, or at all of them again. It narrows what is shown and never says where a thing goes."""
    client_id = parse_id(request.form.get("client"))
    session["client"] = str(client_id) if client_id in me().client_ids else ""
    return redirect_to(url_for(LISTS.get(request.form.get("list", ""), "portal.home.show")))
