"""Steps whose lag has ended open by themselves."""

from __future__ import annotations

import sqlalchemy as sa

from app.activity.commands import record
from app.core.actors import SYSTEM
from app.core.clock import today
from app.core.db import transaction
from app.jobs.commands.readiness import lock_jobs, settle_tasks
from app.jobs.models import Task, TaskState


def open_after_lags(limit: int = 200) -> int:
    """Ready the blocked tasks whose day has come. Returns how many; safe to run twice."""
    with transaction() as session:
        due = session.execute(
            sa.select(Task.id, Task.job_id)
            .where(Task.state == TaskState.BLOCKED, Task.open_after.is_not(None), Task.open_after <= today())
            .order_by(Task.id).limit(limit)
        ).all()
        if not due:
            return 0
        lock_jobs({row.job_id for row in due})
        moved = settle_tasks([row.id for row in due])
        tasks = session.scalars(sa.select(Task).where(Task.id.in_([m.id for m in moved]))).all()
        for task in tasks:
            record("jobs.task.opened", task, by=SYSTEM, name=task.name,
                   readied=[task.id] if task.state is TaskState.READY else [])
        return len(due)
