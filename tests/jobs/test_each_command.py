"""Every act upon a job: it is told of under its name, who may not changes nothing, and the job is held meanwhile."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from app.activity.models import Event
from app.catalogue.models import StepKind, WorkRole
from app.core import locking
from app.core.actors import Actor
from app.core.clock import now, today
from app.core.db import db
from app.core.ids import new_id
from app.core.permissions import Permission
from app.jobs.commands.dates import follow_rules, unlock_date
from app.jobs.commands.deadline_dates import (
    DeadlineChange,
    NewDeadline,
    add_deadline,
    change_deadline,
    extend_deadline,
)
from app.jobs.commands.deadlines import reopen_deadline, waive_deadline
from app.jobs.commands.dependencies import add_dependency, remove_dependency
from app.jobs.commands.jobs import JobChange, edit_job, set_job_role, set_priority
from app.jobs.commands.reviews import return_task
from app.jobs.commands.steps import NewTask, TaskChange, add_task, edit_task
from app.jobs.commands.tasks import (
    assign_task,
    cancel_task,
    complete_task,
    reopen_task,
    say_remaining,
    set_client_wait,
    snooze_task,
    start_task,
    tick_item,
)
from app.jobs.models import ChecklistItem, Dependency
from tests.jobs.make_jobs import make_job, make_task, settle
from tests.jobs.test_deadlines import make_deadline
from tests.make import Cast, keep, kept_from, lacking, not_for

LATER = dt.timedelta(days=5)
Act = Callable[[Actor], Any]


@contextmanager
def locked() -> Iterator[list[str]]:
    """The tables whose rows are locked meanwhile, in the order in which that is asked for."""
    tables: list[str] = []

    def heard(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if re.search(r"FOR (NO KEY )?UPDATE", statement) and (found := re.search(r"FROM (\w+)", statement)):
            tables.append(found[1])

    event.listen(sa.Engine, "before_cursor_execute", heard)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(locking, "follow_taken", lambda name, _keys: tables.append(name))
            yield tables
    finally:
        event.remove(sa.Engine, "before_cursor_execute", heard)


def acts(cast: Cast) -> dict[str, Act]:
    """Each act by the event that tells of it. All of them are upon one job, and none is needed for another."""
    job = make_job(cast.acme_work, due_locked=True)
    late = job.due_on + LATER

    def step(name: str, **values: Any) -> Any:
        return make_task(job, name, **values)

    first, second = step("First"), step("Second")
    tied = step("Tied", after=(first,))
    done = step("Done", state="done", done_at=now(), done_by=cast.sam.id)
    review = step("Look", kind=StepKind.REVIEW, after=(done,))
    reopened = step("Again", state="done", done_at=now(), done_by=cast.sam.id)
    started, given, left, put_off, gone, changed, listed, locked_ = map(step, "ABCDEFGH")
    ready = step("Ready")
    waits = step("Waits")
    locked_.due_locked = True
    line = keep(ChecklistItem(task_id=listed.id, position=0, text="Bank agrees"))
    deadlines = [make_deadline(job, name, on=late) for name in ("One", "Two", "Three")]
    met = make_deadline(job, "Four", on=late, state="waived", decided_at=now())
    settle(job)
    tie = db.session.scalars(sa.select(Dependency).where(Dependency.task_id == tied.id)).one()
    as_it_is = JobChange(title="Another title", due_on=job.due_on, starts_on=job.starts_on)
    return {
        "jobs.job.changed": lambda by: edit_job(job, as_it_is, version=None, by=by),
        "jobs.job.prioritised": lambda by: set_priority(job, priority=2, by=by),
        "jobs.job.unlocked": lambda by: unlock_date(job, by=by),
        "jobs.task.unlocked": lambda by: unlock_date(locked_, by=by),
        "jobs.role.set": lambda by: set_job_role(job, next(iter(WorkRole)), person=cast.sam, by=by),
        "jobs.deadline.added": lambda by: add_deadline(
            job, NewDeadline(id=new_id(), name="Trial", due_on=late, basis="order"), by=by
        ),
        "jobs.deadline.changed": lambda by: change_deadline(
            deadlines[0], DeadlineChange(name="Hearing", due_on=late), version=None, by=by
        ),
        "jobs.deadline.extended": lambda by: extend_deadline(deadlines[1], to=late + LATER, because="Granted", by=by),
        "jobs.deadline.waived": lambda by: waive_deadline(deadlines[2], because="Dormant", by=by),
        "jobs.deadline.reopened": lambda by: reopen_deadline(met, by=by),
        "jobs.dependency.added": lambda by: add_dependency(second, after=first, by=by),
        "jobs.dependency.removed": lambda by: remove_dependency(tie, tied, by=by),
        "jobs.task.added": lambda by: add_task(job, NewTask(id=new_id(), name="Another"), by=by),
        "jobs.task.changed": lambda by: edit_task(
            changed,
            TaskChange(name="Other words", instructions="", estimate=None, due_on=changed.due_on, priority=0),
            version=None, by=by,
        ),
        "jobs.task.started": lambda by: start_task(started, by=by),
        "jobs.task.assigned": lambda by: assign_task(given, to=cast.sam, by=by),
        "jobs.task.reckoned": lambda by: say_remaining(left, dt.timedelta(hours=1), by=by),
        "jobs.task.snoozed": lambda by: snooze_task(put_off, until=today() + LATER, by=by),
        "jobs.task.cancelled": lambda by: cancel_task(gone, by=by),
        "jobs.checklist.ticked": lambda by: tick_item(line, listed, done=True, by=by),
        "jobs.task.completed": lambda by: complete_task(ready, by=by),
        "jobs.task.reopened": lambda by: reopen_task(reopened, by=by),
        "jobs.task.returned": lambda by: return_task(review, note="The year is wrong", by=by),
        "jobs.task.waiting": lambda by: set_client_wait(waits.id, True, by=by),
    }


def test_each_act_upon_a_job_is_told_once_by_whom_and_holds_what_it_decides_by(cast: Cast) -> None:
    mel, alone = cast.actor(cast.mel), {"jobs.task.snoozed", "jobs.task.changed"}  # one row, from no other
    for kind, act in acts(cast).items():
        with locked() as tables:
            act(mel)
        told = db.session.execute(sa.select(Event.actor_id, Event.client_id).where(Event.kind == kind)).all()
        assert [tuple(each) for each in told] == [(mel.id, cast.acme.id)], kind
        held = "task" if kind == "jobs.checklist.ticked" else "job"
        assert kind in alone or held in tables, f"{kind}: {tables}"


def test_who_may_not_does_nothing_to_a_job(cast: Cast) -> None:
    mel, before = cast.actor(cast.mel), db.session.scalar(sa.select(sa.func.count()).select_from(Event))
    strangers = (
        cast.contact(cast.cleo), kept_from(mel, cast.acme), lacking(mel, Permission.JOB_EDIT, Permission.TASK_WORK)
    )
    every = acts(cast)
    del every["jobs.task.waiting"]  # it follows what the requests room decided
    for act in (*every.values(), lambda by: follow_rules(make_job(cast.acme_work), seen="", by=by)):
        not_for(strangers, act)
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Event)) == before
