"""The guard at the staff door: no request of a staff screen goes on without a signed-in person."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, g, redirect, request, url_for
from flask_login import LoginManager, UserMixin
from werkzeug.wrappers import Response

from app.activity.commands import request_mark
from app.clients.access import actor_for
from app.core import clock
from app.core.web import error_page, is_htmx
from app.firm.queries import get_firm_facts
from app.people.models import PersonSession
from app.people.queries import live_session

login_manager = LoginManager()


class SignedIn(UserMixin):  # type: ignore[misc]
    """What flask-login carries: a session row, named by its random token."""

    def __init__(self, token: str, row: PersonSession) -> None:
        self.token = token
        self.row = row
        self.person = row.person

    def get_id(self) -> str:
        return self.token


@login_manager.user_loader  # type: ignore[untyped-decorator]
def load(token: str) -> SignedIn | None:
    row = live_session(token)
    return SignedIn(token, row) if row else None


def guard(blueprint: Blueprint) -> Blueprint:
    """Put the guard before every view of a staff blueprint. Every staff blueprint goes through here."""
    blueprint.before_request(require_person)
    return blueprint


def door(blueprint: Blueprint) -> Blueprint:
    """Before every view that is open to whoever has not signed in yet: there must be a firm behind the door."""
    blueprint.before_request(require_firm)
    return blueprint


def require_firm() -> Response | None:
    firm = get_firm_facts()
    if firm is None:
        return redirect(url_for("setup.show"))
    clock.set_zone(firm.zone)
    g.firm = firm
    return None


def require_person() -> Response | None:
    from flask_login import current_user

    if (elsewhere := require_firm()) is not None:
        return elsewhere
    if not current_user.is_authenticated:
        if is_htmx():
            return error_page(401, "You have been signed out. Sign in again; what you typed is still here.")
        return redirect(url_for("sign_in.show", next=request.full_path if request.method == "GET" else None), 303)
    g.person = current_user.person
    g.session_row = current_user.row
    g.actor = actor_for(current_user.person, address=request.remote_addr or "")
    return None


def init_app(app: Flask) -> None:
    login_manager.init_app(app)
    login_manager.session_protection = None

    @app.before_request
    def mark_request() -> None:
        request_mark.set((g.get("request_id", ""), request.remote_addr or ""))

    @app.context_processor
    def around() -> dict[str, Any]:
        return {"me": g.get("actor"), "person": g.get("person"), "firm": g.get("firm")}
