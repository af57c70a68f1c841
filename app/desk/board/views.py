"""The board: columns of cards, a table, a file; a card is dragged or sent by its menu."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, Response, render_template, request, url_for

from app.catalogue.models import Service, Stage
from app.core.db import db, get_or_404
from app.core.errors import NotFound
from app.core.ids import parse_id, parse_whole
from app.core.undo import undo_of
from app.core.web import Answer, arg, id_arg, is_htmx, me, page_number, redirect_to
from app.desk.guard import guard
from app.firm.exports import hand_out
from app.firm.queries import list_offices
from app.jobs.commands.jobs import set_priority
from app.jobs.commands.stages import move_to_stage
from app.jobs.models import JobStatus
from app.jobs.policy import can_export
from app.jobs.queries.board import (
    CARDS,
    PER_PAGE,
    BoardFilter,
    Column,
    Mark,
    View,
    columns_of,
    every_job,
    fill,
    get_card,
    list_cards,
    list_table,
)
from app.jobs.queries.jobs import get_job
from app.jobs.queries.tasks import open_required_in
from app.people.filters import PersonAsked, people_asked

blueprint = guard(Blueprint("board", __name__))
_SERVICES = sa.select(Service.id, Service.name).where(Service.archived_at.is_(None)).order_by(Service.name)
MARKS = {
    Mark.ON_TRACK: "On track", Mark.AT_RISK: "At risk", Mark.OVERDUE: "Overdue", Mark.WAITING: "Waiting for clients",
    Mark.STALLED: "Stalled",
}


def _people() -> dict[str, PersonAsked]:
    return people_asked("owner", "partner")


def _filter(people: dict[str, PersonAsked], service_id: UUID | None = None) -> BoardFilter:
    mark, status = arg("mark"), arg("status")
    return BoardFilter(
        service_id=service_id or id_arg("service"), owner_id=people["owner"].id, partner_id=people["partner"].id,
        office_id=id_arg("office"), client_id=id_arg("client"), text=arg("q"),
        mark=Mark(mark) if mark in set(Mark) else None,
        status=JobStatus(status) if status in set(JobStatus) else JobStatus.ACTIVE,
    )


def _view() -> View:
    return View(arg("view")) if arg("view") in set(View) else View.STAGE


@blueprint.get("/board")
def index() -> Answer:
    view = _view()
    services = db.session.execute(_SERVICES).all()
    people = _people()
    shown = _asked()
    found = _filter(people, services[0].id if view is View.STAGE and services and not id_arg("service") else None)
    context: dict[str, Any] = {
        "view": view, "found": found, "services": services, "marks": MARKS,
        "people": people, "offices": list_offices(), "may_export": can_export(me()),
    }
    if view is View.TABLE:
        sort, page, only = arg("sort", "due"), page_number(), _column_asked(found)
        rows, total = list_table(found, seen_by=me(), only=only, sort=sort, page=page)
        return render_template(
            "desk/board/table.html", rows=rows, total=total, sort=sort, page=page, per_page=PER_PAGE, only=only,
            statuses=list(JobStatus), shown=shown, elsewhere=_without(shown, "by", "column"), **context,
        )
    shown = _without(shown, "by", "column")
    # Stages belong to one service, so that view always has one; the other views have one only when it is asked for.
    context["elsewhere"] = _without(shown, "service") if view is View.STAGE else shown
    context["shown"] = shown | ({"service": str(found.service_id)} if found.service_id else {})
    columns = fill(columns_of(view, found, seen_by=me()), view, found, seen_by=me())
    return render_template("desk/board/index.html", columns=columns, **context)


def _asked() -> dict[str, str]:
    """The address as it stands, for the links that keep it."""
    return {key: value for key, value in request.args.items() if key not in ("page", "offset") and value}


def _without(shown: dict[str, str], *names: str) -> dict[str, str]:
    return {key: value for key, value in shown.items() if key not in names}


def _column_asked(found: BoardFilter) -> Column | None:
    """The column of another view that the table is narrowed to: all of what its head counts."""
    by, key = arg("by"), arg("column")
    if by not in (View.STAGE, View.WEEK, View.OWNER) or not key:
        return None
    gone = Column(key, "A column that is empty now", condition=sa.false())
    return next((each for each in columns_of(View(by), found, seen_by=me()) if each.key == key), gone)


@blueprint.get("/board/column")
def column() -> Answer:
    """One column again, or its next cards with `offset`."""
    view, found, key = _view(), _filter(_people()), arg("column")
    shown = _without(_asked(), "by", "column")
    chosen = next((each for each in columns_of(view, found, seen_by=me()) if each.key == key), None)
    if chosen is None:
        raise NotFound()
    offset = parse_whole(arg("offset")) or 0
    if offset:
        cards, more = list_cards(chosen, found, seen_by=me(), offset=min(offset, 100_000))
        return render_template(
            "desk/board/_more.html", column=chosen, cards=cards, more=more, offset=offset + CARDS, shown=shown,
            view=view,
        )
    filled = fill([chosen], view, found, seen_by=me())[0]
    return render_template("desk/board/_column.html", column=filled, view=view, shown=shown)


@blueprint.get("/jobs/<uuid:job_id>/card")
def card(job_id: UUID) -> Answer:
    """One card again, after something in its job changed."""
    found = get_card(job_id, seen_by=me())
    if found is None:
        raise NotFound()
    shown = parse_qs(urlsplit(request.headers.get("HX-Current-URL", "")).query)
    view = next((v for v in View if v in shown.get("view", [])), View.STAGE)
    return render_template("desk/board/_card_alone.html", card=found, view=view)


@blueprint.get("/jobs/<uuid:job_id>/stage")
def edit_stage(job_id: UUID) -> Answer:
    """Where a card can be sent without dragging."""
    job = get_job(job_id, seen_by=me())
    stages = db.session.scalars(
        sa.select(Stage).where(Stage.service_id == job.service_id).order_by(Stage.position)
    ).all()
    to_do = open_required_in(job) if len(stages) > 1 else ""
    template = "desk/board/_move.html" if is_htmx() else "jobs/question.html"
    return render_template(template, question="desk/board/_move.html", job=job, stages=stages, to_do=to_do)


@blueprint.post("/jobs/<uuid:job_id>/stage")
def update_stage(job_id: UUID) -> Answer:
    """Put a job into another stage: by dragging (nothing to draw) or by the card's menu."""
    job = get_job(job_id, seen_by=me())
    stage_id = parse_id(request.form.get("stage"))
    stage = get_or_404(sa.select(Stage).where(Stage.id == stage_id))
    before = job.stage_id
    move_to_stage(job, stage, by=me())
    undo = ""
    if before is not None and before != stage.id:
        undo = undo_of("jobs.job.moved", by=me(), job=str(job.id), before=str(before), after=str(stage.id))
    if request.headers.get("X-Requested-With") == "drag":
        return Response(status=204, headers={"X-Undo": undo} if undo else {})
    back = request.referrer or url_for("board.index", service=job.service_id)
    return redirect_to(back, f"Moved to {stage.name}", undo=undo)


@blueprint.post("/jobs/<uuid:job_id>/priority")
def update_priority(job_id: UUID) -> Answer:
    job = get_job(job_id, seen_by=me())
    text = request.form.get("priority", "")
    set_priority(job, priority=int(text) if text in ("0", "1", "2") else -1, by=me())
    return redirect_to(request.referrer or url_for("jobs.show", job_id=job.id), "Priority set")


@blueprint.get("/board.csv")
def export() -> Answer:
    """The jobs of the table as a file."""
    found, actor, sort = _filter(_people()), me(), arg("sort", "due")
    only = _column_asked(found)
    header = ["Number", "Job", "Client", "Service", "Stage", "Status", "Due", "Deadline", "Deadline on", "In charge",
              "Steps done", "Steps", "Waiting for", "At risk because"]
    return hand_out("jobs", "jobs.csv", header, lambda: (
        [c.number, c.title, c.client, c.service or "", c.stage or "", c.status.words, c.due_on,
         c.deadline_name, c.deadline_on, c.owner or "",
         c.tasks_done, c.tasks_total, c.waiting_items, c.at_risk_because]
        for c in every_job(found, seen_by=actor, only=only, sort=sort)
    ), by=actor)
