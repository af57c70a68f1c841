"""Carrying out what a client's change means for series, and for jobs to come that nobody has worked on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.changes import ClientChange, follows, holds
from app.core.actors import SYSTEM, Actor
from app.core.db import db
from app.core.locking import to_lock
from app.jobs.commands.readiness import lock_jobs, settle
from app.jobs.models import OPEN_STATES, Deadline, DeadlineState, Task
from app.planning.commands.forecasting import refresh_forecasts
from app.planning.commands.occurrences import skip_unserved
from app.planning.following import Changed, MovedJob, moved_jobs
from app.planning.models import Occurrence, Series, SeriesState
from app.requests.models import ClientRequest, RequestState

Row = TypeVar("Row", Task, Deadline, ClientRequest)


@holds
def hold_for_client(change: ClientChange) -> None:
    """Its series with their periods, and what is not asked yet, in the order of locks: all before the client."""
    if not (change.moves_periods or change.begins_service):
        return
    series = db.session.scalars(to_lock(
        sa.select(Series.id).where(Series.client_id == change.client_id, Series.state != SeriesState.ENDED), of=Series
    )).all()
    if series:
        db.session.execute(to_lock(
            sa.select(Occurrence.id).where(Occurrence.series_id.in_(series)), of=Occurrence
        ))
    if change.moves_periods:
        db.session.execute(to_lock(sa.select(ClientRequest.id).where(
            ClientRequest.client_id == change.client_id, ClientRequest.state == RequestState.SCHEDULED,
        ), of=ClientRequest))


@follows
def follow_client(change: ClientChange, by: Actor) -> None:
    """In the transaction of the change. Forecasts follow always; jobs to come unless they were to be kept."""
    if change.moves_periods:
        changed = Changed(change, SYSTEM)
        moved = moved_jobs(changed) if change.redate else []
        if moved:
            lock_jobs([each.job.id for each in moved])
        for each in moved:
            _move(each, by)
        if moved:
            settle([each.job.id for each in moved])
        refresh_forecasts([row.id for row in changed.rows], by=SYSTEM)
    if change.begins_service:
        while skip_unserved(by=SYSTEM, client_id=change.client_id, because=change.before.words):
            pass


def _move(moved: MovedJob, by: Actor) -> None:
    """Every date of the job by its own template over the new period; a day set by hand stays."""
    job, plan = moved.job, moved.plan
    before = {"period": job.period_name, "due_on": job.due_on}
    job.period_start, job.period_end, job.period_name = plan.period_start, plan.period_end, plan.period_name
    job.title, job.starts_on, job.due_on = plan.title, plan.starts_on, plan.due_on
    job.version += 1
    _move_tasks(moved)
    _move_deadlines(moved)
    _move_requests(moved)
    occurrence = moved.occurrence
    occurrence.period_end, occurrence.title = moved.period.last_day, plan.title
    occurrence.starts_on, occurrence.due_on = plan.starts_on, plan.due_on
    record("planning.job.move", job, by=by, title=plan.title, before=before, due_on=plan.due_on)


def _move_tasks(moved: MovedJob) -> None:
    days = {task.step.key: task.due_on for task in moved.plan.tasks}
    for task in _of(Task, moved, Task.state.in_(OPEN_STATES), ~Task.due_locked):
        if task.step_key in days and task.due_on != days[task.step_key]:
            task.due_on = days[task.step_key]
            task.version += 1


def _move_deadlines(moved: MovedJob) -> None:
    found = dict(moved.plan.dates.deadlines)
    for deadline in _of(Deadline, moved, Deadline.state == DeadlineState.OPEN):
        result = found.get(deadline.code)
        if result is not None and not deadline.due_locked and not deadline.trigger_locked:
            deadline.statutory_on = deadline.effective_on = result.due
            deadline.trigger_on, deadline.basis = result.trigger, result.basis
            deadline.version += 1


def _move_requests(moved: MovedJob) -> None:
    planned = {request.row.id: request for request in moved.plan.requests}
    for request in _of(ClientRequest, moved, ClientRequest.state == RequestState.SCHEDULED):
        plan = planned.get(request.template_request_id) if request.template_request_id else None
        if plan is not None:
            request.due_on = plan.due_on
            if request.send_when_open or plan.row.send_rule:
                request.send_on = plan.asked_on or request.send_on
            request.version += 1


def _of(table: type[Row], moved: MovedJob, *where: sa.ColumnElement[bool]) -> Sequence[Row]:
    """Rows of the job, which is locked."""
    return db.session.scalars(sa.select(table).where(table.job_id == moved.job.id, *where).order_by(table.id)).all()
