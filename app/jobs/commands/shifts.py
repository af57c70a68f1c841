"""Moving the dates of many jobs after one change, each in a transaction of its own: what is done is what was shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.statutory import find_rule
from app.clients.models import Client
from app.core.actors import Actor
from app.core.db import db
from app.core.permissions import authorize
from app.core.wording import counted, full_day
from app.firm.days_off import REACH, ClosureChange, Moved, follows_closure, foresees_closure
from app.jobs.commands.dates import hold_dates, write_moves
from app.jobs.dates import DayOff, EditionChanged, JobDates, Move, difference
from app.jobs.models import OPEN_JOBS, Deadline, Job
from app.jobs.overruns import overrun_of
from app.jobs.policy import can_edit_job
from app.jobs.queries.deadlines import of_older_edition
from app.jobs.shifts import Shift, shifts_of, told
from app.runs.commands import Skip, start_run, works
from app.runs.models import Run, RunItem

DAY_OFF = "jobs.day_off"
Shown = Collection[str]


@foresees_closure
def jobs_that_move(change: ClosureChange, seen_by: Actor) -> list[Moved]:
    """Open jobs of that office with the dates that would move."""
    which = [
        Job.starts_on <= change.on + REACH,
        sa.func.coalesce(sa.func.greatest(Job.due_on, Job.deadline_on), change.on) >= change.on - REACH,
    ]
    if change.office_id is not None:
        which.append(Job.client_id.in_(sa.select(Client.id).where(Client.office_id == change.office_id)))
    found = shifts_of(which, DayOff(change.on, change.closed), seen_by=seen_by)
    said = {"on": change.on.isoformat(), "closed": change.closed}
    return [
        Moved(each.title, each.client, each.url, tuple((m.name, m.before, m.after) for m in each.moving),
              item_of(each, said), stays_because=each.overrun.words if each.overrun else "")
        for each in found if each.moving
    ]


@follows_closure
def _begin_moving(change: ClosureChange, moved: Sequence[Moved], run_id: UUID, by: Actor) -> None:
    """A run with an item for each of these jobs."""
    verb = "Closed" if change.closed else "Open again"
    moving = [each for each in moved if not each.stays_because]
    title = f"{verb} on {full_day(change.on)}: the dates of {counted(len(moving), 'job')}"
    start_run(run_id, DAY_OFF, title, [(each.name, dict(each.item)) for each in moving], by=by)


def item_of(shift: Shift, said: dict[str, Any]) -> dict[str, Any]:
    """What one item of a run says: a job, and what was shown of it."""
    return {**said, "job_id": str(shift.job_id), "client_id": str(shift.client_id), "shown": shift.shown}


@works(DAY_OFF)
def _move_one(_run: Run, item: RunItem, by: Actor) -> dict[str, Any]:
    said = item.payload
    cause = DayOff(dt.date.fromisoformat(said["on"]), said["closed"])
    moved = follow_day_off(db.session.get_one(Job, UUID(said["job_id"])), cause, said["shown"], by=by)
    return {"moved": len(moved)}


def follow_day_off(job: Job, cause: DayOff, shown: Shown, *, by: Actor) -> list[Move]:
    """Move the dates of a job after the day was closed, or worked again. A second time there is nothing to move."""
    authorize(by, can_edit_job, job)
    after = _held(job)
    before = DayOff(cause.on, not cause.closed).change(after)
    return _move(job, before, after, shown, by)


def adopt_edition(job: Job, rule: str, shown: Shown, *, by: Actor) -> list[Move]:
    """Count a job's deadlines of a rule by its newest edition, and move what follows. A second time changes nothing."""
    authorize(by, can_edit_job, job)
    before, edition = _held(job), find_rule(rule).edition
    cause = EditionChanged(rule, edition)
    rows = db.session.scalars(
        sa.select(Deadline).where(Deadline.job_id == job.id, *of_older_edition(rule, edition)).order_by(Deadline.id)
    ).all()
    if not rows:
        return []
    was = {row.id: row.effective_on for row in rows}
    moved = _move(job, before, cause.change(before), shown, by)
    for row in rows:
        row.edition = edition
        row.version += 1
        record("jobs.deadline.renewed", row, by=by, name=row.name, edition=edition, before=was[row.id],
               due=row.effective_on)
    return moved


def _held(job: Job) -> JobDates:
    dates = hold_dates(job)
    if job.status not in OPEN_JOBS:
        raise Skip(f"The job is {job.status.words} now.")
    return dates


def _move(job: Job, before: JobDates, after: JobDates, shown: Shown, by: Actor) -> list[Move]:
    moves = difference(before, after)
    if not {told(move) for move in moves if not move.is_locked} <= set(shown):
        raise Skip("Its dates are not as they were shown; look at them on the job’s page of dates.")
    if found := overrun_of(before, after, moves):
        raise Skip(f"{found.words}. Move it on the job’s page of dates, and say why.")
    return write_moves(job, before, moves, after, by=by)
