"""The guard at the staff door: no request of a staff screen goes on without a signed-in person."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

import redis
from flask import Blueprint, Flask, current_app, g, redirect, request, session, url_for
from flask_login import LoginManager, UserMixin, current_user, login_user
from werkzeug.wrappers import Response

from app.activity.commands import request_mark
from app.clients.access import actor_for
from app.core import clock
from app.core.actors import SYSTEM, Actor
from app.core.number_format import FORMATS, usual_format
from app.core.queue import connection
from app.core.web import Answer, Form, asks_for_json, error_page, is_htmx, me, submit, unprocessable
from app.core.worker import HELD
from app.desk.arrival import Arrival, find_arrival
from app.desk.navigation import navigation_for
from app.firm.queries import FirmFacts, get_firm_facts
from app.people.commands.account import confirm, is_fresh
from app.people.commands.sessions import end_session, touch
from app.people.forms import PresentPassword
from app.people.queries import as_actor

login_manager = LoginManager()
# What a person may still reach whom the firm asks for a second factor that they have not set up.
ENROLMENT = frozenset({"account.totp", "account.enrol", "sign_out.delete"})


class SignedIn(UserMixin):  # type: ignore[misc]
    """What flask-login carries: who arrived, named by their session's random token."""

    def __init__(self, token: str, arrival: Arrival) -> None:
        self.token = token
        self.arrival = arrival
        self.row = arrival.row
        self.person = arrival.person

    def get_id(self) -> str:
        return self.token


@login_manager.user_loader  # type: ignore[untyped-decorator]
def load(token: str) -> SignedIn | None:
    arrival = find_arrival(token, with_frame=request.method == "GET" and not is_htmx())
    return SignedIn(token, arrival) if arrival else None


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
    _be_in(firm)
    return None


def _be_in(firm: FirmFacts) -> None:
    clock.set_zone(firm.zone)
    g.firm = firm


def require_person() -> Response | None:
    if not current_user.is_authenticated:
        return require_firm() or _to(
            "sign_in.show", "You have been signed out. Sign in again; what you typed is still here."
        )
    _be_in(current_user.arrival.firm)
    person, row = current_user.person, current_user.row
    if person.totp_secret is not None and row.second_factor_at is None:
        return _to("sign_in.code", "The code of your authenticator app is still missing. Sign in again.")
    g.person, g.session_row = person, row
    g.country = current_user.arrival.country
    g.number_format = FORMATS[person.number_format or usual_format(g.country)]
    g.actor = actor_for(person, address=request.remote_addr or "", walls=current_user.arrival.walls)
    if (frame := current_user.arrival.frame) is not None:
        g.inbox_count, g.has_timers = frame.unread, frame.has_timers
    touch(row)
    if g.firm.require_totp and person.totp_secret is None and request.endpoint not in ENROLMENT:
        return _to("account.totp", "The firm asks for a second factor. Set yours up first.", with_next=False)
    return None


def is_in() -> bool:
    """Whether whoever is here is signed in all the way."""
    if not current_user.is_authenticated:
        return False
    return current_user.person.totp_secret is None or current_user.row.second_factor_at is not None


def _to(endpoint: str, sentence: str, *, with_next: bool = True) -> Response:
    if is_htmx() or asks_for_json():
        return error_page(401, sentence)
    wanted = request.full_path.removesuffix("?") if request.method == "GET" and with_next else None
    return redirect(url_for(endpoint, next=wanted if wanted != "/" else None), 303)


def visitor() -> Actor:
    """Whoever knocks without having signed in: known by address only."""
    return replace(SYSTEM, address=request.remote_addr or "")


def enter(token: str) -> None:
    """Begin a session with this browser: whatever its cookie held before is gone, and so is the session it named."""
    if current_user.is_authenticated and current_user.token != token:
        end_session(current_user.row, by=as_actor(current_user.person, address=request.remote_addr or ""))
    session.clear()
    session.permanent = True
    login_user(cast(SignedIn, load(token)))


def safe_next(text: str | None, fallback: str = "/") -> str:
    """Where to go after signing in: an address of ours only."""
    text = (text or "").replace("\\", "/")
    ours = text.startswith("/") and not text.startswith("//") and not text.startswith("/sign-") and text.isprintable()
    return text if ours else fallback


def needs_confirmation() -> bool:
    """Whether the form at hand must ask for the password again."""
    return not is_fresh(g.session_row)


def confirm_with(form: Form) -> None:
    """Refuse unless the password was given lately or stands, right, in the form's `current_password`."""
    if needs_confirmation():
        field = form._fields.get("current_password")
        confirm(g.session_row, (field.data or "") if field is not None else "", by=me())


def once_confirmed(act: Callable[[], Answer], *, what: str, verb: str, back: str) -> Answer:
    """For a sensitive act of one button: asks for the password on a page of its own, which sends the same form again.

    `what` is the page's title, `verb` stands on its button, `back` leads away from it. Check first who may at all.
    """
    if needs_confirmation():
        form = PresentPassword()
        asked = "current_password" in request.form
        if not asked or not submit(form, lambda: confirm_with(form)):
            carried = [(name, value) for name, value in request.form.items(multi=True)
                       if name not in ("csrf_token", "current_password")]
            return unprocessable("people/confirm.html", form=form, asked=asked, carried=carried, what=what, verb=verb,
                                 back=back)
    return act()


def being_made() -> str:
    """How much of the demo firm is there, in percent, while it is being made; development only."""
    if current_app.config["SETTINGS"].env != "development":
        return ""
    return _percent_made(int(time.monotonic()))


@lru_cache(maxsize=1)
def _percent_made(_second: int) -> str:
    """Looked up once a second, not by every page."""
    with contextlib.suppress(redis.RedisError):
        found = connection().get(HELD)
        return found.decode() if isinstance(found, bytes) else ""
    return ""


def init_app(app: Flask) -> None:
    login_manager.init_app(app, add_context_processor=False)  # so that an error page asks nothing
    login_manager.session_protection = None

    @app.before_request
    def mark_request() -> None:
        request_mark.set((g.get("request_id", ""), request.remote_addr or ""))

    @app.context_processor
    def around() -> dict[str, Any]:
        return {
            "me": g.get("actor"), "person": g.get("person"), "firm": g.get("firm"),
            "nav_items": navigation_for(g.get("actor")), "being_made": being_made,
        }
