"""Doing a task: start, finish, reopen, assign, put off, tick."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm.util import identity_key

from app.activity.commands import record
from app.catalogue.models import StepKind
from app.clients.access import actor_for
from app.clients.policy import can_see
from app.core.actors import Actor
from app.core.clock import now, today
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.locking import lock_row, takes
from app.core.permissions import authorize
from app.jobs.commands.deadlines import Filed, reopen_met_by, satisfy_by_task
from app.jobs.commands.handover import release_from_the_gone
from app.jobs.commands.lags import end_lags, recount_before
from app.jobs.commands.readiness import (
    Finished,
    finish,
    hold_jobs,
    lock_jobs,
    lock_jobs_of,
    settle,
    settle_tasks,
    tell_assignees,
)
from app.jobs.commands.stages import advance_stage, fall_back
from app.jobs.models import ChecklistItem, Dependency, Job, JobStatus, Task, TaskState
from app.jobs.policy import can_edit_job, can_review, can_work
from app.jobs.queries.tasks import blockers_of, jobs_started_after, last_preparer, started_after
from app.jobs.waits import why_waiting
from app.people.commands.handing import share_holding
from app.people.models import Person, PersonState

MOST_LEFT = dt.timedelta(hours=10_000)


class Later(enum.StrEnum):
    """What becomes of later steps that were started when an earlier one is opened again."""

    KEEP = "keep"
    RESET = "reset"


def start_task(task: Task, *, by: Actor) -> None:
    """Begin a ready task; one that nobody has becomes the starter's."""
    authorize(by, can_work, task)
    with transaction():
        lock_jobs([task.job_id])
        db.session.refresh(task, ["state", "started_at", "assignee_id"])
        if task.state in (TaskState.IN_PROGRESS, TaskState.IN_REVIEW):
            return
        _check_open(task)
        task.move_to(TaskState.IN_REVIEW if task.kind is StepKind.REVIEW else TaskState.IN_PROGRESS)
        task.started_at = now()
        task.assignee_id = task.assignee_id or by.person_id
        record("jobs.task.started", task, by=by, topics=_people(task), name=task.name)


def complete_task(task: Task, *, by: Actor, filed: Filed | None = None) -> Finished:
    """Finish a task and open what waited for it, in one transaction. Finishing it twice finishes it once.

    `filed` names the deadlines that were met with it; what it does not name stays open.
    """
    authorize(by, can_work, task)
    if task.kind is StepKind.REVIEW:
        authorize(by, can_review, task, last_preparer(task))
    ahead = False
    while True:
        try:
            return _complete(task, filed, by=by, ahead=ahead)
        except _Ahead:
            ahead = True
        except _Linked:  # what was locked is let go, so that all of it is locked in order
            db.session.refresh(task)


class _Linked(Exception):
    """A step of another job was linked to this one while its lock was waited for."""


class _Ahead(Exception):
    """It was begun before something open was put in front of it, which is waited for by one less as it ends."""


def _complete(task: Task, filed: Filed | None, *, by: Actor, ahead: bool = False) -> Finished:
    with transaction():
        if ahead:
            hold_jobs([task.job_id])
        locked = lock_jobs_of(task)
        if locked.is_ahead and not ahead:
            raise _Ahead
        if locked.has_lag:
            end_lags(task)
        finished = finish(task, by=by.person_id)
        if not finished.now_done:
            _explain(task)
            return finished
        if not finished.around <= locked.jobs:
            raise _Linked
        if ahead:
            settle([task.job_id])
        record(
            "jobs.task.approved" if task.kind is StepKind.REVIEW else "jobs.task.completed", task, by=by,
            topics=(*_people(task), *tell_assignees(finished.moved)), name=task.name,
            readied=[m.id for m in finished.moved if m.is_ready],
        )
        if filed is not None and filed.deadline_ids:
            satisfy_by_task(task, filed, by=by)
        if finished.stage_is_clear:
            advance_stage(_job(task))
    return finished


def approve_task(task: Task, *, by: Actor) -> Finished:
    """Pass a review; somebody other than the last preparer does it, unless their role allows both."""
    if task.kind is not StepKind.REVIEW:
        raise Refused(f"“{task.name}” is not a review.")
    return complete_task(task, by=by)


