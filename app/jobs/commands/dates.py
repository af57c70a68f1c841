"""Moving the dates that follow from a change, or leaving them: what is done is what was shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.statutory import compute
from app.core.actors import Actor
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.jobs.commands.readiness import lock_jobs
from app.jobs.dates import (
    AnchorsMoved,
    Cause,
    JobDates,
    Move,
    Part,
    changed_by,
    difference,
    drifted,
    follow,
    trigger_of,
)
from app.jobs.following import hold_others, write_others
from app.jobs.jurisdictions import today_in
from app.jobs.models import Deadline, DeadlineState, Job, Task
from app.jobs.overruns import check_reason, is_past, overrun_of
from app.jobs.policy import can_edit_job
from app.jobs.queries.dates import dates_of_job, digest_of_moves, named_anchors


@dataclass(frozen=True)
class Answer:
    """What somebody said to the dates that they were shown: `seen` is the digest of that list."""

    apply: bool
    seen: str = ""


KEEP = Answer(apply=False)


def preview(job: Job, *causes: Cause) -> list[Move]:
    """Old → new for every date that would follow; nothing is written."""
    return follow(dates_of_job(job), *causes)


def move_with(
    job: Job, before: JobDates, causes: Sequence[Cause], answer: Answer, *, by: Actor, because: str = ""
) -> list[Move]:
    """Apply or keep what follows, in the caller's transaction, whose job is locked.

    `before` are the dates as they stood before the cause was written. Refused when they are no longer those that were
    shown, so that nothing is moved that nobody has looked at. `because` is asked for where the job's due date passes
    a deadline.
    """
    authorize(by, can_edit_job, job)
    after = changed_by(before, causes)
    moves = difference(before, after) if answer.apply else []
    if answer.apply:
        _check_seen(moves, answer)
    return write_moves(job, before, moves, after, by=by, because=because)


def follow_rules(job: Job, *, seen: str, by: Actor, because: str = "") -> list[Move]:
    """Put every date that has drifted from its rule where the rule says; dates set by hand stay."""
    authorize(by, can_edit_job, job)
    with transaction():
        before = hold_dates(job)
        moves = drifted(before)
        _check_seen(moves, Answer(True, seen))
        return write_moves(job, before, moves, before, by=by, because=because)


def set_named_date(
    job: Job, name: str, on: dt.date | None, *, version: int | None, by: Actor, answer: Answer = KEEP,
    because: str = "",
) -> list[Move]:
    """Fill in a date that the job's template names, such as the hearing, or take it away."""
    authorize(by, can_edit_job, job)
    if name not in named_anchors(job):
        raise Refused("The template of this job names no such date.", field="name")
    with transaction():
        before = hold_dates(job)
        check_version(job, version)
        causes = [AnchorsMoved({f"named:{name}": on})]
        kept = job.named_dates.get(name)
        moved = move_with(job, before, causes, answer, by=by, because=because)
        others = {key: text for key, text in job.named_dates.items() if key != name}
        job.named_dates = others | ({name: on.isoformat()} if on else {})
        record("jobs.job.dated", job, by=by, name=name, before=kept, on=on)
        return moved


def unlock_date(thing: Job | Task, *, by: Actor) -> None:
    """Let a date that was set by hand follow its rule again, from the next change on."""
    authorize(by, can_edit_job, thing)
    with transaction():
        lock_jobs([thing.id if isinstance(thing, Job) else thing.job_id])
        db.session.refresh(thing, ["due_locked", "version"])
        if not thing.due_locked:
            return
        thing.due_locked = False
        thing.version += 1
        record(f"jobs.{thing.__tablename__}.unlocked", thing, by=by, name=_name(thing))


def hold_dates(job: Job) -> JobDates:
    """Lock the job and what follows it, and read its dates as whoever held it before has left them."""
    hold_others([job.id])
    lock_jobs([job.id])
    return dates_held(job)


def dates_held(job: Job) -> JobDates:
    """The dates of a job that is locked, as whoever held it before has left them."""
    db.session.flush()
    db.session.refresh(job)
    for table in (Task, Deadline):
        db.session.scalars(
            sa.select(table).where(table.job_id == job.id).execution_options(populate_existing=True)
        ).all()
    return dates_of_job(job)


def _check_seen(moves: Sequence[Move], answer: Answer) -> None:
    if digest_of_moves(moves) != answer.seen:
        raise Refused("Something has changed since these dates were shown. Look at them once more.")


def write_moves(
    job: Job, before: JobDates, moves: Sequence[Move], after: JobDates, *, by: Actor, because: str = ""
) -> list[Move]:
    """Write what moves, of a job that is locked; what was set by hand stays. Whoever calls has asked who may.

    Every change of a due date comes through here, that which somebody sets as well (it is in `after`): refused without
    a reason where it passes a deadline. Returns what was moved.
    """
    because = check_reason(overrun_of(before, after, moves), because)
    if because or not is_past(after, moves):
        job.due_because = because
    moving = [move for move in moves if not move.is_locked]
    if not moving:
        return []
    tasks = {task.id: task for task in db.session.scalars(sa.select(Task).where(Task.job_id == job.id))}
    deadlines = {each.id: each for each in db.session.scalars(sa.select(Deadline).where(Deadline.job_id == job.id))}
    people = set()
    for move in moving:
        if move.part is Part.JOB:
            job.due_on = move.after
            job.version += 1
        elif move.part is Part.STEP:
            task = tasks[move.id]
            task.due_on = move.after
            task.version += 1
            people.add(task.assignee_id)
        elif move.part is Part.DEADLINE and move.after is not None:
            _move_deadline(deadlines[move.id], move.after, after)
    write_others(moving, by=by)
    job.plan_stale = True
    told = [{"part": m.part, "name": m.name, "before": m.before, "after": m.after} for m in moving]
    topics = tuple(f"person:{person}" for person in sorted(p for p in people if p))
    record("jobs.job.redated", job, by=by, topics=topics, because=because, dates=[
        {key: value.isoformat() if isinstance(value, dt.date) else value for key, value in each.items()}
        for each in told
    ])
    return moving


def _move_deadline(deadline: Deadline, due_on: dt.date, after: JobDates) -> None:
    """The law's own date is another one: it was counted from the wrong day."""
    deadline.statutory_on = deadline.effective_on = due_on
    facts = next(each for each in after.deadlines if each.id == deadline.id)
    deadline.trigger_on = trigger_of(facts, after.anchors, after.calendar)
    if deadline.trigger_on is not None:
        found = compute(facts.rule, deadline.trigger_on, region=after.region, edition=facts.edition)
        deadline.basis, deadline.source, deadline.edition = found.basis, found.source, found.edition
    reopen_if_ahead(deadline)
    deadline.version += 1


def reopen_if_ahead(deadline: Deadline) -> None:
    """What was missed on a day that was not its day is missed no more."""
    if deadline.state is DeadlineState.MISSED and deadline.effective_on >= today_in(deadline.jurisdiction):
        deadline.move_to(DeadlineState.OPEN)


def _name(thing: Job | Task) -> str:
    return thing.title if isinstance(thing, Job) else thing.name


