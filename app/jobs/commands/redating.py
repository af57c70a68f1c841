"""Steps that are due some time after another step is finished get their day anew when it is, or when its day moves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.due_rules import DueRule
from app.catalogue.queries import get_blueprint
from app.core.actors import SYSTEM
from app.core.db import db
from app.firm.calendars import WorkingCalendar
from app.jobs.dates import JobDates, drifted
from app.jobs.models import Task
from app.jobs.queries.dates import step_date


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
            _redate_one(job.id, tasks[job.id], rules[job.id], calendars[job.client_id])


def _after_steps(template_id: UUID) -> dict[str, DueRule]:
    rules = get_blueprint(template_id).step_rules
    return {key: rule for key, rule in rules.items() if rule.step_key is not None}


def _redate_one(job_id: UUID, tasks: Sequence[Task], rules: Mapping[str, DueRule], calendar: WorkingCalendar) -> None:
    steps = [step_date(task, rules.get(task.step_key or "")) for task in tasks]
    by_id = {task.id: task for task in tasks}
    for move in drifted(JobDates(job_id, {}, calendar, steps=steps)):
        if move.is_locked:
            continue
        task = by_id[move.id]
        task.due_on = move.after
        task.version += 1
        topics = (f"person:{task.assignee_id}",) if task.assignee_id else ()
        record("jobs.task.redated", task, by=SYSTEM, topics=topics, name=task.name, before=move.before,
               due_on=move.after)