def reopen_task(task: Task, *, by: Actor, later: Later | None = None) -> None:
    """Open a finished or cancelled task again. Later steps that were started are kept or reset, as the person says."""
    authorize(by, can_work, task)
    with transaction():
        share_holding()
        hold_jobs(lambda: {task.job_id, *jobs_started_after(task)})
        db.session.refresh(task, ["state"])
        if task.state not in (TaskState.DONE, TaskState.CANCELLED):
            return
        job = _job(task)
        if job.status in (JobStatus.COMPLETED, JobStatus.CANCELLED):
            raise Refused(f"The job is {job.status.words}; reopen the job first.")
        started = started_after(task)
        if started and later is None:
            names = ", ".join(f"“{each.name}”" for each in started[:5])
            raise Refused(f"Later steps were already started: {names}. Say whether they stay or start again.")
        reset = list(started) if later is Later.RESET else []
        put_back([task, *reset], by=by)
        fall_back([task, *reset])
        settle({task.job_id, *(each.job_id for each in reset)})
        record("jobs.task.reopened", task, by=by, topics=_people(task), name=task.name, later=later,
               reset=[each.id for each in reset])


def put_back(tasks: Iterable[Task], *, by: Actor) -> None:
    """Take away that these tasks were started and done, and what they met; settle() then derives where they stand."""
    rows = list(tasks)
    _check_under_way(rows)
    reopen_met_by(rows, by=by)
    for task in rows:
        if task.state in (TaskState.DONE, TaskState.CANCELLED):
            task.move_to(TaskState.READY)
        task.started_at = task.done_at = task.done_by = None
        task.version += 1
    db.session.flush()
    db.session.execute(
        sa.update(Dependency).where(Dependency.on_id.in_([task.id for task in rows])).values(opens_on=None)
    )
    recount_before([task.id for task in rows])
    release_from_the_gone({task.job_id for task in rows})


def _check_under_way(tasks: Iterable[Task]) -> None:
    """Nothing is opened in a job that is over, be it another one: nobody would find it there."""
    over = db.session.execute(
        sa.select(Task.name, Job.status).join(Job, Job.id == Task.job_id).where(
            Task.id.in_([task.id for task in tasks]), Job.status.in_((JobStatus.COMPLETED, JobStatus.CANCELLED))
        ).order_by(Task.position, Task.id).limit(1)
    ).one_or_none()
    if over is not None:
        raise Refused(f"The job of “{over.name}” is {over.status.words}; reopen that job first.")


def cancel_task(task: Task, *, by: Actor) -> None:
    """Take a step out of its job; what waited for it no longer does."""
    authorize(by, can_edit_job, task)
    with transaction():
        hold_jobs([task.job_id])
        db.session.refresh(task, ["state"])
        if task.state is TaskState.CANCELLED:
            return
        task.move_to(TaskState.CANCELLED)
        moved = settle([task.job_id])
        record("jobs.task.cancelled", task, by=by, topics=_people(task), name=task.name,
               readied=[m.id for m in moved if m.is_ready])
        advance_stage(_job(task))


def assign_task(task: Task, *, to: Person | None, by: Actor) -> None:
    """Give a task to somebody, or to nobody: the unassigned queue."""
    authorize(by, can_work, task)
    check_holder(to, task.client_id, task.engagement_id)
    if task.assignee_id == (to.id if to else None):
        return
    with transaction():
        lock_jobs([task.job_id])
        db.session.refresh(task, ["assignee_id", "version"])
        if task.assignee_id == (to.id if to else None):
            return
        before, task.assignee_id = task.assignee_id, to.id if to else None
        task.version += 1
        _plan_again(task.job_id)
        record("jobs.task.assigned", task, by=by, topics=(*_people(task), *([f"person:{before}"] if before else [])),
               name=task.name, to=task.assignee_id, before=before)


def say_remaining(task: Task, left: dt.timedelta | None, *, by: Actor) -> None:
    """Say how much is left of a step, in place of its estimate; None takes it back."""
    authorize(by, can_work, task)
    if left is not None and not dt.timedelta(0) <= left <= MOST_LEFT:
        raise Refused("What is left of a step is between 0 and 10,000 hours.", field="left")
    with transaction():
        lock_jobs([task.job_id])
        db.session.refresh(task, ["state", "spent", "remaining", "remaining_on", "version"])
        if task.state in (TaskState.DONE, TaskState.CANCELLED):
            raise Refused(f"“{task.name}” is {task.state.words}; nothing is left of it.")
        if task.remaining == left and (left is None or task.remaining_on == today()):
            return
        task.remaining = left
        task.remaining_spent, task.remaining_on = (None, None) if left is None else (task.spent, today())
        task.version += 1
        _plan_again(task.job_id)
        record("jobs.task.reckoned", task, by=by, topics=_people(task), name=task.name, left=left)


