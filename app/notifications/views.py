"""The inbox, and the bell of the top bar."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from flask import Blueprint, Flask, g, render_template, request, url_for
from werkzeug.local import LocalProxy

from app.core.clock import now
from app.core.web import Answer, arg, is_htmx, me, page_number, redirect_to
from app.desk.guard import guard
from app.notifications.commands import mark_all_read, mark_read
from app.notifications.queries import PER_PAGE, count_notices, count_unread, get_notice, list_notices
from app.notifications.words import place_of

blueprint = guard(Blueprint("inbox", __name__))


@blueprint.get("/inbox")
def index() -> Answer:
    unread, page = arg("show") == "new", page_number()
    lines, more = list_notices(seen_by=me(), unread=unread, page=page)
    return render_template(
        "notifications/_list.html" if is_htmx() else "notifications/index.html", lines=lines, more=more, page=page,
        total=count_notices(seen_by=me(), unread=unread), per_page=PER_PAGE, unread=unread, until=now().isoformat(),
    )


@blueprint.get("/inbox/bell")
def bell() -> Answer:
    return render_template("notifications/_bell.html")


@blueprint.post("/inbox/<uuid:notice_id>/reading")
def create_reading(notice_id: UUID) -> Answer:
    """Mark it read and go where it leads."""
    notice = get_notice(notice_id, seen_by=me())
    mark_read(notice, by=me())
    return redirect_to(place_of(notice))


@blueprint.post("/inbox/reading")
def create_reading_of_all() -> Answer:
    mark_all_read(up_to=_instant(request.form.get("until", "")), by=me())
    return redirect_to(url_for("inbox.index"), "All read")


def _instant(text: str) -> dt.datetime:
    try:
        until = dt.datetime.fromisoformat(text)
    except ValueError:
        return now()
    return until if until.tzinfo else until.replace(tzinfo=dt.UTC)


def _count() -> int:
    """Asked once a page, and only by pages that have the bell."""
    if "inbox_count" not in g:
        actor = g.get("actor")
        g.inbox_count = count_unread(seen_by=actor) if actor is not None and actor.is_person else 0
    return int(g.inbox_count)


def init_app(app: Flask) -> None:
    count: LocalProxy[int] = LocalProxy(_count)

    @app.context_processor
    def inbox() -> dict[str, object]:
        return {"inbox_count": count}
