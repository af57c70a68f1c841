"""Which step comes after which; a cycle is refused by the names of its steps."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.graph import Edge, describe_cycle, find_cycle
from app.catalogue.models import DependencyKind
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.locking import take_turn
from app.core.permissions import authorize
from app.jobs.commands.lags import lag_end
from app.jobs.commands.readiness import hold_jobs, settle
from app.jobs.models import Dependency, Task
from app.jobs.policy import can_edit_job


def add_dependency(
    task: Task, *, after: Task, by: Actor, kind: DependencyKind = DependencyKind.HARD, lag_days: int = 0
) -> Dependency:
    """Let a task come after another, with a lag in working days; refused when that closes a cycle."""
    authorize(by, can_edit_job, task)
    authorize(by, can_edit_job, after)
    if task.id == after.id:
        raise Refused(f"“{task.name}” cannot come after itself.", field="after")
    if not 0 <= lag_days <= 366:
        raise Refused("A lag is between 0 and 366 working days.", field="lag_days")
    with transaction():
        # Two edges that would close a cycle from two sides can lie in four jobs: adding is one at a time for all.
        if task.job_id != after.job_id:
            take_turn("jobs.dependency", at="turn of jobs")
        hold_jobs({task.job_id, after.job_id})
        db.session.refresh(after, ["state", "done_at"])  # it may have been finished while this waited for the lock
        edges = _reachable(task, after)
        cycle = find_cycle(edges, adding=Edge(after.id, task.id, kind is DependencyKind.HARD, lag_days))
        if cycle:
            raise Refused(f"That would go round in a circle: {describe_cycle(cycle, _names(cycle))}.", field="after")
        found = db.session.scalar(
            sa.select(Dependency).where(Dependency.task_id == task.id, Dependency.on_id == after.id)
        )
        dependency = found or Dependency(task_id=task.id, on_id=after.id)
        if (dependency.kind, dependency.lag_days) != (kind, lag_days):
            dependency.from_template = False
        dependency.kind, dependency.lag_days = kind, lag_days
        dependency.opens_on = lag_end(after, task, lag_days)
        db.session.add(dependency)
        settle({task.job_id})
        record("jobs.dependency.added", task, by=by, name=task.name, after=after.id, after_name=after.name,
               hard=kind is DependencyKind.HARD, lag_days=lag_days)
    return dependency


def remove_dependency(dependency: Dependency, task: Task, *, by: Actor) -> None:
    """A task no longer comes after another."""
    authorize(by, can_edit_job, task)
    after = db.session.get_one(Task, dependency.on_id)
    with transaction():
        hold_jobs({task.job_id, after.job_id})
        if not db.session.scalar(sa.select(sa.exists().where(Dependency.id == dependency.id))):
            return
        db.session.delete(dependency)
        settle({task.job_id, after.job_id})  # both: the other job's step keeps how many wait for it
        record("jobs.dependency.removed", task, by=by, name=task.name, after=after.id, after_name=after.name)


def _reachable(task: Task, after: Task) -> list[Edge[UUID]]:
    """The edges that can lead from the task back to what it shall come after: those of both jobs and what hangs on."""
    rows = db.session.execute(sa.text("""
        WITH RECURSIVE later(id) AS (
            SELECT CAST(:task AS uuid)
            UNION SELECT d.task_id FROM later l JOIN dependency d ON d.on_id = l.id
        )
        SELECT d.on_id, d.task_id FROM dependency d WHERE d.on_id IN (SELECT id FROM later)
    """), {"task": task.id}).all()
    return [Edge(row.on_id, row.task_id) for row in rows if not (row.on_id == after.id and row.task_id == task.id)]


def _names(ids: list[UUID]) -> dict[UUID, str]:
    rows = db.session.execute(sa.select(Task.id, Task.name).where(Task.id.in_(ids))).all()
    return {row.id: row.name for row in rows}
