"""Carrying out what a client's change means for series, and for jobs to come that nobody has worked on."""

from __future__ import annotations

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.changes import ClientChange, follows, holds
from app.core.actors import SYSTEM, Actor
from app.core.db import db
from app.core.locking import to_lock
from app.jobs.commands.dates import dates_held, write_moves
from app.jobs.commands.readiness import lock_jobs, settle
from app.jobs.dates import follow
from app.planning.commands.forecasting import refresh_or_mark
from app.planning.commands.occurrences import skip_unserved
from app.planning.following import Changed, MovedJob, moved_jobs
from app.planning.models import Occurrence, Series, SeriesState
from app.requests.models import UNSENT, ClientRequest


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
            ClientRequest.client_id == change.client_id, ClientRequest.state.in_(UNSENT),
        ), of=ClientRequest))


@follows
def _follow_client(change: ClientChange, by: Actor) -> None:
    """In the transaction of the change, which no series that cannot be worked out holds up. Forecasts follow always;
    jobs to come unless they were to be kept."""
    if change.moves_periods:
        changed = Changed([change], SYSTEM)
        moved = moved_jobs(changed) if change.redate else []
        if moved:
            lock_jobs([each.job.id for each in moved])
        for each in moved:
            _move(each, by, change.because)
        if moved:
            settle([each.job.id for each in moved])
        refresh_or_mark([row.id for row in changed.rows])
    if change.begins_service:
        while skip_unserved(by=SYSTEM, client_id=change.client_id, because=change.before.words):
            pass


def _move(moved: MovedJob, by: Actor, because: str) -> None:
    """Every date that follows from the new period, by the job's own difference; a day set by hand stays."""
    job, plan = moved.job, moved.plan
    before, cause = dates_held(job), moved.cause
    told = {"period": job.period_name, "due_on": job.due_on}
    moves = follow(before, cause)
    job.period_start, job.period_end, job.period_name = plan.period_start, plan.period_end, plan.period_name
    job.title, job.starts_on = plan.title, plan.starts_on
    job.version += 1
    write_moves(job, before, moves, cause.change(before), by=by, because=because)
    occurrence = moved.occurrence
    occurrence.period_end, occurrence.title = moved.period.last_day, plan.title
    occurrence.starts_on, occurrence.due_on = plan.starts_on, job.due_on
    record("planning.job.move", job, by=by, title=plan.title, before=told, due_on=job.due_on)