def check_holder(person: Person | None, client_id: UUID, engagement_id: UUID) -> None:
    """Refuse somebody who is gone, or who must not see this client's work; whoever takes all of it away waits."""
    if person is None:
        return
    share_holding()
    db.session.refresh(person, ["state"])
    if person.state is not PersonState.ACTIVE:
        raise Refused(f"{person.name} does not work here at present.", field="person")
    if not may_hold(person, client_id, engagement_id):
        raise Refused(f"{person.name} cannot be given this work.", field="person")


def may_hold(person: Person, client_id: UUID, engagement_id: UUID) -> bool:
    """Whether somebody works here and is not kept from this client's work."""
    return person.state is PersonState.ACTIVE and can_see(actor_for(person), client_id, engagement_id)


def snooze_task(task: Task, *, until: dt.date | None, by: Actor) -> None:
    """Put a task out of My work until a day, or back into it."""
    authorize(by, can_work, task)
    if until is not None and until <= today():
        raise Refused("Choose a day after today.", field="until")
    with transaction():
        task.snoozed_until = until
        record("jobs.task.snoozed", task, by=by, topics=_people(task), name=task.name, until=until)


def tick_item(item: ChecklistItem, task: Task, *, done: bool, by: Actor) -> None:
    """Tick or untick one line of a task's checklist; whoever comes second changes nothing."""
    authorize(by, can_work, task)
    if item.task_id != task.id:
        raise NotFound()
    with transaction() as session:
        lock_row(task, "state")
        session.refresh(item)
        if bool(item.done_at) == done:
            return
        item.done_at, item.done_by = (now(), by.person_id) if done else (None, None)
        record("jobs.checklist.ticked" if done else "jobs.checklist.unticked", task, by=by, item=item.text)


def set_client_wait(task_id: UUID, waiting: bool, *, by: Actor) -> None:
    """Enter or leave waiting for the client; the requests room calls it when the cause comes or goes."""
    with transaction():
        job_id = db.session.scalar(sa.select(Task.job_id).where(Task.id == task_id))
        if job_id is None:
            return
        lock_jobs([job_id])
        task = db.session.get_one(Task, task_id, populate_existing=True)
        if task.waits_for_client == waiting:
            return
        task.waits_for_client = waiting
        settle_tasks([task.id])
        _plan_again(job_id)
        kind = "jobs.task.waiting" if waiting else "jobs.task.answered"
        record(kind, task, by=by, topics=_people(task), name=task.name, state=task.state,
               readied=[task.id] if task.state is TaskState.READY else [])


_CLIENT_ITEMS = sa.text("""
    UPDATE job SET waiting_items = :waiting, waiting_total = :total
    WHERE id = :job AND (waiting_items, waiting_total) IS DISTINCT FROM (:waiting, :total)
""")
_PLAN_AGAIN = sa.text("UPDATE job SET plan_stale = true WHERE id = :job")


def set_client_items(job_id: UUID, *, waiting: int, total: int) -> None:
    """How many of the things asked of the client for this job are still to come; shown on its card."""
    with transaction():
        db.session.flush()
        values = {"job": job_id, "waiting": waiting, "total": total}
        takes("job", [job_id])
        if db.session.connection().execute(_CLIENT_ITEMS, values).rowcount:
            held = db.session.identity_map.get(identity_key(Job, job_id))
            if held is not None:
                db.session.expire(held, ["waiting_items", "waiting_total"])


def _explain(task: Task) -> None:
    """Say why a task could not be finished; nothing when it already was."""
    db.session.refresh(task, ["state", "done_at"])
    if task.state is not TaskState.DONE:
        _check_open(task)
        task.check_move(TaskState.DONE)


def _check_open(task: Task) -> None:
    if task.state is TaskState.WAITING:
        why = why_waiting([task.id]).get(task.id)
        raise Refused(f"“{task.name}” waits for the client: {why or 'the answers are still to come'}.")
    if task.state is TaskState.BLOCKED:
        before = ", ".join(f"“{name}”" for name in blockers_of(task))
        why = f"comes after {before}" if before else f"opens on {task.open_after}"
        raise Refused(f"“{task.name}” {why}.")


def _plan_again(job_id: UUID) -> None:
    takes("job", [job_id])
    db.session.execute(_PLAN_AGAIN, {"job": job_id})


def _job(task: Task) -> Job:
    return db.session.get_one(Job, task.job_id)


def _people(task: Task) -> tuple[str, ...]:
    return (f"person:{task.assignee_id}",) if task.assignee_id else ()
