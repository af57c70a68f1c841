"""The work of an application's run: one client's job, and its series, in one transaction."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.models import Cadence, Service
from app.clients.models import Client
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db
from app.core.errors import NotFound, Refused
from app.core.locking import to_lock
from app.core.permissions import authorize
from app.planning.chosen import facts_of, plan_for, wish_of
from app.planning.commands.create import create_planned_job, create_within, engagement_of
from app.planning.commands.occurrences import mark_created, origin_of
from app.planning.commands.series import SeriesValues, begin_series
from app.planning.facts import staffing
from app.planning.models import Application, ApplicationClient, Occurrence, OccurrenceState, Series
from app.planning.periods import PeriodPattern
from app.planning.plans import JobPlan, Known
from app.planning.policy import can_apply
from app.requests.queries import is_reachable

SHELF, KEPT_FOR = 100, dt.timedelta(minutes=1)
ASKED, HELD, UNREACHABLE = "asked", "held", "unreachable"


@dataclass(frozen=True)
class Ready:
    """One client's plan with what it was made from."""

    plan: JobPlan
    row: ApplicationClient
    pattern: PeriodPattern | None


class _Shelf(threading.local):
    """Plans made ahead for the next clients of one run, so that each item's own transaction only writes."""

    application: Application | None = None
    plans: dict[UUID, Ready] = {}
    until: dt.datetime | None = None


_shelf = _Shelf()


def apply_to_client(
    application: Application, client_id: UUID, *, by: Actor, ahead: Sequence[UUID] = ()
) -> dict[str, Any]:
    """Create the job, and begin its series when it is to repeat, in the caller's transaction.

    `ahead` names clients whose turn comes next. The result says which job and whether it was new.
    """
    authorize(by, can_apply, application)
    ready = _ready(application, client_id, ahead, by)
    if application.repeat and ready.pattern is not None:
        plan, series = _with_series(application, ready, by)
        first = _first(series, plan)
        job_id, made = create_planned_job(plan, by=by, hold_requests=not application.send_requests)
        if first is not None and first.state is not OccurrenceState.CREATED:
            mark_created(first, job_id, plan)  # the first period is done with: the sweep will not create it again
    else:
        plan = ready.plan
        job_id, made = create_within(plan, by=by, hold_requests=not application.send_requests)
    said = {"job_id": str(job_id), "href": f"/jobs/{job_id}", "made": made, "title": plan.title}
    return said | (_asking(application, plan, by) if made and plan.requests else {})


def _asking(application: Application, plan: JobPlan, by: Actor) -> dict[str, Any]:
    """What becomes of the client requests of a job just made."""
    if not application.send_requests:
        return {"asking": HELD}
    if is_reachable(plan.client.id, seen_by=by):
        return {"asking": ASKED}
    return {"asking": UNREACHABLE, "note": "nobody there has an e-mail address, so nothing is asked yet"}


def shelved(application_id: UUID, client_id: UUID) -> Application | None:
    """The application, when this client's plan was made ahead already."""
    kept = _shelf.application
    fresh = _shelf.until is not None and now() < _shelf.until
    return kept if fresh and kept is not None and kept.id == application_id and client_id in _shelf.plans else None


def _ready(application: Application, client_id: UUID, ahead: Sequence[UUID], by: Actor) -> Ready:
    if not shelved(application.id, client_id):
        _shelf.plans = _plans(application, [client_id, *ahead], by)
        db.session.expunge(application)
        _shelf.application, _shelf.until = application, now() + KEPT_FOR
    ready = _shelf.plans.pop(client_id, None)
    if ready is None:
        raise NotFound("This client cannot be reached any more.")
    return ready


def _plans(application: Application, client_ids: Sequence[UUID], by: Actor) -> dict[UUID, Ready]:
    rows = db.session.scalars(
        sa.select(ApplicationClient).where(
            ApplicationClient.application_id == application.id, ApplicationClient.client_id.in_(client_ids)
        )
    ).all()
    name = db.session.scalars(sa.select(Service.name).where(Service.id == application.service_id)).one()
    facts, staff = facts_of(application, rows, seen_by=by), staffing()
    known: Known = {}
    for row in rows:
        db.session.expunge(row)
    return {
        row.client_id: Ready(
            plan_for(application, row, facts[row.client_id], name, staff, known=known), row,
            wish_of(application, row, facts[row.client_id]).pattern,
        )
        for row in rows if row.client_id in facts
    }


def _with_series(
    application: Application, ready: Ready, by: Actor
) -> tuple[JobPlan, Series]:
    """The series, and the plan under the engagement and the origin that it gives."""
    plan = ready.plan
    client = db.session.get_one(Client, plan.client.id)
    if plan.client.lost:
        raise Refused("The engagement that was chosen for it is open no more; choose another.")
    engagement_id = plan.client.engagement_id or engagement_of(plan, by).id
    values = SeriesValues(
        ahead_days=int(application.repeat.get("ahead_days", 14)), roles=application.roles,
        offset_days=int(application.period.get("offset_days", 0)),
    )
    cadence = Cadence(application.period["cadence"])
    series = begin_series(client, engagement_id, application.service_id, cadence, _start(plan), values, by=by)
    origin = origin_of(series.id, _start(plan))
    return replace(plan, client=replace(plan.client, engagement_id=engagement_id), origin=origin), series


def _start(plan: JobPlan) -> dt.date:
    return plan.period_start or plan.starts_on


def _first(series: Series, plan: JobPlan) -> Occurrence | None:
    """The forecast of the first period, held before its job is made: as the sweep does that makes jobs of forecasts."""
    return db.session.scalar(
        to_lock(
            sa.select(Occurrence).where(Occurrence.series_id == series.id, Occurrence.period_start == _start(plan))
        )
    )
