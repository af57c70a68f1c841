"""The palette, the search page and the lookups of comboboxes."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, render_template

from app.activity.sentences import address
from app.core.actors import Actor
from app.core.permissions import Permission
from app.core.web import Answer, arg, id_arg, me
from app.desk.guard import guard
from app.search.queries import Hit, find_anything, find_clients, find_engagements, find_people

search = guard(Blueprint("search", __name__))
lookup = guard(Blueprint("lookup", __name__, url_prefix="/lookup"))
LONGEST = 100
# (what it is called, where, icon, permission)
ACTIONS = (
    ("My work", "/work", "work", ""), ("Board", "/board", "board", ""), ("Clients", "/clients", "clients", ""),
    ("New client", "/clients/new", "plus", Permission.CLIENT_EDIT),
    ("Start a timer", "/time", "play", Permission.TIME_RECORD), ("Time", "/time", "time", Permission.TIME_RECORD),
    ("Billing", "/billing", "billing", Permission.WIP_SEE),
    ("Services", "/services", "services", Permission.SERVICE_EDIT),
    ("Import clients", "/clients/import", "import", Permission.CLIENT_IMPORT),
    ("Dashboard", "/dashboard", "reports", Permission.REPORT_SEE), ("Inbox", "/inbox", "bell", ""),
    ("Event log", "/audit", "history", Permission.AUDIT_SEE),
    ("Settings", "/settings", "settings", Permission.SETTINGS_EDIT), ("Your account", "/account", "person", ""),
)
ICONS = {
    "client": "building", "contact": "person", "job": "work", "engagement": "file", "invoice": "billing",
    "person": "person",
}


def _actions(text: str, actor: Actor) -> list[tuple[str, str, str]]:
    wanted = text.casefold()
    return [
        (label, url, icon) for label, url, icon, permission in ACTIONS
        if (not permission or actor.may(permission)) and all(word in label.casefold() for word in wanted.split())
    ]


def url_of(hit: Hit) -> str:
    return address(hit.kind, hit.id) or f"/{hit.kind}s/{hit.id}"


def _found() -> tuple[str, Sequence[tuple[str, list[Hit]]], list[tuple[str, str, str]]]:
    text = " ".join(arg("q").split())[:LONGEST]
    return text, find_anything(text, seen_by=me()) if text else [], _actions(text, me())


@search.get("/palette")
def palette() -> Answer:
    """What the command palette shows: things found, then what can be done."""
    text, groups, actions = _found()
    return render_template(
        "search/_palette.html", text=text, groups=groups, actions=actions[:8], icons=ICONS, url_of=url_of
    )


@search.get("/search")
def index() -> Answer:
    """The same as a page, for whoever has no script."""
    text, groups, actions = _found()
    return render_template("search/index.html", text=text, groups=groups, actions=actions, icons=ICONS, url_of=url_of)


def _options(hits: list[Hit]) -> str:
    return render_template("search/_options.html", rows=[(hit.id, hit.text, hit.hint) for hit in hits])


def _text() -> str:
    return " ".join(arg("q").split())[:LONGEST]


@lookup.get("/clients")
def clients() -> Answer:
    return _options(find_clients(_text(), seen_by=me(), limit=20))


@lookup.get("/people")
def people() -> Answer:
    return _options(find_people(_text(), seen_by=me(), limit=20))


@lookup.get("/engagements")
def engagements() -> Answer:
    return _options(find_engagements(_text(), id_arg("client"), seen_by=me()))


blueprints = (search, lookup)
