"""Moving a job from stage to stage: by hand, and by itself when everything required is done."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.models import Stage
from app.core.actors import SYSTEM, Actor
from app.core.clock import today
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.jobs.models import Job, JobStatus, Task, TaskState
from app.jobs.policy import can_edit_job


def move_to_stage(job: Job, stage: Stage, *, by: Actor) -> None:
    """Put a job into another stage of its service."""
    authorize(by, can_edit_job, job)
    if stage.service_id != job.service_id:
        raise Refused("This stage belongs to another service.")
    if job.status is not JobStatus.ACTIVE:
        raise Refused(f"The job is {job.status.words}; resume or reopen it first.")
    if stage.id == job.stage_id:
        return
    with transaction():
        _move(job, stage, by=by)


_STAGES = sa.select(Stage).where(Stage.service_id == sa.bindparam("service")).order_by(Stage.position)
_OPEN_IN_STAGES = (
    sa.select(Task.stage_id, sa.func.count().filter(Task.state.not_in((TaskState.DONE, TaskState.CANCELLED))))
    .where(Task.job_id == sa.bindparam("job"), Task.required).group_by(Task.stage_id)
)


def advance_stage(job: Job) -> None:
    """Move on as far as everything required is done and the stages say so; in the caller's transaction.

    The last stage says that a job is through, so it is entered only once nothing required is open in any stage.
    """
    if job.stage_id is None or job.service_id is None or job.status is not JobStatus.ACTIVE:
        return
    stages = db.session.scalars(_STAGES, {"service": job.service_id}).all()
    counts = db.session.execute(_OPEN_IN_STAGES, {"job": job.id}).all()
    open_in: dict[UUID | None, int] = {stage_id: number for stage_id, number in counts}
    at = next((place for place, stage in enumerate(stages) if stage.id == job.stage_id), None)
    if at is None or not open_in:
        return
    target, reach = at, len(stages) - 1 if not any(open_in.values()) else len(stages) - 2
    while target < reach and stages[target].moves_itself and not open_in.get(stages[target].id):
        target += 1
    if target != at:
        _move(job, stages[target], by=SYSTEM)


def fall_back(job: Job, task: Task) -> None:
    """A reopened step takes its job back to the step's stage when the job has gone past it."""
    if task.stage_id is None or job.stage_id in (None, task.stage_id):
        return
    both = sa.select(Stage).where(Stage.id.in_([task.stage_id, job.stage_id]))
    places = {stage.id: stage for stage in db.session.scalars(both)}
    here, there = places.get(job.stage_id) if job.stage_id else None, places.get(task.stage_id)
    if here and there and there.position < here.position:
        _move(job, there, by=SYSTEM)


def _move(job: Job, stage: Stage, *, by: Actor) -> None:
    before = job.stage_id
    job.stage_id, job.stage_since = stage.id, today()
    topics = tuple(f"stage:{place}" for place in (before, stage.id) if place)
    record("jobs.job.moved", job, by=by, topics=topics, stage_id=stage.id, stage=stage.name, before=before)
