"""Who may see and change jobs, tasks and deadlines."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from app.clients.policy import can_see, within_sight
from app.core.actors import Actor
from app.core.permissions import Permission
from app.jobs.models import Deadline, Job, Task


def jobs_seen_by(actor: Actor) -> sa.Select[Job]:
    return sa.select(Job).where(*within_sight(actor, Job.client_id, Job.engagement_id))


def tasks_seen_by(actor: Actor) -> sa.Select[Task]:
    """Tasks are the firm's own: a contact sees none of them."""
    if actor.is_contact:
        return sa.select(Task).where(sa.false())
    return sa.select(Task).where(*within_sight(actor, Task.client_id, Task.engagement_id))


def can_work(by: Actor, task: Task | None = None) -> bool:
    """Start, finish, tick, snooze, comment."""
    return by.may(Permission.TASK_WORK) and (task is None or can_see(by, task.client_id, task.engagement_id))


def can_edit_job(by: Actor, job: Job | Task | Deadline | None = None) -> bool:
    """Change what must be done: dates, steps, people, order."""
    return by.may(Permission.JOB_EDIT) and (job is None or can_see(by, job.client_id, job.engagement_id))


def can_add_job(by: Actor, client_id: UUID, engagement_id: UUID) -> bool:
    return by.may(Permission.JOB_EDIT) and can_see(by, client_id, engagement_id)


def can_review(by: Actor, task: Task, last_preparer: UUID | None) -> bool:
    """A review is done by somebody other than the last preparer, unless the role allows it."""
    if not can_work(by, task):
        return False
    return by.is_system or last_preparer is None or by.person_id != last_preparer or by.may(Permission.REVIEW_OWN)


def can_see_dashboard(by: Actor) -> bool:
    return by.may(Permission.REPORT_SEE)


def can_export(by: Actor) -> bool:
    return by.may(Permission.EXPORT)
