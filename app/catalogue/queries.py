"""Reading services, their stages and template versions. Everyone of the firm may; no contact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from app.catalogue.blueprints import Blueprint, blueprint_of
from app.catalogue.models import JobTemplate, Service, TemplateDeadline, TemplateState, TemplateStep
from app.catalogue.policy import can_see_services
from app.core.actors import SYSTEM, Actor
from app.core.db import db, get_or_404
from app.core.errors import NotFound

_blueprints: dict[UUID, Blueprint] = {}
_MOST_KEPT = 500


@dataclass(frozen=True)
class ServiceRow:
    """A service in the list: which version is used, whether a draft waits."""

    service: Service
    published: int | None
    draft: int | None
    steps: int


def list_services(*, seen_by: Actor, archived: bool = False) -> list[ServiceRow]:
    if not can_see_services(seen_by):
        return []
    latest = sa.select(
        JobTemplate.service_id,
        sa.func.max(JobTemplate.number).filter(JobTemplate.state == TemplateState.PUBLISHED).label("published"),
        sa.func.max(JobTemplate.number).filter(JobTemplate.state == TemplateState.DRAFT).label("draft"),
    ).group_by(JobTemplate.service_id).subquery()
    shown = sa.func.coalesce(latest.c.published, latest.c.draft)
    steps = (
        sa.select(sa.func.count(TemplateStep.id)).join(JobTemplate, JobTemplate.id == TemplateStep.template_id)
        .where(JobTemplate.service_id == Service.id, JobTemplate.number == shown)
        .correlate(Service, latest).scalar_subquery()
    )
    rows = db.session.execute(
        sa.select(Service, latest.c.published, latest.c.draft, steps)
        .outerjoin(latest, latest.c.service_id == Service.id)
        .where(Service.archived_at.is_not(None) if archived else Service.archived_at.is_(None))
        .order_by(sa.func.lower(Service.name), Service.id)
    )
    return [ServiceRow(*row) for row in rows]


def get_service(service_id: UUID, *, seen_by: Actor) -> Service:
    """With its stages."""
    if not can_see_services(seen_by):
        raise NotFound()
    return get_or_404(
        sa.select(Service).where(Service.id == service_id).options(selectinload(Service.stages))
        .execution_options(populate_existing=True)
    )


def list_versions(service: Service, *, seen_by: Actor) -> Sequence[JobTemplate]:
    """Newest first, without their parts."""
    if not can_see_services(seen_by):
        return []
    return db.session.scalars(
        sa.select(JobTemplate).where(JobTemplate.service_id == service.id).order_by(JobTemplate.number.desc())
    ).all()


def get_template(template_id: UUID, *, seen_by: Actor) -> JobTemplate:
    """A version with all its parts, its service and the service's stages, as they are now."""
    if not can_see_services(seen_by):
        raise NotFound()
    return get_or_404(
        sa.select(JobTemplate).where(JobTemplate.id == template_id)
        .options(
            selectinload(JobTemplate.service).selectinload(Service.stages), selectinload(JobTemplate.steps),
            selectinload(JobTemplate.dependencies), selectinload(JobTemplate.requests),
            selectinload(JobTemplate.deadlines),
        )
        .execution_options(populate_existing=True)
    )


def list_editions() -> Sequence[tuple[str, str]]:
    """Statutory rules, each with an edition that a service in use counts with."""
    rows = db.session.execute(
        sa.select(TemplateDeadline.rule, TemplateDeadline.edition).distinct()
        .join(JobTemplate, JobTemplate.id == TemplateDeadline.template_id)
        .join(Service, Service.id == JobTemplate.service_id)
        .where(JobTemplate.state == TemplateState.PUBLISHED, Service.archived_at.is_(None))
        .order_by(TemplateDeadline.rule, TemplateDeadline.edition)
    )
    return [(row.rule, row.edition) for row in rows]


def latest_published(service_id: UUID) -> UUID | None:
    """The version that new jobs are made from."""
    return db.session.scalar(
        sa.select(JobTemplate.id)
        .where(JobTemplate.service_id == service_id, JobTemplate.state == TemplateState.PUBLISHED)
        .order_by(JobTemplate.number.desc()).limit(1)
    )


def get_blueprint(template_id: UUID) -> Blueprint:
    """A version as plain values; a published one never changes and is therefore kept in the process."""
    kept = _blueprints.get(template_id)
    if kept is not None:
        return kept
    template = get_template(template_id, seen_by=SYSTEM)
    blueprint = blueprint_of(template)
    if template.state is not TemplateState.DRAFT:
        if len(_blueprints) >= _MOST_KEPT:
            _blueprints.clear()
        _blueprints[template_id] = blueprint
    return blueprint
