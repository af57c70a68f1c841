"""What the dates of a job follow from, read for the computation in `jobs.dates`."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.blueprints import Blueprint
from app.catalogue.due_rules import DueRule
from app.catalogue.queries import get_blueprint
from app.clients.models import Client
from app.clients.places import region_code
from app.core.clock import local
from app.core.db import db
from app.jobs.calendars import calendars_of
from app.jobs.dates import FOLLOWS_JOB, DeadlineDate, JobDates, Move, StepDate
from app.jobs.following import others_of
from app.jobs.models import OPEN_STATES, UNMET, Deadline, DeadlineState, Job, Task, TaskState

_OF_TASK = (
    Task.id, Task.job_id, Task.step_key, Task.name, Task.due_on, Task.due_locked, Task.state, Task.done_at
)
_OF_DEADLINE = (
    Deadline.id, Deadline.job_id, Deadline.code, Deadline.name, Deadline.effective_on, Deadline.rule, Deadline.edition,
    Deadline.trigger_on, Deadline.trigger_locked, Deadline.due_locked, Deadline.state,
)


def dates_of_job(job: Job) -> JobDates:
    """A job's dates and what they follow from, as it stands in this transaction."""
    return dates_of_jobs([job])[job.id]


def dates_of_jobs(jobs: Sequence[Job]) -> dict[UUID, JobDates]:
    """By job: its dates and what they follow from; as many statements for a thousand as for one.

    The rules are those of the template version that a job was made from: a published version never changes.
    """
    ids, client_ids = [job.id for job in jobs], list({job.client_id for job in jobs})
    calendars, others = calendars_of(client_ids), others_of(jobs)
    places = db.session.execute(sa.select(Client.id, Client.country, Client.region).where(Client.id.in_(client_ids)))
    regions = {row.id: region_code(row.country, row.region) for row in places}
    tasks: dict[UUID, list[Any]] = defaultdict(list)
    for row in db.session.execute(
        sa.select(*_OF_TASK).where(Task.job_id.in_(ids)).order_by(Task.job_id, Task.position, Task.id)
    ):
        tasks[row.job_id].append(row)
    deadlines: dict[UUID, list[Any]] = defaultdict(list)
    for each in db.session.execute(
        sa.select(*_OF_DEADLINE).where(Deadline.job_id.in_(ids))
        .order_by(Deadline.job_id, Deadline.effective_on, Deadline.code)
    ):
        deadlines[each.job_id].append(each)
    found = {}
    for job in jobs:
        blueprint = get_blueprint(job.template_id) if job.template_id else None
        triggers = {each.code: each.trigger for each in blueprint.deadlines} if blueprint else {}
        found[job.id] = JobDates(
            job.id, anchors_of(job), calendars[job.client_id], job.due_on, blueprint.due_rule if blueprint else None,
            job.due_locked, [_step(task, job, blueprint) for task in tasks[job.id]],
            [_deadline(each, triggers) for each in deadlines[job.id]], others[job.id], regions[job.client_id],
        )
    return found


def anchors_of(job: Job) -> dict[str, dt.date]:
    """What a job's rules count from, by the name that a rule gives it."""
    around = {"job_start": job.starts_on, "period_start": job.period_start, "period_end": job.period_end}
    named = {f"named:{name}": dt.date.fromisoformat(text) for name, text in job.named_dates.items()}
    return {name: day for name, day in (around | named).items() if day is not None}


def named_anchors(job: Job) -> list[str]:
    """The dates that the job's template names and a person fills in: of the hearing, of completion."""
    if job.template_id is None:
        return []
    blueprint = get_blueprint(job.template_id)
    rules = [*blueprint.step_rules.values(), *(each.trigger for each in blueprint.deadlines)]
    rules += [blueprint.due_rule] if blueprint.due_rule else []
    rules += [rule for each in blueprint.requests for rule in (each.rule, each.send_rule) if rule]
    return sorted({rule.anchor.removeprefix("named:") for rule in rules if rule.anchor.startswith("named:")})


def digest_of_moves(moves: Sequence[Move]) -> str:
    """What somebody was shown, short enough to travel in a form."""
    told = "\n".join(f"{m.part} {m.id} {m.before} {m.after} {m.is_locked}" for m in moves)
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _step(task: Any, job: Job, blueprint: Blueprint | None) -> StepDate:
    rule: DueRule | None = None
    if task.step_key and blueprint:
        rule = blueprint.step_rules.get(task.step_key)
    elif not task.step_key and task.due_on is not None and task.due_on == job.due_on:
        rule = FOLLOWS_JOB  # added by hand without a day of its own
    return step_date(task, rule)


def step_date(task: Any, rule: DueRule | None) -> StepDate:
    """A step as the computation takes it; a finished one counts from the day on which it was finished."""
    done_on = local(task.done_at).date() if task.state is TaskState.DONE and task.done_at else None
    return StepDate(
        task.id, task.step_key or str(task.id), task.name, task.due_on, rule, task.due_locked,
        task.state in OPEN_STATES, done_on,
    )


def _deadline(each: Any, triggers: Mapping[str, DueRule]) -> DeadlineDate:
    settled = each.state in (DeadlineState.SATISFIED, DeadlineState.WAIVED, DeadlineState.EXTENDED)
    return DeadlineDate(
        each.id, each.code, each.name, each.effective_on, each.rule, triggers.get(each.code), each.trigger_on,
        each.trigger_locked, settled or each.due_locked, each.edition, each.state in UNMET,
    )


def get_named(job: Job, name: str) -> dt.date | None:
    text = job.named_dates.get(name)
    return dt.date.fromisoformat(text) if text else None


