"""Steps added to a job by hand, and changes to a step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.models import StepKind
from app.core.actors import Actor
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.jobs.commands.readiness import hold_jobs, settle
from app.jobs.commands.stages import fall_back
from app.jobs.commands.tasks import check_holder
from app.jobs.models import ChecklistItem, Dependency, Job, JobStatus, Task
from app.jobs.policy import can_edit_job
from app.people.models import Person


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A step beside the template's. `after` are the steps of the same job that it comes after."""

    id: UUID
    name: str
    kind: StepKind = StepKind.WORK
    instructions: str = ""
    stage_id: UUID | None = None
    assignee: Person | None = None
    estimate: dt.timedelta | None = None
    due_on: dt.date | None = None
    required: bool = True
    after: Sequence[UUID] = ()
    checklist: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class TaskChange:
    name: str
    instructions: str
    estimate: dt.timedelta | None
    due_on: dt.date | None
    priority: int


def add_task(job: Job, new: NewTask, *, by: Actor) -> Task:
    """Add a step to a job; twice the same id adds it once."""
    authorize(by, can_edit_job, job)
    said = digest_of(job.id, new)
    known = made_before(Task, new.id, said)
    if known is not None:
        return known
    if not new.name.strip():
        raise Refused("Give the step a name.", field="name")
    if job.status is not JobStatus.ACTIVE:
        raise Refused(f"The job is {job.status.words}; resume or reopen it first.")
    check_holder(new.assignee, job.client_id, job.engagement_id)
    with transaction():
        hold_jobs([job.id])
        after = db.session.scalars(sa.select(Task).where(Task.id.in_(new.after), Task.job_id == job.id)).all()
        last = db.session.scalar(sa.select(sa.func.max(Task.position)).where(Task.job_id == job.id))
        task = Task(
            id=new.id, made_from=said, job_id=job.id, client_id=job.client_id, engagement_id=job.engagement_id,
            stage_id=new.stage_id or job.stage_id, position=(last or 0) + 1, name=new.name.strip(), kind=new.kind,
            instructions=new.instructions, assignee_id=new.assignee.id if new.assignee else None,
            estimate=new.estimate, due_on=new.due_on or job.due_on, due_locked=new.due_on is not None,
            required=new.required, priority=job.priority,
        )
        db.session.add(task)
        db.session.flush()
        db.session.add_all(Dependency(task_id=task.id, on_id=each.id) for each in after)
        db.session.add_all(
            ChecklistItem(task_id=task.id, position=place, text=text.strip())
            for place, text in enumerate(new.checklist) if text.strip()
        )
        if task.required:
            fall_back([task])
        settle([job.id])
        topics = (f"person:{task.assignee_id}",) if task.assignee_id else ()
        record("jobs.task.added", task, by=by, topics=topics, name=task.name, to=task.assignee_id)
    return task


def edit_task(task: Task, change: TaskChange, *, version: int | None, by: Actor) -> None:
    """Change a step; a due date set by hand stays when deadlines move."""
    authorize(by, can_edit_job, task)
    if not change.name.strip():
        raise Refused("Give the step a name.", field="name")
    if change.priority not in (0, 1, 2):
        raise Refused("Priority is normal, high or urgent.", field="priority")
    if change.estimate is not None and change.estimate < dt.timedelta(0):
        raise Refused("An estimate is not below zero.", field="estimate")
    with transaction():
        check_version(task, version)
        wanted: dict[str, Any] = {
            "name": change.name.strip(), "instructions": change.instructions, "estimate": change.estimate,
            "due_on": change.due_on, "priority": change.priority,
        }
        changed = {name: value for name, value in wanted.items() if getattr(task, name) != value}
        if not changed:
            return
        for name, value in changed.items():
            setattr(task, name, value)
        if "due_on" in changed:
            task.due_locked = change.due_on is not None
        db.session.execute(sa.update(Job).where(Job.id == task.job_id).values(plan_stale=True))
        topics = (f"person:{task.assignee_id}",) if task.assignee_id else ()
        record("jobs.task.changed", task, by=by, topics=topics, name=task.name, changed=changed)
