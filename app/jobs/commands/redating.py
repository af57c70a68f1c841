"""Steps that are due some time after another step is finished get their day anew when it is, or when its day moves."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.due_rules import BadDueRule, DueRule, resolve_all
from app.catalogue.queries import get_blueprint
from app.core.actors import SYSTEM
from app.core.clock import local
from app.core.db import db
from app.firm.calendars import WorkingCalendar
from app.jobs.models import OPEN_STATES, Task, TaskState


def redate(jobs: Sequence[Any], calendars: Mapping[UUID, WorkingCalendar]) -> None:
    """Of jobs as (id, template_id, client_id): write the days that count from other steps. A day set by hand stays.

    A finished step counts from the day it was finished, an open one from the day it is due.
    """
    rules = {job.id: _after_steps(job.template_id) for job in jobs if job.template_id}
    wanted = [job_id for job_id, found in rules.items() if found]
    if not wanted:
        return
    tasks: dict[UUID, list[Task]] = defaultdict(list)
    for task in db.session.scalars(sa.select(Task).where(Task.job_id.in_(wanted), Task.step_key.is_not(None))):
        tasks[task.job_id].append(task)
    for job in jobs:
        if job.id in tasks:
            _redate_one(tasks[job.id], rules[job.id], calendars[job.client_id])


def _after_steps(template_id: UUID) -> dict[str, DueRule]:
    rules = get_blueprint(template_id).step_rules
    return {key: rule for key, rule in rules.items() if rule.step_key is not None}


def _redate_one(tasks: Sequence[Task], rules: Mapping[str, DueRule], calendar: WorkingCalendar) -> None:
    moving = {task.step_key: task for task in tasks if _moves(task, rules)}
    days = {f"step:{task.step_key}": day for task in tasks if task not in moving.values() and (day := _day(task))}
    try:
        found = resolve_all({key: rules[key] for key in moving if key}, days, calendar).dates
    except BadDueRule:
        return
    for key, due_on in found.items():
        task = moving[key]
        if task.due_on != due_on:
            before, task.due_on = task.due_on, due_on
            task.version += 1
            topics = (f"person:{task.assignee_id}",) if task.assignee_id else ()
            record("jobs.task.redated", task, by=SYSTEM, topics=topics, name=task.name, before=before, due_on=due_on)


def _moves(task: Task, rules: Mapping[str, DueRule]) -> bool:
    return task.step_key in rules and task.state in OPEN_STATES and not task.due_locked


def _day(task: Task) -> dt.date | None:
    if task.state is TaskState.DONE and task.done_at is not None:
        return local(task.done_at).date()
    return task.due_on
