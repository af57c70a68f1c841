"""Reading single tasks: with what stands before and after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased, joinedload

from app.catalogue.models import DependencyKind, StepKind
from app.clients.models import Client
from app.clients.policy import can_see, within_sight
from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.core.errors import NotFound
from app.jobs.models import ChecklistItem, Dependency, Job, Task, TaskState
from app.jobs.policy import tasks_seen_by

SETTLED = (TaskState.DONE, TaskState.CANCELLED)


def get_task(task_id: UUID, *, seen_by: Actor) -> Task:
    """A task with its job, client and assignee; NotFound when it may not be seen."""
    return get_or_404(
        tasks_seen_by(seen_by).where(Task.id == task_id)
        .options(
            joinedload(Task.job, innerjoin=True), joinedload(Task.client, innerjoin=True),
            joinedload(Task.assignee), joinedload(Task.stage),
        )
    )


_TO_DO = sa.select(Task).where(Task.id == sa.bindparam("task")).options(
    joinedload(Task.job, innerjoin=True).load_only(
        Job.title, Job.status, Job.client_id, Job.engagement_id, Job.service_id, Job.stage_id, Job.deadline_on,
        Job.deadline_name,
    ),
    joinedload(Task.client, innerjoin=True).load_only(Client.name),
)


def get_task_to_do(task_id: UUID, *, seen_by: Actor) -> Task:
    """The same for whoever starts, finishes or reopens it: with no more of its job and client than that asks for."""
    task = db.session.scalar(_TO_DO, {"task": task_id})
    if task is None or seen_by.is_contact or not can_see(seen_by, task.client_id, task.engagement_id):
        raise NotFound()
    return task


def list_checklist(task: Task) -> Sequence[ChecklistItem]:
    return db.session.scalars(
        sa.select(ChecklistItem).where(ChecklistItem.task_id == task.id).order_by(ChecklistItem.position)
    ).all()


def get_item(item_id: UUID, task: Task) -> ChecklistItem:
    return get_or_404(sa.select(ChecklistItem).where(ChecklistItem.id == item_id, ChecklistItem.task_id == task.id))


def list_before(task: Task, *, seen_by: Actor) -> Sequence[tuple[Dependency, Task]]:
    """What this task comes after; of a job that may not be seen, nothing."""
    rows = db.session.execute(
        sa.select(Dependency, Task).join(Task, Task.id == Dependency.on_id)
        .where(Dependency.task_id == task.id, *within_sight(seen_by, Task.client_id, Task.engagement_id))
        .options(joinedload(Task.assignee), joinedload(Task.job)).order_by(Task.position, Task.id)
    )
    return [(row[0], row[1]) for row in rows]


def list_after(task: Task, *, seen_by: Actor) -> Sequence[tuple[Dependency, Task]]:
    """What comes after this task."""
    rows = db.session.execute(
        sa.select(Dependency, Task).join(Task, Task.id == Dependency.task_id)
        .where(Dependency.on_id == task.id, *within_sight(seen_by, Task.client_id, Task.engagement_id))
        .options(joinedload(Task.assignee), joinedload(Task.job)).order_by(Task.position, Task.id)
    )
    return [(row[0], row[1]) for row in rows]


def blockers_of(task: Task) -> Sequence[str]:
    """The names of the steps that are not done yet and that this one comes after."""
    return db.session.scalars(
        sa.select(Task.name).join(Dependency, Dependency.on_id == Task.id)
        .where(Dependency.task_id == task.id, Dependency.kind == DependencyKind.HARD, Task.state.not_in(SETTLED))
        .order_by(Task.position)
    ).all()


def open_required_in(job: Job) -> str:
    """The first required steps of a job that are open, by name; empty where none is."""
    names = db.session.scalars(
        sa.select(Task.name).where(Task.job_id == job.id, Task.required, Task.state.not_in(SETTLED))
        .order_by(Task.position, Task.id).limit(4)
    ).all()
    return ", ".join(f"“{name}”" for name in names[:3]) + (" and more" if len(names) > 3 else "")


def last_preparer(review: Task) -> UUID | None:
    """Who finished the last piece of work before this review; in the job at large when it comes after none."""
    before = db.session.execute(
        sa.select(Task.done_by, Task.done_at).join(Dependency, Dependency.on_id == Task.id)
        .where(Dependency.task_id == review.id, Task.kind == StepKind.WORK, Task.state == TaskState.DONE)
        .order_by(Task.done_at.desc()).limit(1)
    ).one_or_none()
    if before is not None:
        return cast(UUID | None, before.done_by)
    return db.session.scalar(
        sa.select(Task.done_by)
        .where(Task.job_id == review.job_id, Task.kind == StepKind.WORK, Task.state == TaskState.DONE)
        .order_by(Task.done_at.desc()).limit(1)
    )


def jobs_started_after(task: Task) -> Sequence[UUID]:
    """The jobs of the steps of `started_after`."""
    return db.session.scalars(_started_after(task).with_only_columns(Task.job_id).distinct()).all()


def started_after(task: Task) -> Sequence[Task]:
    """Steps after this one, near and far, that were started or done on the strength of it."""
    ordered = _started_after(task).options(joinedload(Task.assignee)).order_by(Task.position, Task.id)
    return db.session.scalars(ordered.execution_options(populate_existing=True)).unique().all()


def _started_after(task: Task) -> sa.Select[Task]:
    edge = sa.select(Dependency.task_id).where(
        Dependency.on_id == task.id, Dependency.kind == DependencyKind.HARD
    ).cte("later", recursive=True)
    step = aliased(Dependency)
    edge = edge.union(
        sa.select(step.task_id).where(step.on_id == edge.c.task_id, step.kind == DependencyKind.HARD)
    )
    return sa.select(Task).where(
        Task.id.in_(sa.select(edge.c.task_id)), Task.started_at.is_not(None), Task.state != TaskState.CANCELLED
    )


def last_work_before(review: Task) -> Task | None:
    """The piece of work that a review sends back: the last one done among those that it comes after."""
    return db.session.scalar(
        sa.select(Task).join(Dependency, Dependency.on_id == Task.id)
        .where(Dependency.task_id == review.id, Task.state == TaskState.DONE)
        .order_by((Task.kind == StepKind.WORK).desc(), Task.done_at.desc()).limit(1)
    )
