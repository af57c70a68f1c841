"""The stages of a service: the columns of its board and the words that clients read."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.last_stage import open_in
from app.catalogue.models import Service, Stage, TemplateStep
from app.catalogue.policy import can_edit_service
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.locking import to_lock
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.wording import counted


@dataclass(frozen=True)
class StageValues:
    """`limit_days`: a job longer in it counts as stalled. `moves_itself`: on when everything in it is done."""

    name: str
    client_words: str = ""
    limit_days: int | None = None
    moves_itself: bool = True


def add_stage(service: Service, stage_id: UUID, values: StageValues, *, by: Actor) -> Stage:
    """At the end. The same id again changes nothing."""
    authorize(by, can_edit_service, service)
    with transaction() as session:
        said = digest_of(service.id, values)
        existing = made_before(Stage, stage_id, said)
        if existing is not None:
            return existing
        _lock(service)
        _check(service, values, None)
        last = session.scalar(sa.select(sa.func.max(Stage.position)).where(Stage.service_id == service.id))
        stage = Stage(
            id=stage_id, made_from=said, service_id=service.id, position=-1 if last is None else last, **vars(values)
        )
        stage.position += 1
        session.add(stage)
        record("catalogue.stage.add", service, by=by, name=values.name)
        return stage


def edit_stage(service: Service, stage_id: UUID, values: StageValues, *, by: Actor) -> None:
    authorize(by, can_edit_service, service)
    with transaction():
        _lock(service)
        stage = _stage(service, stage_id)
        _check(service, values, stage_id)
        for name, value in vars(values).items():
            setattr(stage, name, value)
        record("catalogue.stage.edit", service, by=by, name=values.name)


def move_stage(service: Service, stage_id: UUID, places: int, *, by: Actor) -> None:
    """Earlier (negative) or later by so many places. The last stage holds only jobs that are through."""
    authorize(by, can_edit_service, service)
    with transaction() as session:
        _lock(service)
        stages = list(session.scalars(
            sa.select(Stage).where(Stage.service_id == service.id).order_by(Stage.position)
        ))
        stage, was_last = _stage(service, stage_id), stages[-1].id
        here = stages.index(stage)
        there = min(max(here + places, 0), len(stages) - 1)
        if there == here:
            return
        stages.insert(there, stages.pop(here))
        for position, each in enumerate(stages):
            each.position = position
        session.flush()
        _check_last(service, was_last)
        record("catalogue.stage.move", service, by=by, name=stage.name)


def remove_stage(service: Service, stage_id: UUID, *, by: Actor) -> None:
    """Only one that no step of any version and no job stands in: what is used stays."""
    authorize(by, can_edit_service, service)
    with transaction() as session:
        _lock(service)
        stage, was_last = _stage(service, stage_id), session.scalar(
            sa.select(Stage.id).where(Stage.service_id == service.id).order_by(Stage.position.desc()).limit(1)
        )
        if session.scalar(sa.select(TemplateStep.id).where(TemplateStep.stage_id == stage_id).limit(1)):
            raise Refused(f"Steps stand in “{stage.name}”, in this version or a published one, so it stays.")
        try:
            with transaction():
                session.delete(stage)
                session.flush()
        except sa.exc.IntegrityError:
            raise Refused(f"Jobs stand in “{stage.name}”, so it stays.") from None
        _check_last(service, was_last)
        record("catalogue.stage.remove", service, by=by, name=stage.name)


def _check_last(service: Service, was_last: UUID | None) -> None:
    """Another stage may come to be the last only while no job with open steps stands in it."""
    stages = db.session.scalars(
        sa.select(Stage).where(Stage.service_id == service.id).order_by(Stage.position.desc()).limit(2)
    ).all()
    if len(stages) < 2 or stages[0].id == was_last:
        return
    if number := open_in(service.id, stages[0].id):
        stand = "stands" if number == 1 else "stand"
        raise Refused(
            f"“{stages[0].name}” would be the last stage, for jobs that are through, and {counted(number, 'job')} with "
            f"open steps {stand} in it. Move {'it' if number == 1 else 'them'} first."
        )


def _lock(service: Service) -> None:
    db.session.execute(to_lock(sa.select(Service.id).where(Service.id == service.id)))


def _stage(service: Service, stage_id: UUID) -> Stage:
    stage = db.session.get(Stage, stage_id)
    if stage is None or stage.service_id != service.id:
        raise NotFound()
    return stage


def _check(service: Service, values: StageValues, own_id: UUID | None) -> None:
    if not values.name:
        raise Refused("Give the stage a name.", field="name")
    if values.limit_days is not None and not 1 <= values.limit_days <= 3650:
        raise Refused("A time limit is between 1 and 3,650 days.", field="limit_days")
    same = sa.select(Stage.id).where(Stage.service_id == service.id, Stage.name == values.name)
    if db.session.scalar(same.where(Stage.id != own_id) if own_id else same):
        raise Refused(f"There is a stage “{values.name}” already.", field="name")
