"""The guard at the clients' door: a contact's session, then the portal's own connection for the rest of the request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any
from uuid import UUID

from babel import Locale, UnknownLocaleError
from flask import flash, g, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.activity.commands import request_mark
from app.clients.commands.contact_access import IDLE, SEEN_EVERY, PortalVisit, find_visit, touch_session
from app.clients.letterhead import list_front_desks
from app.core import clock
from app.core.actors import SYSTEM, Actor, ActorKind
from app.core.db import Visitor, db, enter_portal_door, set_visitor
from app.core.errors import NotFound, Refused
from app.core.ids import parse_id, token_hash
from app.core.web import Answer, asks_for_json, error_page, is_htmx
from app.delivery.letterhead import Desk
from app.firm.queries import get_firm_facts
from app.firm.words import english

OPEN = "portal.sign_in"
MOST_DESKS = 4


def enter() -> Answer | None:
    """Let in whoever has a session. Everything after this sees what the contact may see, whatever a query forgets."""
    request_mark.set((g.get("request_id", ""), request.remote_addr or ""))
    is_open = request.blueprint == OPEN
    if not is_open:
        g.leave_portal = enter_portal_door()
    visit = find_visit(session["contact"]) if session.get("contact") else None
    firm = visit.firm if visit else get_firm_facts()
    if firm is None:
        raise NotFound()
    clock.set_zone(firm.zone)
    g.firm, g.visit, g.country = firm, visit, firm.country
    g.language = _language(visit.language if visit else "", english(firm.country))
    if is_open:
        g.desks = list_front_desks()
        return None
    if visit is None or not visit.client_ids:
        leave()
        return _outside(visit)
    if visit.last_seen_at < clock.now() - SEEN_EVERY:
        leave()
        touch_session(visit.session_id, by=SYSTEM)
        db.session.remove()
        g.leave_portal = enter_portal_door()
    set_visitor(Visitor(token_hash(session["contact"]), IDLE))
    g.actor = Actor(
        kind=ActorKind.CONTACT, id=visit.contact_id, name=visit.name, client_ids=frozenset(visit.client_ids),
        request_id=visit.request_id, signed_in=visit.request_id is None, address=request.remote_addr or "",
    )
    return None


def leave(_error: BaseException | None = None) -> None:
    """End the portal's transaction, then give the connection's door back."""
    leave_portal = g.pop("leave_portal", None)
    if leave_portal:
        try:
            db.session.remove()
        finally:
            leave_portal()


def _outside(visit: PortalVisit | None) -> Response:
    """No session, or one that reaches nothing any more: the way in, never a dead end."""
    if is_htmx() or request.is_json or asks_for_json():
        return error_page(
            401, _("You have been signed out. Open your link again or sign in; what you typed is kept here.")
        )
    if visit is not None and visit.request_id is not None:
        flash(_("That request is finished. Thank you. Sign in to look at it again."))
    return redirect(url_for("portal.sign_in.show"), 303)


def _language(code: str, english: Locale) -> str:
    if code in ("", "en"):
        return str(english)
    try:
        return str(Locale.parse(code, sep="-" if "-" in code else "_"))
    except (UnknownLocaleError, ValueError):
        return str(english)


View = Callable[..., Answer]


def signed_in_only(view: View) -> View:
    """A request's link does not reach this: offer the sign-in link instead, whatever was asked for."""

    @wraps(view)
    def checked(*args: Any, **values: Any) -> Answer:
        if not g.actor.signed_in:
            return render_template("portal/sign_in/step_up.html"), 403
        return view(*args, **values)

    return checked


def chosen_clients() -> frozenset[UUID]:
    """The clients whose things are shown: the one chosen in the switch, else all that this contact stands for."""
    ids: frozenset[UUID] = g.actor.client_ids
    chosen = next((c for c in ids if str(c) == session.get("client")), None)
    return frozenset({chosen}) if chosen else ids


def named_client() -> UUID:
    """The client that the form or body names: what is written is written there, whatever the session shows.

    Raises Refused where a contact of several clients names none, NotFound where they name one that is not theirs.
    """
    body = request.get_json(silent=True) if request.is_json else request.form
    given = body.get("client") if isinstance(body, Mapping) else None
    ids: frozenset[UUID] = g.actor.client_ids
    if given in (None, ""):
        if len(ids) == 1:
            return next(iter(ids))
        raise Refused(_("Choose which client this is for."), field="client")
    client_id = parse_id(given if isinstance(given, str) else None)
    if client_id not in ids:
        raise NotFound()
    return client_id


def around() -> dict[str, Any]:
    """What every page of the portal shows."""
    visit: PortalVisit | None = g.get("visit")
    actor: Actor | None = g.get("actor")
    locale = Locale.parse(g.get("language") or "en_GB")
    shown = {"firm": g.get("firm"), "lang": locale.language, "text_direction": locale.text_direction, "portal_nav": [],
             "desks": [(desk, "") for desk in g.get("desks", ())]}
    if actor is None or visit is None:
        return shown | {"contact": None, "clients": {}, "shown_client": None}
    nav = [
        {"key": "home", "label": _("Start"), "url": url_for("portal.home.show")},
        {"key": "documents", "label": _("Documents"), "url": url_for("portal.documents.index")},
        {"key": "jobs", "label": _("Our work"), "url": url_for("portal.jobs.index")},
        {"key": "invoices", "label": _("Invoices"), "url": url_for("portal.invoices.index")},
    ] if actor.signed_in else [
        {"key": "home", "label": _("This request"), "url": url_for("portal.home.show")},
        {"key": "rest", "label": _("Documents and invoices"), "url": url_for("portal.home.show_rest")},
    ]
    chosen = chosen_clients()
    desks: dict[Desk, list[str]] = {}
    for client, name in visit.clients.items():
        if client in chosen:
            desks.setdefault(visit.desks[client], []).append(name)
    return shown | {"contact": visit, "portal_nav": nav, "me": actor, "clients": visit.clients,
                    "desks": [(desk, ", ".join(names)) for desk, names in list(desks.items())[:MOST_DESKS]],
                    "shown_client": next(iter(chosen)) if len(chosen) == 1 else None}
