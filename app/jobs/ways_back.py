"""How acts on steps and jobs are undone while nothing else has happened to them."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.models import Stage
from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.core.errors import Refused
from app.core.undo import way_back
from app.jobs.commands.stages import move_to_stage
from app.jobs.commands.tasks import assign_task, reopen_task, snooze_task, tick_item
from app.jobs.models import Task, TaskState
from app.jobs.queries.jobs import get_job
from app.jobs.queries.tasks import get_item, get_task
from app.people.models import Person


def _task(task: str, by: Actor) -> Task:
    return get_task(UUID(task), seen_by=by)


def _same(now: object, then: object, what: str) -> None:
    if now != then:
        raise Refused(f"{what} meanwhile, so this is not undone. Look at it and change it there.")


@way_back("jobs.task.completed")
def uncomplete(by: Actor, *, task: str, done_at: str) -> str:
    """Refused where somebody opened it again, or began what comes after it."""
    found = _task(task, by)
    still = found.state is TaskState.DONE and found.done_at == dt.datetime.fromisoformat(done_at)
    _same(still, True, f"“{found.name}” has changed")
    reopen_task(found, by=by)
    return f"“{found.name}” is open again"


@way_back("jobs.task.assigned")
def give_back(by: Actor, *, task: str, before: str | None, after: str | None) -> str:
    found = _task(task, by)
    _same(str(found.assignee_id) if found.assignee_id else None, after, f"“{found.name}” was given to somebody else")
    to = db.session.get(Person, UUID(before)) if before else None
    assign_task(found, to=to, by=by)
    return f"“{found.name}” is {to.name + '’s' if to else 'nobody’s'} again"


@way_back("jobs.task.snoozed")
def unsnooze(by: Actor, *, task: str, before: str | None, after: str | None) -> str:
    found = _task(task, by)
    _same(found.snoozed_until.isoformat() if found.snoozed_until else None, after, f"“{found.name}” was put off anew")
    snooze_task(found, until=dt.date.fromisoformat(before) if before else None, by=by)
    return f"“{found.name}” is where it was"


@way_back("jobs.checklist.ticked")
def untick(by: Actor, *, task: str, item: str, done: bool) -> str:
    found = _task(task, by)
    line = get_item(UUID(item), found)
    _same(line.done_at is not None, done, f"“{line.text}” was changed")
    tick_item(line, found, done=not done, by=by)
    return f"“{line.text}” is {'open' if done else 'ticked'} again"


@way_back("jobs.job.moved")
def move_back(by: Actor, *, job: str, before: str, after: str) -> str:
    found = get_job(UUID(job), seen_by=by)
    _same(str(found.stage_id), after, f"“{found.title}” was moved on")
    stage = get_or_404(sa.select(Stage).where(Stage.id == UUID(before)))
    move_to_stage(found, stage, by=by)
    return f"“{found.title}” is back in {stage.name}"
