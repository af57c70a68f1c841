"""When a client is asked, and by when for the answer: dates that follow the job's until the client is told them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.blueprints import asked_on, rule_of
from app.catalogue.due_rules import BadDueRule, DueRule, MissingAnchor, resolve
from app.catalogue.models import TemplateRequest
from app.core.actors import Actor
from app.core.db import db
from app.core.locking import to_lock
from app.firm.calendars import WorkingCalendar
from app.jobs.dates import Finds, Move, OtherDate, Part
from app.jobs.following import finds_dates, holds_dates, writes_dates
from app.jobs.models import Job
from app.requests.models import UNSENT, ClientRequest


@finds_dates
def dates_of_requests(jobs: Sequence[Job]) -> dict[UUID, list[OtherDate]]:
    """Of requests that its template made and that are not asked yet; a day set by hand stays."""
    rows = db.session.execute(
        sa.select(ClientRequest, TemplateRequest.due_rule, TemplateRequest.send_rule)
        .join(TemplateRequest, TemplateRequest.id == ClientRequest.template_request_id)
        .where(ClientRequest.job_id.in_([job.id for job in jobs]), ClientRequest.state.in_(UNSENT))
        .order_by(TemplateRequest.position, ClientRequest.id)
    ).all()
    found: dict[UUID, list[OtherDate]] = {}
    for request, due, send in rows:
        mine = found.setdefault(request.job_id, [])
        mine.append(OtherDate(
            Part.ASKING, request.id, f"“{request.name}” is asked", request.send_on, _asked(rule_of(send)),
            request.send_locked,
        ))
        rule = rule_of(due)
        if rule is not None:
            mine.append(OtherDate(
                Part.ANSWER, request.id, f"“{request.name}” is wanted by", request.due_on, _wanted(rule),
                request.due_locked,
            ))
    return found


@holds_dates
def hold_requests(job_ids: Sequence[UUID]) -> None:
    db.session.execute(to_lock(
        sa.select(ClientRequest.id).where(ClientRequest.job_id.in_(job_ids), ClientRequest.state.in_(UNSENT)),
        of=ClientRequest,
    ))


@writes_dates
def move_requests(moves: Sequence[Move], by: Actor) -> None:
    """Their rows are locked."""
    days: dict[UUID, dict[Part, dt.date | None]] = {}
    for move in moves:
        if move.part in (Part.ASKING, Part.ANSWER):
            days.setdefault(move.id, {})[move.part] = move.after
    if not days:
        return
    rows = db.session.scalars(
        sa.select(ClientRequest).where(ClientRequest.id.in_(days)).order_by(ClientRequest.id)
        .execution_options(populate_existing=True)
    ).all()
    for request in rows:
        moved = days[request.id]
        request.send_on = moved.get(Part.ASKING, request.send_on)
        request.due_on = moved.get(Part.ANSWER, request.due_on)
        request.version += 1


def _asked(rule: DueRule | None) -> Finds:
    def find(known: Mapping[str, dt.date], calendar: WorkingCalendar) -> dt.date | None:
        try:
            return asked_on(rule, known, calendar)
        except (MissingAnchor, BadDueRule):
            return None

    return find


def _wanted(rule: DueRule) -> Finds:
    def find(known: Mapping[str, dt.date], calendar: WorkingCalendar) -> dt.date | None:
        try:
            return resolve(rule, known, calendar)
        except (MissingAnchor, BadDueRule):
            return None

    return find
