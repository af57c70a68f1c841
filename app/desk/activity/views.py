"""A thing's timeline as a fragment, and the audit page over the whole log."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response

from app.activity.queries import EventFilter, every_event
from app.clients.queries import get_client, get_engagement
from app.core import clock
from app.core.errors import NotAllowed, NotFound
from app.core.ids import parse_id
from app.core.permissions import Permission
from app.core.web import Answer, arg, me
from app.desk.activity.tell import ACTOR_NAME, line_of, sight_of, tell
from app.desk.guard import guard
from app.firm.exports import hand_out
from app.people.queries import list_people

PER_PAGE = 50
ROOMS = (
    ("clients.", "Client data"), ("jobs.", "Jobs and tasks"), ("planning.", "Planning"), ("requests.", "Requests"),
    ("documents.", "Documents"), ("timekeeping.", "Time and expenses"), ("billing.", "Billing"),
    ("ledger.", "Ledger"), ("marks.", "Comments"), ("delivery.", "Mail"), ("catalogue.", "Services"),
    ("people.", "People and sign-in"), ("firm.", "Settings"), ("runs.", "Long work"),
    ("exchange.", "Import and export"),
)
OF_A_THING = ROOMS[:9]
OF_CLIENTS = (
    "job", "task", "invoice", "client_request", "document", "time_entry", "expense", "payment", "contact", "series",
    "deadline",
)

timelines = guard(Blueprint("timeline", __name__))
audit = guard(Blueprint("audit", __name__))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _fragment(found: EventFilter, path: str) -> str:
    room = arg("room")
    if room in dict(OF_A_THING):
        found = replace(found, kinds=[room])
    lines = tell(replace(found, before=_number(arg("before"))), seen_by=me(), limit=PER_PAGE + 1)
    return render_template(
        "activity/_timeline.html", lines=lines[:PER_PAGE], more=len(lines) > PER_PAGE, rooms=OF_A_THING, room=room,
        first=not arg("before"), path=path,
    )


@timelines.get("/clients/<uuid:client_id>/timeline")
def of_client(client_id: UUID) -> Answer:
    """The section of the client page."""
    client = get_client(client_id, seen_by=me())
    return _fragment(EventFilter(client_id=client.id), url_for("timeline.of_client", client_id=client.id))


@timelines.get("/timeline/<subject_kind>/<uuid:subject_id>")
def of_subject(subject_kind: str, subject_id: UUID) -> Answer:
    """The same for any thing: what may not be seen has no lines."""
    if subject_kind == "client":
        get_client(subject_id, seen_by=me())
    elif subject_kind == "engagement":
        get_engagement(subject_id, seen_by=me())
    elif subject_kind not in OF_CLIENTS:
        raise NotFound()
    found = {
        "client": EventFilter(client_id=subject_id), "engagement": EventFilter(engagement_id=subject_id),
        "job": EventFilter(job_id=subject_id),
    }.get(subject_kind) or EventFilter(subject_kind=subject_kind, subject_id=subject_id)
    return _fragment(found, url_for("timeline.of_subject", subject_kind=subject_kind, subject_id=subject_id))


def _day(text: str, *, after: int = 0) -> dt.datetime | None:
    """Midnight in the firm's zone at the beginning of a day, or so many days later."""
    try:
        day = dt.date.fromisoformat(text) + dt.timedelta(days=after)
        return dt.datetime.combine(day, dt.time(), clock.zone()).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def _asked() -> EventFilter:
    kind = arg("kind")
    return EventFilter(
        actor_id=parse_id(arg("actor")), kinds=[kind] if kind else [], from_at=_day(arg("from")),
        to_at=_day(arg("to"), after=1), before=_number(arg("before")),
        subject_id=parse_id(arg("subject")),
    )


def _authorized() -> None:
    if not me().may(Permission.AUDIT_SEE):
        raise NotAllowed("The event log is for partners and administrators.")


@audit.get("/audit")
def index() -> Answer:
    _authorized()
    found = _asked()
    lines = tell(found, seen_by=me(), limit=PER_PAGE + 1)
    return render_template(
        "activity/audit.html", lines=lines[:PER_PAGE], more=len(lines) > PER_PAGE, rooms=ROOMS,
        people=list_people(seen_by=me(), everyone=True), asked=request.args,
        may_export=me().may(Permission.EXPORT),
    )


@audit.get("/audit.csv")
def export() -> Response:
    _authorized()
    found, actor = replace(_asked(), before=None), me()
    header = ["Event", "At (UTC)", "Kind", "Who", "What", "Thing", "Thing's id", "Client's id", "Address", "Request",
              "Data"]

    def rows() -> Iterator[list[Any]]:
        for line in map(line_of, every_event(found, sight_of(actor), ACTOR_NAME)):
            entry = line.entry
            yield [line.id, line.at.isoformat(), line.kind, line.actor, line.words, entry.subject_kind,
                   entry.subject_id, entry.client_id, entry.address, entry.request_id,
                   json.dumps(entry.data, ensure_ascii=False, sort_keys=True)]

    return hand_out("audit", "audit.csv", header, rows, by=actor)


blueprints = (timelines, audit)
