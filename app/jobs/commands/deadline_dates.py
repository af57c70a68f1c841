"""The day of a deadline: added by hand, put right, extended. Each change keeps its reason, and the dates before it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.core.actors import Actor
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.jobs.commands.dates import KEEP, Answer, hold_dates, move_with, reopen_if_ahead
from app.jobs.commands.readiness import lock_jobs
from app.jobs.dates import Cause, DeadlineMoved, Move, TriggerMoved
from app.jobs.models import Deadline, DeadlineState, Job, JobStatus, Task
from app.jobs.policy import can_edit_job

FARTHEST = dt.timedelta(days=366 * 50)


@dataclass(frozen=True, kw_only=True)
class NewDeadline:
    """A date that no template gave: a hearing, a trial, a filing that a court has set. `id` is the form's.

    `basis` is where the day comes from; it is asked for.
    """

    id: UUID
    name: str
    due_on: dt.date
    jurisdiction: str = ""
    basis: str = ""
    met_by: Task | None = None


@dataclass(frozen=True, kw_only=True)
class DeadlineChange:
    """What was wrong: the name, the day that the rule counts from, or the day itself. `because` is asked for when a day
    changes; a changed `trigger_on` is what counts, whatever `due_on` says."""

    name: str
    due_on: dt.date
    trigger_on: dt.date | None = None
    met_by_task_id: UUID | None = None
    because: str = ""


def add_deadline(job: Job, new: NewDeadline, *, by: Actor) -> Deadline:
    """Put a date beside those of the template; twice the same id adds it once."""
    authorize(by, can_edit_job, job)
    said = digest_of(job.id, new)
    known = made_before(Deadline, new.id, said)
    if known is not None:
        return known
    name, basis = _name(new.name), new.basis.strip()
    _check_day(new.due_on, job)
    if not basis:
        raise Refused("Say where the date comes from: the order, the letter, the rule.", field="basis")
    if job.status in (JobStatus.COMPLETED, JobStatus.CANCELLED):
        raise Refused(f"The job is {job.status.words}; reopen it first.")
    with transaction() as session:
        lock_jobs([job.id])
        number = session.scalar(
            sa.select(sa.func.count()).where(Deadline.job_id == job.id, Deadline.code.startswith("HAND-"))
        )
        deadline = Deadline(
            id=new.id, made_from=said, job_id=job.id, client_id=job.client_id, engagement_id=job.engagement_id,
            code=f"HAND-{(number or 0) + 1}", name=name, jurisdiction=new.jurisdiction.strip()[:2].upper(),
            statutory_on=new.due_on, effective_on=new.due_on, basis=basis, source="", due_locked=True,
            met_by_task_id=_step_of(job.id, new.met_by.id if new.met_by else None),
        )
        session.add(deadline)
        record("jobs.deadline.added", deadline, by=by, name=name, due=new.due_on, note=basis)
    return deadline


def change_deadline(
    deadline: Deadline, change: DeadlineChange, *, version: int | None, by: Actor, answer: Answer = KEEP
) -> list[Move]:
    """Put a deadline right. A trigger that was wrong gives the law's date anew; a day set by hand stays as set.

    Returns what moved with it, as `answer` says.
    """
    authorize(by, can_edit_job, deadline)
    job = db.session.get_one(Job, deadline.job_id)
    name = _name(change.name)
    with transaction():
        before = hold_dates(job)
        check_version(deadline, version)
        causes = causes_of(deadline, change)
        days_before = {"due_on": deadline.effective_on, "trigger_on": deadline.trigger_on}
        changed: dict[str, object] = {} if deadline.name == name else {"name": name}
        if causes:
            _check_because(change.because)
            _check_day(change.trigger_on or change.due_on, job)
        moved = move_with(job, before, causes, answer, by=by, because=change.because)
        deadline.name, deadline.met_by_task_id = name, _step_of(job.id, change.met_by_task_id)
        if change.trigger_on != days_before["trigger_on"] and change.trigger_on is not None:
            deadline.trigger_on, deadline.trigger_locked = change.trigger_on, True
        elif causes:
            deadline.statutory_on = deadline.effective_on = change.due_on
            deadline.due_locked = True
        reopen_if_ahead(deadline)
        days = {"due_on": deadline.effective_on, "trigger_on": deadline.trigger_on}
        changed |= {key: day for key, day in days.items() if day != days_before[key]}
        if changed:
            record("jobs.deadline.changed", deadline, by=by, name=name, changed=changed, before=days_before["due_on"],
                   due=deadline.effective_on, note=change.because.strip())
    return moved


def extend_deadline(
    deadline: Deadline, *, to: dt.date, because: str, by: Actor, reference: str = "", answer: Answer = KEEP,
    version: int | None = None,
) -> list[Move]:
    """The authority has given more time. The law's own date stays beside the new one. Returns what moved with it."""
    authorize(by, can_edit_job, deadline)
    _check_because(because)
    job = db.session.get_one(Job, deadline.job_id)
    with transaction():
        before = hold_dates(job)
        if deadline.state is DeadlineState.EXTENDED and deadline.effective_on == to:
            return []
        check_version(deadline, version)
        if to <= deadline.effective_on:
            raise Refused(f"An extension is later than {deadline.effective_on:%d %b %Y}.", field="to")
        _check_day(to, job, field="to")
        moved = move_with(job, before, [DeadlineMoved(deadline.id, to)], answer, by=by, because=because)
        was = deadline.effective_on
        deadline.move_to(DeadlineState.EXTENDED)
        deadline.effective_on = to
        record("jobs.deadline.extended", deadline, by=by, name=deadline.name, before=was, due=to, note=because.strip(),
               reference=reference.strip())
    return moved


def causes_of(deadline: Deadline, change: DeadlineChange) -> list[Cause]:
    """What the change says of days, if anything."""
    if change.trigger_on is not None and change.trigger_on != deadline.trigger_on:
        return [TriggerMoved(deadline.id, change.trigger_on)]
    if change.due_on != deadline.effective_on:
        return [DeadlineMoved(deadline.id, change.due_on)]
    return []


def _check_because(because: str) -> None:
    if not because.strip():
        raise Refused("Say why the date changes.", field="because")


def _check_day(day: dt.date, job: Job, field: str = "due_on") -> None:
    if abs(day - job.starts_on) > FARTHEST:
        raise Refused("This day is more than fifty years from the job's start.", field=field)


def _name(text: str) -> str:
    if not text.strip():
        raise Refused("Give the deadline a name.", field="name")
    return text.strip()


def _step_of(job_id: UUID, task_id: UUID | None) -> UUID | None:
    if task_id is None:
        return None
    found = db.session.scalar(sa.select(Task.id).where(Task.id == task_id, Task.job_id == job_id))
    if found is None:
        raise Refused("Choose a step of this job.", field="met_by")
    return found
