"""Adding a ready service from the library."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.blueprints import After
from app.catalogue.commands.drafts import edit_template, publish_template
from app.catalogue.commands.parts import DeadlineValues, RequestValues, add_deadline, save_request
from app.catalogue.commands.services import ServiceValues, create_service
from app.catalogue.commands.steps import StepValues, add_step
from app.catalogue.library import find_library_service
from app.catalogue.library.shape import LibraryService, LibraryStep
from app.catalogue.models import DependencyKind, JobTemplate, Service, Stage
from app.catalogue.policy import can_edit_service
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import NotFound
from app.core.ids import new_id
from app.core.locking import take_turn
from app.core.permissions import authorize


def install_library_service(code: str, *, by: Actor) -> Service:
    """The service of this code, published; one that is there already stays as the firm has made it."""
    authorize(by, can_edit_service)
    ready = find_library_service(code)
    if ready is None:
        raise NotFound("The library has no such service.")
    return install_service(ready, by=by)


def install_service(ready: LibraryService, *, by: Actor) -> Service:
    """A service that is written like those of the library."""
    authorize(by, can_edit_service)
    with transaction() as session:
        take_turn(f"catalogue {ready.code}", at="turn of a form")
        existing = session.scalar(sa.select(Service).where(Service.code == ready.code))
        if existing is not None:
            return existing
        values = ServiceValues(
            ready.name, ready.code, ready.area, ready.description, ready.cadence, ready.own_engagement
        )
        service = create_service(new_id(), values, by=by, stages=ready.stages)
        template = session.scalars(sa.select(JobTemplate).where(JobTemplate.service_id == service.id)).one()
        _fill(template, ready, by)
        publish_template(template, by=by)
        record("catalogue.service.install", service, by=by, name=service.name, code=ready.code)
        return service


def _fill(template: JobTemplate, ready: LibraryService, by: Actor) -> None:
    stages = dict(
        db.session.execute(sa.select(Stage.name, Stage.id).where(Stage.service_id == template.service_id)).all()
    )
    edit_template(
        template, title_pattern=ready.title, due_rule=ready.due, start_rule=ready.start, priority=0, fee=None, by=by
    )
    keys: dict[str, str] = {}
    for step in ready.steps:
        keys[step.name] = add_step(template, new_id(), _values(step, stages[step.stage], keys), by=by).key
    for deadline in ready.deadlines:
        meets = keys[deadline.met_by] if deadline.met_by else None
        add_deadline(template, DeadlineValues(deadline.rule, trigger=deadline.trigger, met_by=meets), by=by)
    for request in ready.requests:
        save_request(template, new_id(), RequestValues(
            request.name, request.message, keys[request.step], request.due, items=request.items,
            send_rule=request.asked,
        ), by=by)


def _values(step: LibraryStep, stage_id: UUID, keys: dict[str, str]) -> StepValues:
    return StepValues(
        name=step.name, stage_id=stage_id, kind=step.kind, work_role=step.role,
        estimate=dt.timedelta(minutes=step.minutes), instructions=step.instructions, checklist=step.checks,
        due_rule=step.due,
        after=tuple(After("", keys[name], DependencyKind.HARD, step.lag_days) for name in step.after),
    )
