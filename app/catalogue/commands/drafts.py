"""Template versions: the next draft, its details, publishing. A published version never changes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.blueprints import blueprint_of
from app.catalogue.due_rule_json import to_json
from app.catalogue.due_rules import DueRule
from app.catalogue.models import (
    JobTemplate,
    Service,
    TemplateDeadline,
    TemplateDependency,
    TemplateRequest,
    TemplateState,
    TemplateStep,
)
from app.catalogue.policy import can_edit_template
from app.catalogue.queries import get_template
from app.catalogue.soundness import faults, title_fault
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import check_version, db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.locking import to_lock
from app.core.permissions import authorize

Part = TemplateStep | TemplateDependency | TemplateRequest | TemplateDeadline
PARTS: tuple[type[Part], ...] = (TemplateDeadline, TemplateDependency, TemplateRequest, TemplateStep)


def open_draft(template: JobTemplate, version: int | None = None) -> JobTemplate:
    """Lock a draft for the rest of the transaction and count its version up; refuse what is published."""
    locked = db.session.scalar(to_lock(sa.select(JobTemplate).where(JobTemplate.id == template.id)))
    if locked is None:
        raise NotFound()
    if locked.state is not TemplateState.DRAFT:
        raise Refused("A published version never changes. Edit it as the next version.")
    check_version(locked, version)
    return locked


def draft_next_version(service: Service, *, by: Actor) -> JobTemplate:
    """The draft of this service: the one that waits, or a copy of the latest version."""
    authorize(by, can_edit_template)
    with transaction() as session:
        session.execute(to_lock(sa.select(Service.id).where(Service.id == service.id)))
        newest = session.scalar(
            sa.select(JobTemplate.id).where(JobTemplate.service_id == service.id)
            .order_by(JobTemplate.number.desc()).limit(1)
        )
        if newest is None:
            draft = JobTemplate(service_id=service.id, number=1)
            session.add(draft)
            record("catalogue.template.draft", draft, by=by, service=service.name, number=1)
            return draft
        before = get_template(newest, seen_by=by)
        if before.state is TemplateState.DRAFT:
            return before
        draft = JobTemplate(
            service_id=service.id, number=before.number + 1, title_pattern=before.title_pattern,
            due_rule=before.due_rule, start_rule=before.start_rule, priority=before.priority, fee=before.fee,
        )
        session.add(draft)
        session.flush()
        copy_parts(before, draft, {})
        record("catalogue.template.draft", draft, by=by, service=service.name, number=draft.number)
        return draft


def copy_parts(source: JobTemplate, target: JobTemplate, stages: Mapping[UUID, UUID]) -> None:
    """Steps, dependencies, requests and deadlines with their keys; stages replaced where the map says so."""
    for parts in (source.steps, [*source.dependencies, *source.requests, *source.deadlines]):
        for part in parts:
            names = [column.key for column in type(part).__mapper__.column_attrs]
            values = {name: getattr(part, name) for name in names}
            values |= {"id": new_id(), "template_id": target.id}
            if "stage_id" in values:
                values["stage_id"] = stages.get(values["stage_id"], values["stage_id"])
            db.session.add(type(part)(**values))
        db.session.flush()  # steps first: the others name them


def edit_template(
    template: JobTemplate, *, title_pattern: str, due_rule: DueRule | None, priority: int, fee: Decimal | None,
    by: Actor, version: int | None = None, start_rule: DueRule | None = None,
) -> None:
    """What holds for the whole job: its title, its start, its due date, its priority, its fixed fee."""
    authorize(by, can_edit_template, template)
    with transaction():
        draft = open_draft(template, version)
        fault = title_fault(title_pattern)
        if fault:
            raise Refused(fault, field="title_pattern")
        if fee is not None and fee < 0:
            raise Refused("A fee is not negative.", field="fee")
        draft.title_pattern, draft.priority, draft.fee = title_pattern, priority, fee
        if start_rule is not None and start_rule.anchor not in ("period_start", "period_end"):
            raise Refused("A job starts by its period: choose its start or its end.", field="start_rule")
        draft.due_rule = to_json(due_rule) if due_rule else {}
        draft.start_rule = to_json(start_rule) if start_rule else None
        record("catalogue.template.edit", draft, by=by)


def publish_template(template: JobTemplate, *, by: Actor, version: int | None = None) -> None:
    """From now on new jobs are made of it. Refused while it has a fault; pressing twice is harmless."""
    authorize(by, can_edit_template, template)
    with transaction() as session:
        published = sa.and_(
            JobTemplate.service_id == template.service_id, JobTemplate.state == TemplateState.PUBLISHED
        )
        both = sa.or_(JobTemplate.id == template.id, published)
        held = to_lock(sa.select(JobTemplate.id, JobTemplate.state).where(both))
        states: dict[UUID, TemplateState] = {row.id: row.state for row in session.execute(held)}
        if states.get(template.id) is TemplateState.PUBLISHED:
            return
        open_draft(template, version)
        draft = get_template(template.id, seen_by=by)
        found = list(faults(blueprint_of(draft), {stage.id for stage in draft.service.stages}))
        if found:
            raise Refused(found[0])
        session.execute(
            sa.update(JobTemplate)
            .where(JobTemplate.service_id == draft.service_id, JobTemplate.state == TemplateState.PUBLISHED)
            .values(state=TemplateState.RETIRED)
        )
        draft.state, draft.published_at, draft.published_by = TemplateState.PUBLISHED, now(), by.person_id
        record(
            "catalogue.template.publish", draft, by=by, service=draft.service.name, service_id=draft.service_id,
            number=draft.number,
        )


def discard_draft(template: JobTemplate, *, by: Actor) -> None:
    """A draft vanishes with its parts; the first version of a service stays, emptied by hand."""
    authorize(by, can_edit_template, template)
    with transaction() as session:
        draft = open_draft(template)
        if draft.number == 1:
            raise Refused("This is the only version of the service. Archive the service instead.")
        for part in PARTS:
            session.execute(sa.delete(part).where(part.template_id == draft.id))
        record("catalogue.template.discard", draft, by=by, number=draft.number)
        session.execute(sa.delete(JobTemplate).where(JobTemplate.id == draft.id))
        session.expunge(draft)
