"""A job as a whole: made by hand, changed, held, finished, given a team."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.activity.commands import record
from app.catalogue.models import Stage, WorkRole
from app.clients.models import Client, Engagement
from app.core.actors import Actor
from app.core.clock import now, today
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.locking import lock_row, to_lock
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.wording import day
from app.firm.commands import next_number
from app.firm.models import SeriesKind
from app.jobs.commands.dates import KEEP, Answer, hold_dates, move_with
from app.jobs.commands.handover import release_from_the_gone
from app.jobs.commands.lags import recount_before
from app.jobs.commands.readiness import hold_jobs, lock_jobs, settle
from app.jobs.commands.stages import leave_last
from app.jobs.commands.tasks import check_holder, may_hold
from app.jobs.dates import AnchorsMoved, Cause, DueMoved, Move, changed_by
from app.jobs.models import OPEN_STATES, Job, JobRole, JobStatus, Task, TaskState
from app.jobs.overruns import check_reason, overrun_of
from app.jobs.policy import can_add_job, can_edit_job
from app.jobs.queries.dates import dates_of_job
from app.jobs.queries.deadlines import unmet_of
from app.jobs.queries.tasks import open_required_in
from app.jobs.roles import resolve_role
from app.people.commands.handing import share_holding
from app.people.models import Person


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job without a template. `id` is the form's, so that pressing twice makes one."""

    id: UUID
    engagement: Engagement
    title: str
    service_id: UUID | None = None
    starts_on: dt.date | None = None
    due_on: dt.date | None = None
    owner: Person | None = None
    priority: int = 0
    budget: dt.timedelta | None = None
    notes: str = ""


@dataclass(frozen=True, kw_only=True)
class JobChange:
    """What a person may change of a job by its form. `because`: why it is due after a deadline that is not met."""

    title: str
    due_on: dt.date | None
    starts_on: dt.date
    owner: Person | None = None
    priority: int = 0
    budget: dt.timedelta | None = None
    notes: str = ""
    because: str = ""


class NotMet(Refused):
    """A job cannot be completed while one of its deadlines is not met."""


def create_job(new: NewJob, *, by: Actor) -> Job:
    """Make a job by hand under an engagement."""
    engagement = new.engagement
    authorize(by, can_add_job, engagement.client_id, engagement.id)
    said = digest_of(new)
    known = made_before(Job, new.id, said)
    if known is not None:
        return known
    check_holder(new.owner, engagement.client_id, engagement.id)
    _check_dates(new.starts_on or today(), new.due_on)
    with transaction():
        job = Job(
            id=new.id, made_from=said, number=next_number(SeriesKind.JOB)[0], client_id=engagement.client_id,
            engagement_id=engagement.id, service_id=new.service_id, stage_id=_first_stage(new.service_id),
            title=_title(new.title), starts_on=new.starts_on or today(), due_on=new.due_on,
            owner_id=new.owner.id if new.owner else by.person_id, priority=new.priority, budget=new.budget,
            notes=new.notes,
        )
        db.session.add(job)
        record("jobs.job.created", job, by=by, topics=_stage_topics(job), title=job.title, number=job.number)
    return job


def edit_job(job: Job, change: JobChange, *, version: int | None, by: Actor, answer: Answer = KEEP) -> list[Move]:
    """Change a job's own facts; the event names what changed. Dates that follow move or stay, as `answer` says.

    Returns what moved with it.
    """
    authorize(by, can_edit_job, job)
    check_holder(change.owner, job.client_id, job.engagement_id)
    _check_dates(change.starts_on, change.due_on)
    with transaction():
        before = hold_dates(job)
        check_version(job, version)
        wanted: dict[str, Any] = {
            "title": _title(change.title), "due_on": change.due_on, "starts_on": change.starts_on,
            "owner_id": change.owner.id if change.owner else None, "priority": change.priority, "budget": change.budget,
            "notes": change.notes,
        }
        changed = {name: value for name, value in wanted.items() if getattr(job, name) != value}
        because = check_deadlines(job, change)
        causes = causes_of_edit(job, change)
        moved = move_with(job, before, causes, answer, by=by, because=change.because)
        for name, value in changed.items():
            setattr(job, name, value)
        if "due_on" in changed:
            job.due_locked = change.due_on is not None
        if changed:
            job.plan_stale = True
            record("jobs.job.changed", job, by=by, topics=_stage_topics(job), title=job.title, changed=changed,
                   because=because)
    return moved


