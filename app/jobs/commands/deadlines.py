"""What becomes of a deadline: met, waived by the authority, missed, or open again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.core.actors import SYSTEM, Actor
from app.core.clock import now, today
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.jobs.commands.readiness import lock_jobs
from app.jobs.jurisdictions import latest_today, today_in
from app.jobs.models import Deadline, DeadlineState, Job, JobStatus, Task
from app.jobs.policy import can_edit_job, can_work
from app.jobs.queries.deadlines import met_by_any


@dataclass(frozen=True)
class Filed:
    """What a step's completion meets: these deadlines, on that day, under this reference."""

    deadline_ids: Collection[UUID] = ()
    on: dt.date | None = None
    reference: str = ""


def satisfy_deadline(
    deadline: Deadline, *, by: Actor, on: dt.date | None = None, reference: str = "", evidence_id: UUID | None = None
) -> None:
    """Say that what the deadline asks for was done, today or on an earlier day; too late is kept as too late."""
    authorize(by, can_edit_job, deadline)
    _satisfy(deadline, on or today(), reference, evidence_id, by)


def satisfy_by_task(task: Task, filed: Filed, *, by: Actor) -> None:
    """Meet the deadlines of a step's job with the step that is being finished; whoever may finish it may say so."""
    authorize(by, can_work, task)
    chosen = db.session.scalars(
        sa.select(Deadline).where(Deadline.id.in_(filed.deadline_ids), Deadline.job_id == task.job_id)
        .order_by(Deadline.id)
    ).all()
    with transaction():
        for deadline in chosen:
            if deadline.is_unmet:
                deadline.met_by_task_id = task.id  # opened again, the step opens what it met
            _satisfy(deadline, filed.on or today(), filed.reference, None, by)


def waive_deadline(deadline: Deadline, *, because: str, by: Actor) -> None:
    """The deadline does not apply this time."""
    authorize(by, can_edit_job, deadline)
    if not because.strip():
        raise Refused("Say why the deadline does not apply.", field="because")
    with transaction():
        hold(deadline)
        if deadline.state is DeadlineState.WAIVED:
            return
        deadline.move_to(DeadlineState.WAIVED)
        deadline.decided_at, deadline.decided_by = now(), by.person_id
        deadline.version += 1
        record("jobs.deadline.waived", deadline, by=by, name=deadline.name, due=deadline.effective_on,
               note=because.strip())


def reopen_deadline(deadline: Deadline, *, by: Actor) -> None:
    """Take back that a deadline was met or waived."""
    authorize(by, can_edit_job, deadline)
    with transaction():
        hold(deadline)
        if not deadline.is_unmet:
            _reopen(deadline, by)


def reopen_met_by(tasks: Collection[Task], *, by: Actor) -> None:
    """The steps are done again, and so is what they met; whoever may open a step may say so. Their jobs are locked."""
    for deadline in db.session.scalars(
        met_by_any(task.id for task in tasks).execution_options(populate_existing=True)
    ).all():
        _reopen(deadline, by)


def _reopen(deadline: Deadline, by: Actor) -> None:
    extended = deadline.effective_on > deadline.statutory_on
    if deadline.missed_day == deadline.effective_on:
        deadline.move_to(DeadlineState.MISSED)  # those whom it concerns were told
    else:
        deadline.move_to(DeadlineState.EXTENDED if extended else DeadlineState.OPEN)
    deadline.decided_at = deadline.decided_by = deadline.evidence_id = deadline.met_on = None
    deadline.reference = ""
    deadline.version += 1
    record("jobs.deadline.reopened", deadline, by=by, name=deadline.name)


def mark_missed(limit: int = 200) -> int:
    """Say of the deadlines whose last day is over, where they are kept, that they were missed. Safe to run twice.

    A job that was cancelled owes nothing any more. Returns how many were missed.
    """
    waiting = (DeadlineState.OPEN, DeadlineState.EXTENDED)
    with transaction() as session:
        found = session.execute(
            sa.select(Deadline.id, Deadline.job_id, Deadline.jurisdiction, Deadline.effective_on)
            .join(Job, Job.id == Deadline.job_id)
            .where(
                Deadline.state.in_(waiting), Deadline.effective_on < latest_today(), Job.status != JobStatus.CANCELLED
            )
            .order_by(Deadline.effective_on, Deadline.id).limit(limit)
        ).all()
        over = [row for row in found if row.effective_on < today_in(row.jurisdiction)]
        if not over:
            return 0
        lock_jobs({row.job_id for row in over})
        rows = session.scalars(
            sa.select(Deadline).where(Deadline.id.in_([row.id for row in over]), Deadline.state.in_(waiting))
            .order_by(Deadline.id).execution_options(populate_existing=True)
        ).all()
        missed = [row for row in rows if row.effective_on < today_in(row.jurisdiction)]
        for deadline in missed:
            deadline.move_to(DeadlineState.MISSED)
            deadline.missed_day = deadline.effective_on
            deadline.version += 1
            record("jobs.deadline.missed", deadline, by=SYSTEM, name=deadline.name, due=deadline.effective_on)
        return len(missed)


def hold(deadline: Deadline) -> None:
    """Lock the deadline's job, and read the deadline as whoever held it before has left it."""
    lock_jobs([deadline.job_id])
    db.session.refresh(deadline)


def _satisfy(deadline: Deadline, on: dt.date, reference: str, evidence_id: UUID | None, by: Actor) -> None:
    if on > max(today(), today_in(deadline.jurisdiction)):
        raise Refused("What is still to come was not met yet.", field="on")
    with transaction():
        hold(deadline)
        if deadline.state is DeadlineState.SATISFIED:
            return
        deadline.move_to(DeadlineState.SATISFIED)
        deadline.decided_at, deadline.decided_by, deadline.evidence_id = now(), by.person_id, evidence_id
        deadline.met_on, deadline.reference = on, reference.strip()
        deadline.version += 1
        record("jobs.deadline.satisfied", deadline, by=by, name=deadline.name, due=deadline.effective_on, on=on,
               late=deadline.was_met_late, note=deadline.reference)
