"""The work of an application's run: one client's job, and its series, in one transaction."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.models import Cadence, Service
from app.clients.commands import engagement_for_service
from app.clients.models import Client
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import NotFound
from app.core.permissions import authorize
from app.planning.cadences import RULES
from app.planning.commands.create import create_planned_job
from app.planning.commands.occurrences import mark_created, origin_of
from app.planning.commands.series import SeriesValues, begin_series
from app.planning.chosen import plan_for, wish_of
from app.planning.facts import client_facts, staffing
from app.planning.models import Application, ApplicationClient, Occurrence, OccurrenceState, Series
from app.planning.periods import PeriodPattern
from app.planning.plans import JobPlan
from app.planning.policy import can_apply


def apply_to_client(application: Application, client_id: UUID, *, by: Actor) -> dict[str, Any]:
    """Create the job, and begin its series when it is to repeat. The result says which job and whether it was new."""
    authorize(by, can_apply, application)
    with transaction() as session:
        row = session.scalars(
            sa.select(ApplicationClient).where(
                ApplicationClient.application_id == application.id, ApplicationClient.client_id == client_id
            )
        ).one()
        service = session.get_one(Service, application.service_id)
        facts = client_facts([client_id], service.id, seen_by=by).get(client_id)
        if facts is None:
            raise NotFound("This client cannot be reached any more.")
        plan = plan_for(application, row, facts, service.name, staffing())
        series = None
        pattern = wish_of(application, row, facts).pattern
        if application.repeat and pattern is not None:
            plan, series = _with_series(application, row, plan, service, pattern, by)
        job_id, made = create_planned_job(plan, by=by, send_requests=application.send_requests)
        if series is not None:
            _mark(series, plan, job_id)
        return {"job_id": str(job_id), "href": f"/jobs/{job_id}", "made": made, "title": plan.title}


def _with_series(
    application: Application, row: ApplicationClient, plan: JobPlan, service: Service, pattern: PeriodPattern, by: Actor
) -> tuple[JobPlan, Series]:
    """The series, and the plan under the engagement and the origin that it gives."""
    client = db.session.get_one(Client, plan.client.id)
    engagement = engagement_for_service(client, service.id, service.name, by=by)
    values = SeriesValues(
        ahead_days=int(application.repeat.get("ahead_days", 14)), roles=application.roles,
        offset_days=int(application.period.get("offset_days", 0)),
    )
    cadence = Cadence(application.period["cadence"])
    series = begin_series(
        client, engagement.id, service.id, pattern, RULES[cadence], _start(plan), values, by=by
    )
    facts = client_facts([client.id], service.id, seen_by=by)[client.id]
    origin = origin_of(series.id, _start(plan))
    return plan_for(application, row, facts, service.name, staffing(), origin=origin), series


def _start(plan: JobPlan) -> dt.date:
    return plan.period_start or plan.starts_on


def _mark(series: Series, plan: JobPlan, job_id: UUID) -> None:
    """The first period is done with: the sweep will not create it again."""
    occurrence = db.session.scalar(
        sa.select(Occurrence).where(Occurrence.series_id == series.id, Occurrence.period_start == _start(plan))
        .with_for_update().execution_options(populate_existing=True)
    )
    if occurrence is not None and occurrence.state is not OccurrenceState.CREATED:
        mark_created(occurrence, job_id, plan)
