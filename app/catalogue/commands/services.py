"""Services: create, edit, archive, restore, duplicate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.commands.drafts import copy_parts
from app.catalogue.models import Cadence, JobTemplate, Service, Stage, TemplateState
from app.catalogue.policy import can_edit_service
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.once import digest_of, made_before
from app.core.permissions import authorize

FIRST_STAGES = (
    ("To do", "We have this on our list"), ("In progress", "We are working on it"),
    ("Review", "We are checking it"), ("Done", "Done"),
)


@dataclass(frozen=True)
class ServiceValues:
    """What a service says about itself. An empty code is made from the name."""

    name: str
    code: str = ""
    practice_area: str = ""
    description: str = ""
    cadence: Cadence = Cadence.ONCE
    own_engagement: bool = False


def create_service(
    service_id: UUID, values: ServiceValues, *, by: Actor, stages: tuple[tuple[str, str], ...] = FIRST_STAGES
) -> Service:
    """With stages (name, words for clients) and an empty first draft. The same id again changes nothing."""
    authorize(by, can_edit_service)
    with transaction() as session:
        said = digest_of(values, stages)
        existing = made_before(Service, service_id, said)
        if existing is not None:
            return existing
        service = Service(id=service_id, made_from=said, **_checked(values, None))
        session.add(service)
        session.flush()
        session.add_all(
            Stage(service_id=service.id, position=n, name=name, client_words=words)
            for n, (name, words) in enumerate(stages)
        )
        session.add(JobTemplate(service_id=service.id, number=1))
        record("catalogue.service.create", service, by=by, name=service.name)
        return service


def edit_service(service: Service, values: ServiceValues, *, by: Actor, version: int | None = None) -> None:
    authorize(by, can_edit_service, service)
    with transaction():
        check_version(service, version)
        for name, value in _checked(values, service.id).items():
            setattr(service, name, value)
        record("catalogue.service.edit", service, by=by, name=service.name)


def archive_service(service: Service, *, by: Actor) -> None:
    """No new jobs are made of it; what there is goes on."""
    authorize(by, can_edit_service, service)
    with transaction():
        if service.archived_at is None:
            service.archived_at = now()
            record("catalogue.service.archive", service, by=by, name=service.name)


def restore_service(service: Service, *, by: Actor) -> None:
    authorize(by, can_edit_service, service)
    with transaction():
        if service.archived_at is not None:
            service.archived_at = None
            record("catalogue.service.restore", service, by=by, name=service.name)


def duplicate_service(service: Service, template: JobTemplate, new_service_id: UUID, *, by: Actor) -> Service:
    """A new service with the same stages and this version's content as its first draft.

    Both are given loaded: the service with its stages, the template with its parts."""
    authorize(by, can_edit_service, service)
    with transaction() as session:
        said = digest_of(service.id, template.id)
        existing = made_before(Service, new_service_id, said)
        if existing is not None:
            return existing
        name = _free_name(f"{service.name} (copy)")
        copy = Service(
            id=new_service_id, made_from=said, name=name, code=_free_code(name), practice_area=service.practice_area,
            description=service.description, cadence=service.cadence, own_engagement=service.own_engagement,
        )
        session.add(copy)
        session.flush()
        stages = {stage.id: new_id() for stage in service.stages}
        session.add_all(
            Stage(
                id=stages[stage.id], service_id=copy.id, position=stage.position, name=stage.name,
                client_words=stage.client_words, limit_days=stage.limit_days, moves_itself=stage.moves_itself,
            )
            for stage in service.stages
        )
        draft = JobTemplate(
            service_id=copy.id, number=1, state=TemplateState.DRAFT, title_pattern=template.title_pattern,
            due_rule=template.due_rule, start_rule=template.start_rule, priority=template.priority, fee=template.fee,
        )
        session.add(draft)
        session.flush()
        copy_parts(template, draft, stages)
        record("catalogue.service.duplicate", copy, by=by, name=copy.name, of=service.name)
        return copy


def _checked(values: ServiceValues, own_id: UUID | None) -> dict[str, Any]:
    if not values.name:
        raise Refused("Give the service a name.", field="name")
    code = values.code.upper() or _free_code(values.name)
    taken = sa.select(Service.id).where(Service.code == code)
    if own_id is not None:
        taken = taken.where(Service.id != own_id)
    if db.session.scalar(taken):
        raise Refused(f"The code {code} belongs to another service.", field="code")
    return vars(values) | {"code": code}


def _free_code(name: str) -> str:
    words = re.findall(r"[A-Z0-9]+", name.upper())
    stem = ("-".join(words)[:24].strip("-")) or "SERVICE"
    taken = set(db.session.scalars(sa.select(Service.code).where(Service.code.startswith(stem, autoescape=True))))
    return next(code for code in (stem, *(f"{stem}-{n}" for n in range(2, 10_000))) if code not in taken)


def _free_name(name: str) -> str:
    taken = set(db.session.scalars(sa.select(Service.name).where(Service.name.startswith(name, autoescape=True))))
    return next(text for text in (name, *(f"{name} {n}" for n in range(2, 10_000))) if text not in taken)
