"""A published service with review and client request, and series of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from app.catalogue.blueprints import After
from app.catalogue.commands import (
    DeadlineValues,
    RequestValues,
    ServiceValues,
    StepValues,
    add_deadline,
    add_step,
    create_service,
    edit_template,
    publish_template,
    save_request,
)
from app.catalogue.due_rules import DueRule, days, months, working_days
from app.catalogue.models import Cadence, JobTemplate, Service, StepKind, WorkRole
from app.catalogue.queries import get_service, get_template
from app.clients.commands import engagement_for_service
from app.clients.models import Client
from app.core.actors import SYSTEM, Actor
from app.core.db import db
from app.core.ids import new_id
from app.planning.commands.series import SeriesValues, begin_series
from app.planning.models import Series


def make_service(
    name: str = "Bookkeeping", *, publish: bool = True, request: bool = True, rule: str = "UK-VAT"
) -> tuple[Service, JobTemplate]:
    """Three steps: collect, then post, then review (two working days later); a request; the VAT deadline."""
    made = create_service(new_id(), ServiceValues(name=name, cadence=Cadence.MONTH), by=SYSTEM)
    service = get_service(made.id, seen_by=SYSTEM)
    draft = db.session.scalars(sa.select(JobTemplate).where(JobTemplate.service_id == service.id)).one()
    stage = service.stages[0].id
    edit_template(
        draft,
        title_pattern="{client} {service} {period}",
        due_rule=DueRule("period_end", (days(30),)),
        priority=0,
        fee=None,
        by=SYSTEM,
    )
    hour = dt.timedelta(hours=1)
    add_step(
        draft,
        new_id(),
        StepValues(
            "Collect",
            stage,
            estimate=hour,
            checklist=("Bank", "Cards"),
            due_rule=DueRule("period_end", (working_days(3),)),
        ),
        by=SYSTEM,
    )
    add_step(
        draft,
        new_id(),
        StepValues(
            "Post",
            stage,
            estimate=2 * hour,
            after=(After("", "collect"),),
            due_rule=DueRule("step:collect", (working_days(5),)),
        ),
        by=SYSTEM,
    )
    add_step(
        draft,
        new_id(),
        StepValues(
            "Review",
            service.stages[2].id,
            StepKind.REVIEW,
            WorkRole.REVIEWER,
            estimate=hour,
            due_rule=DueRule("job_due"),
            after=(After("", "post", lag_days=2),),
        ),
        by=SYSTEM,
    )
    if request:
        save_request(
            draft,
            new_id(),
            RequestValues(
                "Your papers",
                step_key="collect",
                due_rule=DueRule("period_end", (days(10),)),
                items=({"kind": "upload", "label": "Bank statements"}, {"kind": "yes_no", "label": "Any new loans?"}),
            ),
            by=SYSTEM,
        )
    add_deadline(draft, DeadlineValues(rule), by=SYSTEM)
    if publish:
        publish_template(draft, by=SYSTEM)
    return get_service(service.id, seen_by=SYSTEM), get_template(draft.id, seen_by=SYSTEM)


def make_series(
    client: Client, service: Service, anchor_on: dt.date, *, cadence: Cadence = Cadence.MONTH, by: Actor = SYSTEM,
    **values: Any,
) -> Series:
    engagement = engagement_for_service(client, service.id, service.name, by=SYSTEM)
    return begin_series(
        client,
        engagement.id,
        service.id,
        cadence,
        anchor_on,
        SeriesValues(**values),
        by=by,
    )


QUARTERLY = DueRule("period_end", (months(1), days(7)))
