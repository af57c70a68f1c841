"""A contact's devices, and signing out everywhere."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, g, render_template, session, url_for
from flask_babel import gettext as _

from app.clients.commands.contact_access import end_sessions, list_sessions
from app.core.web import Answer, me, redirect_to
from portal.door import signed_in_only

blueprint = Blueprint("account", __name__, url_prefix="/account")


@blueprint.get("/")
@signed_in_only
def show() -> Answer:
    return render_template("portal/account/show.html", sessions=list_sessions(seen_by=me()), current=g.visit.session_id)


@blueprint.post("/devices/<uuid:session_id>/end")
@signed_in_only
def end_device(session_id: UUID) -> Answer:
    end_sessions(g.visit.contact_id, by=me(), only=session_id)
    return redirect_to(url_for("portal.account.show"), _("Signed out on that device."))


@blueprint.post("/devices/end")
@signed_in_only
def end_all() -> Answer:
    end_sessions(g.visit.contact_id, by=me())
    session.clear()
    return redirect_to(url_for("portal.sign_in.show"), _("You are signed out everywhere."))
