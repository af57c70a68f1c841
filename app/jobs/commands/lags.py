"""Lags: working days between a finished step and the next one, on the calendar of the step that waits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.models import DependencyKind
from app.clients.models import Client
from app.core.actors import SYSTEM
from app.core.clock import local, today
from app.core.db import db, transaction
from app.jobs.calendars import calendar_of, calendars_of
from app.jobs.commands.readiness import lock_jobs, settle_tasks
from app.jobs.models import DOABLE_STATES, OPEN_STATES, Dependency, Job, JobStatus, Task, TaskState

_LAGGED = (Dependency.lag_days > 0, Dependency.kind == DependencyKind.HARD)


def lag_end(after: Task, waiting: Task, lag_days: int) -> dt.date | None:
    """The day from which a step may begin, `lag_days` working days after another was finished; None until it is."""
    if not lag_days or after.state is not TaskState.DONE or after.done_at is None:
        return None
    return calendar_of(waiting.client_id).add_working_days(local(after.done_at).date(), lag_days)


def end_lags(task: Task) -> None:
    """Write where the lags after a step end that is being finished today; its jobs are locked.

    A step that is finished already keeps the days that were written when it was.
    """
    finishing = sa.orm.aliased(Task)
    rows = db.session.execute(
        sa.select(Dependency, Task.client_id)
        .join(Task, Task.id == Dependency.task_id)
        .join(finishing, finishing.id == Dependency.on_id)
        .where(finishing.id == task.id, finishing.state.in_(DOABLE_STATES), *_LAGGED)
    ).all()
    for lag, client_id in rows:
        lag.opens_on = calendar_of(client_id).add_working_days(today(), lag.lag_days)
    db.session.flush()


def recount_before(task_ids: Collection[UUID]) -> None:
    """Count the lags that lead to these steps anew, as they wait again: the calendar may have changed meanwhile."""
    finished = sa.orm.aliased(Task)
    rows = db.session.execute(
        sa.select(Dependency, Task.client_id, finished.done_at).join(Task, Task.id == Dependency.task_id)
        .join(finished, finished.id == Dependency.on_id)
        .where(Dependency.task_id.in_(task_ids), finished.state == TaskState.DONE, *_LAGGED)
        .order_by(Dependency.id)
    ).all()
    for lag, client_id, done_at in rows:
        assert done_at is not None  # the predecessor is done
        lag.opens_on = calendar_of(client_id).add_working_days(local(done_at).date(), lag.lag_days)
    db.session.flush()


def recount_lags(office_id: UUID | None = None, *, client_id: UUID | None = None) -> int:
    """Count the lags that run at an office, or for a client (neither: everywhere), anew, as the calendar has changed.

    Steps that were started stay; the plans of these jobs are made again. Returns how many days moved.
    """
    finished = sa.orm.aliased(Task)
    on_calendar = Client.office_id == office_id if office_id else sa.true()
    if client_id:
        on_calendar = Client.id == client_id
    with transaction() as session:
        running = (
            sa.select(Dependency, Task.id, Task.client_id, finished.done_at)
            .join(Task, Task.id == Dependency.task_id)
            .join(finished, finished.id == Dependency.on_id)
            .join(Client, Client.id == Task.client_id)
            .where(
                *_LAGGED, finished.state == TaskState.DONE, Task.state.in_(OPEN_STATES), Task.started_at.is_(None),
                finished.done_at.is_not(None), on_calendar,
            )
            .order_by(Dependency.id)
        )
        jobs = session.scalars(running.with_only_columns(Task.job_id).order_by(None).distinct()).all()
        planned = session.scalars(
            sa.select(Job.id).where(
                Job.status == JobStatus.ACTIVE, Job.client_id.in_(sa.select(Client.id).where(on_calendar))
            )
        ).all()
        lock_jobs({*jobs, *planned})  # the plans' jobs too: no job is locked once the steps are
        session.execute(
            sa.update(Job).where(Job.id.in_(planned)).values(plan_stale=True)
            .execution_options(synchronize_session=False)
        )
        rows = session.execute(running.execution_options(populate_existing=True)).all()
        calendars = calendars_of([row.client_id for row in rows])
        moved = []
        for lag, task_id, of, done_at in rows:
            assert done_at is not None
            opens_on = calendars[of].add_working_days(local(done_at).date(), lag.lag_days)
            if lag.opens_on != opens_on:
                lag.opens_on = opens_on
                moved.append(task_id)
        settle_tasks(moved)
    return len(moved)


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
