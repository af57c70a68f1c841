"""Getting in: a sign-in link asked for by mail, a request's own link. Looking at a link changes nothing."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, g, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import EmailField
from wtforms.validators import Email, InputRequired

from app.clients.commands.contact_access import (
    ask_for_sign_in,
    end_visit,
    find_sign_in_link,
    send_step_up,
    use_sign_in_link,
)
from app.core.actors import SYSTEM
from app.core.web import Answer, Form, redirect_to, submit, unprocessable
from app.delivery.letterhead import letterhead
from app.requests.commands.links import ask_for_link_again, find_request_link, open_by_link

blueprint = Blueprint("sign_in", __name__)


class AskForm(Form):
    """Where to send the link."""

    email = EmailField(_l("Your e-mail address"), validators=[
        InputRequired(_l("Write the address that we know you by.")),
        Email(_l("This does not look like an e-mail address.")),
    ])


@blueprint.get("/sign-in")
def show() -> Answer:
    return render_template("portal/sign_in/show.html", form=AskForm())


@blueprint.post("/sign-in")
def create() -> Answer:
    form = AskForm()
    address = request.remote_addr or ""
    if submit(form, lambda: ask_for_sign_in(form.email.data or "", by=SYSTEM, address=address)):
        return redirect_to(url_for("portal.sign_in.sent"))
    return unprocessable("portal/sign_in/show.html", form=form)


@blueprint.get("/sign-in/sent")
def sent() -> Answer:
    return render_template("portal/sign_in/sent.html", inside=g.visit is not None and g.visit.request_id is not None)


@blueprint.post("/sign-in/step-up")
def create_step_up() -> Answer:
    """Somebody inside by a request's link wants to see more: the sign-in link goes to their own address."""
    if g.visit is not None:
        send_step_up(g.visit.contact_id, by=SYSTEM, address=request.remote_addr or "")
    return redirect_to(url_for("portal.sign_in.sent"))


@blueprint.get("/link/sign-in/<token>")
def show_link(token: str) -> Answer:
    holder = find_sign_in_link(token)
    if holder is None:
        return _gone()
    _looked_after(None, holder.contact_id)
    return render_template("portal/sign_in/link.html", name=holder.name, found=None, token=token)


@blueprint.post("/link/sign-in/<token>")
def open_link(token: str) -> Answer:
    opened = use_sign_in_link(token, by=SYSTEM, agent=_agent(), address=request.remote_addr or "")
    if opened is None:
        return _gone()
    _take_session(opened)
    return redirect_to(url_for("portal.home.show"))


@blueprint.get("/link/request/<token>")
def show_request_link(token: str) -> Answer:
    found = find_request_link(token)
    if found is None:
        return _gone()
    _looked_after(found.client_id, found.contact_id)
    if found.closed:
        return render_template("portal/sign_in/closed.html", token=token, found=found)
    return render_template("portal/sign_in/link.html", name=found.contact_name, found=found, token=token)


def _looked_after(client_id: UUID | None, contact_id: UUID) -> None:
    """Whoever holds a link is told whom to ask, before they press anything."""
    if desk := letterhead(client_id, contact_id).desk:
        g.desks = [desk]


@blueprint.post("/link/request/<token>")
def open_request_link(token: str) -> Answer:
    opened = open_by_link(token, by=SYSTEM, agent=_agent(), address=request.remote_addr or "")
    if opened is None:
        return _gone()
    cookie, found = opened
    if not (g.visit and g.visit.contact_id == found.contact_id and g.visit.request_id is None):
        _take_session(cookie)  # who is signed in already keeps what they have
    return redirect_to(url_for("portal.requests.show", request_id=found.request_id))


@blueprint.post("/link/request/<token>/again")
def ask_again(token: str) -> Answer:
    ask_for_link_again(token, by=SYSTEM, address=request.remote_addr or "")
    return redirect_to(url_for("portal.sign_in.sent"))


@blueprint.post("/sign-out")
def sign_out() -> Answer:
    if session.get("contact"):
        end_visit(session["contact"], by=SYSTEM)
    session.clear()
    flash(_("You are signed out on this device."))
    return redirect_to(url_for("portal.sign_in.show"))


def _take_session(token: str) -> None:
    """A new session takes the place of whatever this browser had, its form tokens included."""
    if session.get("contact"):
        end_visit(session["contact"], by=SYSTEM)
    session.clear()
    session["contact"] = token
    session.permanent = True


def _gone() -> Answer:
    """The same page for a link that is used, too old, or was never one."""
    return render_template("portal/sign_in/gone.html", form=AskForm()), 410


def _agent() -> str:
    return request.user_agent.string or ""