def causes_of_edit(job: Job, change: JobChange) -> list[Cause]:
    """What an edit says of days from which others may follow."""
    causes: list[Cause] = []
    if change.starts_on != job.starts_on:
        causes.append(AnchorsMoved({"job_start": change.starts_on}))
    if change.due_on != job.due_on:
        causes.append(DueMoved(change.due_on))
    return causes


def check_deadlines(job: Job, change: JobChange) -> str:
    """Refuse a due date after a deadline that is not met, unless a reason is given; the reason."""
    dates = dates_of_job(job)
    return check_reason(overrun_of(dates, changed_by(dates, causes_of_edit(job, change)), []), change.because)


def hold_job(job: Job, *, because: str, by: Actor) -> None:
    """Put a job aside: its tasks leave My work until it is resumed."""
    _change_status(job, JobStatus.ON_HOLD, "jobs.job.held", by=by, because=because.strip())


def resume_job(job: Job, *, by: Actor) -> None:
    """Take a held job up again, or reopen a finished or cancelled one."""
    _change_status(job, JobStatus.ACTIVE, "jobs.job.resumed", by=by)


def complete_job(job: Job, *, by: Actor) -> None:
    """Finish a job: its required steps are done, and optional ones that are open fall away.

    A deadline that is not met stands in the way: it is said to be met, or waived, first.
    """
    _change_status(job, JobStatus.COMPLETED, "jobs.job.completed", by=by)


def cancel_job(job: Job, *, because: str, by: Actor) -> None:
    """Give a job up: what is open in it falls away, what is done stays."""
    _change_status(job, JobStatus.CANCELLED, "jobs.job.cancelled", by=by, because=because.strip())


def _change_status(job: Job, status: JobStatus, kind: str, *, by: Actor, because: str = "") -> None:
    authorize(by, can_edit_job, job)
    with transaction():
        share_holding()
        hold_jobs([job.id])
        db.session.refresh(job, ["status"])
        if job.status is status:
            return
        if status is JobStatus.COMPLETED and job.status is JobStatus.ACTIVE:
            _check_finished(job)
        job.move_to(status)
        job.version += 1
        job.completed_at = now() if status is JobStatus.COMPLETED else None
        job.held_because = because if status is JobStatus.ON_HOLD else ""
        if status in (JobStatus.COMPLETED, JobStatus.CANCELLED):
            _let_fall(job)
        else:
            _take_up(job)
            release_from_the_gone({job.id})
        settle([job.id])
        people = db.session.scalars(
            sa.select(Task.assignee_id).where(Task.job_id == job.id, Task.assignee_id.is_not(None)).distinct()
        ).all()
        record(kind, job, by=by, topics=(*_stage_topics(job), *(f"person:{each}" for each in people)),
               title=job.title, because=because)


def _check_finished(job: Job) -> None:
    """Asked of the locked job: whoever held it before may have opened a step or taken a deadline back."""
    still_open = open_required_in(job)
    if still_open:
        raise Refused(f"Still to do: {still_open}.")
    unmet = unmet_of(job.id)
    if unmet:
        names = ", ".join(f"“{each.name}” ({day(each.effective_on)})" for each in unmet)
        raise NotMet(f"Not met yet: {names}. Say when it was met, or why it does not apply, then complete the job.")


def _let_fall(job: Job) -> None:
    still_open = sa.select(Task).where(Task.job_id == job.id, Task.state.in_(OPEN_STATES))
    for task in db.session.scalars(still_open.execution_options(populate_existing=True)):
        task.move_to(TaskState.CANCELLED)
        task.fell_away = True


