"""Moving a job from stage to stage: by hand, and by itself when everything required is done."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.last_stage import counts_open_in
from app.catalogue.models import Stage
from app.core.actors import SYSTEM, Actor
from app.core.clock import today
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.locking import lock_row, to_lock
from app.core.permissions import authorize
from app.jobs.models import OPEN_JOBS, OPEN_STATES, Job, JobStatus, Task, TaskState
from app.jobs.policy import can_edit_job
from app.jobs.queries.tasks import open_required_in


def move_to_stage(job: Job, stage: Stage, *, by: Actor) -> None:
    """Put a job into another stage of its service; into the last one only when everything required is done."""
    authorize(by, can_edit_job, job)
    if stage.service_id != job.service_id:
        raise Refused("This stage belongs to another service.")
    with transaction():
        lock_row(job, "stage_id", "status")
        if job.status is not JobStatus.ACTIVE:
            raise Refused(f"The job is {job.status.words}; resume or reopen it first.")
        if stage.id == job.stage_id:
            return
        _check_through(job, stage)
        _move(job, stage, by=by)


def _check_through(job: Job, stage: Stage) -> None:
    """The last stage says that a job is through, so nothing required is open in one that enters it."""
    stages = db.session.scalars(_STAGES, {"service": job.service_id}).all()
    if len(stages) < 2 or stage.id != stages[-1].id:
        return
    names = open_required_in(job)
    if names:
        raise Refused(f"“{stage.name}” is the last stage, for jobs that are through. Still to do: {names}.")


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


def fall_back(tasks: Collection[Task]) -> None:
    """Steps that are open again, or new, take their jobs back: to the first of their stages when the job has gone past
    it, and a required one in any case out of the last; in the caller's transaction."""
    for job_id in sorted({task.job_id for task in tasks}):
        job = db.session.get_one(Job, job_id)
        db.session.refresh(job, ["stage_id"])  # it may have moved while its lock was waited for
        if job.stage_id is None or job.service_id is None:
            continue
        stages = db.session.scalars(_STAGES, {"service": job.service_id}).all()
        places = {stage.id: place for place, stage in enumerate(stages)}
        own = [task for task in tasks if task.job_id == job_id]
        here = places.get(job.stage_id, 0)
        wanted = [places[task.stage_id] for task in own if task.stage_id in places]
        last_but_one = [len(stages) - 2] if len(stages) > 1 and any(task.required for task in own) else []
        there = min([here, *wanted, *last_but_one])
        if there < here:
            _move(job, stages[there], by=SYSTEM)


@counts_open_in
def _jobs_open_in(service_id: UUID, stage_id: UUID) -> int:
    """All open jobs of the service are locked: none comes into the stage meanwhile."""
    open_jobs = sa.select(Job.id).where(Job.service_id == service_id, Job.status.in_(OPEN_JOBS))
    db.session.execute(to_lock(open_jobs, of=Job))
    to_do = sa.exists().where(Task.job_id == Job.id, Task.required, Task.state.in_(OPEN_STATES))
    found = open_jobs.where(Job.stage_id == stage_id, to_do)
    return db.session.scalar(sa.select(sa.func.count()).select_from(found.subquery())) or 0


def leave_last(job: Job) -> None:
    """A job whose required steps are taken up again does not stand in the last stage; in the caller's transaction."""
    stages = db.session.scalars(_STAGES, {"service": job.service_id}).all() if job.service_id else []
    if len(stages) > 1 and job.stage_id == stages[-1].id and open_required_in(job):
        _move(job, stages[-2], by=SYSTEM)


def first_stage(service_id: UUID, wanted: UUID | None) -> UUID | None:
    """Where a new job stands: in the stage of its first step, never in the last of several."""
    stages = db.session.scalars(_STAGES.with_only_columns(Stage.id), {"service": service_id}).all()
    return stages[-2] if len(stages) > 1 and wanted == stages[-1] else wanted


def _move(job: Job, stage: Stage, *, by: Actor) -> None:
    before = job.stage_id
    job.stage_id, job.stage_since = stage.id, today()
    topics = tuple(f"stage:{place}" for place in (before, stage.id) if place)
    record("jobs.job.moved", job, by=by, topics=topics, stage_id=stage.id, stage=stage.name, before=before)
