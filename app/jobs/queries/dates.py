"""What the dates of a job follow from, read for the computation in `jobs.dates`."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from app.catalogue.blueprints import Blueprint
from app.catalogue.due_rules import DueRule
from app.catalogue.queries import get_blueprint
from app.clients.models import Client
from app.clients.places import region_code
from app.core.clock import local
from app.core.db import db
from app.jobs.calendars import calendar_of
from app.jobs.dates import FOLLOWS_JOB, DeadlineDate, JobDates, Move, StepDate
from app.jobs.following import others_of
from app.jobs.models import OPEN_STATES, Deadline, DeadlineState, Job, Task, TaskState


def dates_of_job(job: Job) -> JobDates:
    """A job's dates and what they follow from, as it stands in this transaction.

    The rules are those of the template version that it was made from: a published version never changes.
    """
    blueprint = get_blueprint(job.template_id) if job.template_id else None
    client = db.session.get_one(Client, job.client_id)
    tasks = db.session.scalars(sa.select(Task).where(Task.job_id == job.id).order_by(Task.position, Task.id)).all()
    deadlines = db.session.scalars(
        sa.select(Deadline).where(Deadline.job_id == job.id).order_by(Deadline.effective_on, Deadline.code)
    ).all()
    triggers = {each.code: each.trigger for each in blueprint.deadlines} if blueprint else {}
    return JobDates(
        job.id, anchors_of(job), calendar_of(job.client_id), job.due_on, blueprint.due_rule if blueprint else None,
        job.due_locked, [_step(task, job, blueprint) for task in tasks],
        [_deadline(each, triggers) for each in deadlines], others_of(job), region_code(client.country, client.region),
    )


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


def _step(task: Task, job: Job, blueprint: Blueprint | None) -> StepDate:
    rule: DueRule | None = None
    if task.step_key and blueprint:
        rule = blueprint.step_rules.get(task.step_key)
    elif not task.step_key and task.due_on is not None and task.due_on == job.due_on:
        rule = FOLLOWS_JOB  # added by hand without a day of its own
    return step_date(task, rule)


def step_date(task: Task, rule: DueRule | None) -> StepDate:
    """A step as the computation takes it; a finished one counts from the day on which it was finished."""
    done_on = local(task.done_at).date() if task.state is TaskState.DONE and task.done_at else None
    return StepDate(
        task.id, task.step_key or str(task.id), task.name, task.due_on, rule, task.due_locked,
        task.state in OPEN_STATES, done_on,
    )


def _deadline(each: Deadline, triggers: Mapping[str, DueRule]) -> DeadlineDate:
    settled = each.state in (DeadlineState.SATISFIED, DeadlineState.WAIVED, DeadlineState.EXTENDED)
    return DeadlineDate(
        each.id, each.code, each.name, each.effective_on, each.rule, triggers.get(each.code), each.trigger_on,
        each.trigger_locked, settled or each.due_locked,
    )


def get_named(job: Job, name: str) -> dt.date | None:
    text = job.named_dates.get(name)
    return dt.date.fromisoformat(text) if text else None