def _take_up(job: Job) -> None:
    fallen = sa.select(Task).where(Task.job_id == job.id, Task.fell_away)
    tasks = db.session.scalars(fallen.execution_options(populate_existing=True)).all()
    for task in tasks:
        task.move_to(TaskState.READY)
        task.fell_away = False
    db.session.flush()
    leave_last(job)
    recount_before([task.id for task in tasks])


def set_priority(job: Job, *, priority: int, by: Actor) -> None:
    """How urgent a job and its open tasks are: 0 normal, 1 high, 2 urgent."""
    authorize(by, can_edit_job, job)
    if priority not in (0, 1, 2):
        raise Refused("Priority is normal, high or urgent.", field="priority")
    with transaction():
        lock_row(job, "priority")
        if job.priority == priority:
            return
        job.priority = priority
        db.session.execute(
            sa.update(Task).where(Task.job_id == job.id, Task.state.in_(OPEN_STATES)).values(priority=priority)
            .execution_options(synchronize_session="fetch")
        )
        record("jobs.job.prioritised", job, by=by, topics=_stage_topics(job), priority=priority)


def set_job_role(job: Job, role: WorkRole, *, person: Person | None, by: Actor) -> int:
    """Say who holds a work role on a job; its open tasks of that role change hands. Returns how many did."""
    authorize(by, can_edit_job, job)
    check_holder(person, job.client_id, job.engagement_id)
    with transaction():
        share_holding()
        lock_jobs([job.id])
        if person is None:
            db.session.execute(sa.delete(JobRole).where(JobRole.job_id == job.id, JobRole.work_role == role))
        else:
            values = {"job_id": job.id, "work_role": role, "person_id": person.id}
            db.session.execute(
                insert(JobRole).values(values)
                .on_conflict_do_update(index_elements=["job_id", "work_role"], set_={"person_id": person.id})
            )
        holder = person.id if person else _fallback(job, role)
        before = db.session.scalars(
            to_lock(
                sa.select(Task.assignee_id).where(
                    Task.job_id == job.id, Task.work_role == role, Task.state.in_(OPEN_STATES),
                    Task.assignee_id.is_distinct_from(holder),
                )
            )
        ).all()
        db.session.execute(
            sa.update(Task)
            .where(Task.job_id == job.id, Task.work_role == role, Task.state.in_(OPEN_STATES))
            .values(assignee_id=holder).execution_options(synchronize_session="fetch")
        )
        job.plan_stale = True
        topics = {f"person:{each}" for each in (*before, holder) if each}
        record("jobs.role.set", job, by=by, topics=tuple(sorted(topics)), role=role, to=holder,
               person=person.name if person else "", tasks=len(before))
    return len(before)


def _fallback(job: Job, role: WorkRole) -> UUID | None:
    """Who has it by the engagement's and the client's team; nobody where they are gone or behind a wall."""
    client = db.session.get_one(Client, job.client_id)
    found = resolve_role(role, {}, db.session.get_one(Engagement, job.engagement_id), client)
    holder = db.session.get(Person, found) if found else None
    return holder.id if holder and may_hold(holder, job.client_id, job.engagement_id) else None


def _first_stage(service_id: UUID | None) -> UUID | None:
    if service_id is None:
        return None
    return db.session.scalar(
        sa.select(Stage.id).where(Stage.service_id == service_id).order_by(Stage.position).limit(1)
    )


def _title(text: str) -> str:
    if not text.strip():
        raise Refused("Give the job a title.", field="title")
    return text.strip()


def _check_dates(starts_on: dt.date, due_on: dt.date | None) -> None:
    if due_on is not None and due_on < starts_on:
        raise Refused("A job is due on or after the day it starts.", field="due_on")


def _stage_topics(job: Job) -> tuple[str, ...]:
    return (f"stage:{job.stage_id}",) if job.stage_id else ()
