"""A template version as plain values: what planning copies jobs from, and the dates that its rules give."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from app.catalogue.due_rule_json import from_json
from app.catalogue.due_rules import DueRule, MissingAnchor, resolve, resolve_all
from app.catalogue.models import DependencyKind, JobTemplate, StepKind, TemplateRequest, WorkRole
from app.catalogue.statutory import DeadlineResult, compute, find_rule
from app.firm.calendars import WorkingCalendar

PERIOD_END = DueRule("period_end")


class Check(NamedTuple):
    """One line of a step's checklist."""

    key: str
    text: str


@dataclass(frozen=True)
class StepPlan:
    """One step as a task will be made of it."""

    key: str
    position: int
    stage_id: UUID
    name: str
    instructions: str
    kind: StepKind
    work_role: WorkRole
    estimate: dt.timedelta | None
    rule: DueRule | None
    checklist: tuple[Check, ...]
    required: bool


@dataclass(frozen=True)
class After:
    """`step_key` comes after `on_key`."""

    step_key: str
    on_key: str
    kind: DependencyKind = DependencyKind.HARD
    lag_days: int = 0


@dataclass(frozen=True)
class RequestPlan:
    """A client request of the template; `row` carries everything that its sending needs."""

    row: TemplateRequest
    rule: DueRule | None
    send_rule: DueRule | None = None


@dataclass(frozen=True)
class DeadlinePlan:
    """A statutory date, the rule that gives the day it counts from, and the key of the step that meets it.

    `edition` is that of the statutory rule which counts, whatever newer one there is.
    """

    code: str
    rule: str
    trigger: DueRule
    met_by: str | None = None
    edition: str = ""


@dataclass(frozen=True)
class Blueprint:
    """Everything a template version says, apart from the session."""

    template_id: UUID
    service_id: UUID
    number: int
    title_pattern: str
    due_rule: DueRule | None
    priority: int
    fee: Decimal | None
    first_stage_id: UUID | None
    steps: tuple[StepPlan, ...]
    dependencies: tuple[After, ...]
    requests: tuple[RequestPlan, ...]
    deadlines: tuple[DeadlinePlan, ...]
    start_rule: DueRule | None = None

    @cached_property
    def step_rules(self) -> dict[str, DueRule]:
        return {step.key: step.rule for step in self.steps if step.rule}

    @cached_property
    def waited_for(self) -> frozenset[str]:
        """Keys of the steps that something hard comes before."""
        return frozenset(d.step_key for d in self.dependencies if d.kind is DependencyKind.HARD)

    @property
    def estimate(self) -> dt.timedelta:
        return sum((step.estimate for step in self.steps if step.estimate), dt.timedelta())


@dataclass(frozen=True)
class Dates:
    """What the rules give for one job: its due date, each step's, each request's, each deadline; what has none yet.

    `asked` has the day on which each request is asked; for one without a rule, the first day on which it may be.
    """

    due_on: dt.date | None
    steps: dict[str, dt.date]
    requests: dict[UUID, dt.date]
    deadlines: tuple[tuple[str, DeadlineResult], ...]
    missing: dict[str, str] = field(default_factory=dict)
    asked: dict[UUID, dt.date] = field(default_factory=dict)


def blueprint_of(template: JobTemplate) -> Blueprint:
    """From a template loaded with its parts; a job begins in the stage of its first step."""
    return Blueprint(
        template_id=template.id, service_id=template.service_id, number=template.number,
        title_pattern=template.title_pattern, due_rule=rule_of(template.due_rule), priority=template.priority,
        fee=template.fee, first_stage_id=template.steps[0].stage_id if template.steps else None,
        steps=tuple(
            StepPlan(
                s.key, s.position, s.stage_id, s.name, s.instructions, s.kind, s.work_role, s.estimate,
                rule_of(s.due_rule), tuple(Check(**line) for line in s.checklist), s.required,
            )
            for s in template.steps
        ),
        dependencies=tuple(After(d.step_key, d.on_key, d.kind, d.lag_days) for d in template.dependencies),
        requests=tuple(RequestPlan(_apart(r), rule_of(r.due_rule), rule_of(r.send_rule)) for r in template.requests),
        deadlines=tuple(
            DeadlinePlan(d.code, d.rule, rule_of(d.trigger_rule) or PERIOD_END, d.met_by, d.edition)
            for d in template.deadlines
        ),
        start_rule=rule_of(template.start_rule),
    )


def rule_of(stored: Mapping[str, Any] | None) -> DueRule | None:
    """A stored rule; an empty one is none."""
    return from_json(dict(stored)) if stored else None


def _apart(row: TemplateRequest) -> TemplateRequest:
    """A copy that belongs to no session, so that a cached blueprint holds on to none."""
    names = [column.key for column in TemplateRequest.__mapper__.column_attrs]
    return TemplateRequest(**{name: getattr(row, name) for name in names})


def start_of_job(
    blueprint: Blueprint, period_start: dt.date, period_end: dt.date, calendar: WorkingCalendar
) -> dt.date:
    """The day on which work on a period begins: by the template's own rule, else the day after it."""
    if blueprint.start_rule is None:
        return period_end + dt.timedelta(days=1)
    return resolve(blueprint.start_rule, {"period_start": period_start, "period_end": period_end}, calendar)


def dates_of(
    blueprint: Blueprint, anchors: Mapping[str, dt.date], calendar: WorkingCalendar, *,
    due_on: dt.date | None = None, region: str = "",
) -> Dates:
    """All dates of one job. Deadlines first, then the job's own due date (`due_on` overrides it), then the steps.

    `region` is the client's, such as US-MA: its holidays move a statutory date where the law says so.
    """
    known, missing = dict(anchors), dict[str, str]()
    due_on, deadlines = _due_and_deadlines(blueprint, known, calendar, missing, due_on, region)
    steps = resolve_all(blueprint.step_rules, known, calendar)
    missing |= {f"step:{key}": anchor for key, anchor in steps.waiting.items()}
    known |= {f"step:{key}": day for key, day in steps.dates.items()}
    requests, asked = {}, {}
    for request in blueprint.requests:
        if request.rule is not None:
            day = _or_missing(request.rule, known, calendar, missing, f"request:{request.row.name}")
            if day is not None:
                requests[request.row.id] = day
        try:
            day = asked_on(request.send_rule, known, calendar)
        except MissingAnchor as gap:
            missing[f"asking:{request.row.name}"], day = gap.anchor, None
        if day is not None:
            asked[request.row.id] = day
    return Dates(due_on, steps.dates, requests, deadlines, missing, asked)


def asked_on(rule: DueRule | None, known: Mapping[str, dt.date], calendar: WorkingCalendar) -> dt.date | None:
    """The day of its rule; without one the first working day after the period has ended and the job has started.

    Raises MissingAnchor where the rule counts from what is not known.
    """
    if rule is not None:
        return resolve(rule, known, calendar)
    period_end, starts_on = known.get("period_end"), known.get("job_start")
    after_period = period_end + dt.timedelta(days=1) if period_end else None
    earliest = max((day for day in (after_period, starts_on) if day), default=None)
    return calendar.roll_forward(earliest) if earliest else None


def due_and_deadlines(
    blueprint: Blueprint, anchors: Mapping[str, dt.date], calendar: WorkingCalendar, *, region: str = ""
) -> tuple[dt.date | None, dict[str, DeadlineResult]]:
    """The job's due date and its statutory dates by code, as dates_of() gives them, without its steps."""
    due_on, found = _due_and_deadlines(blueprint, dict(anchors), calendar, {}, None, region)
    return due_on, dict(found)


def in_newest_edition(blueprint: Blueprint, rule: str) -> Blueprint:
    """The same version, counting one statutory rule by its newest edition."""
    newest = find_rule(rule).edition
    return replace(blueprint, deadlines=tuple(
        replace(each, edition=newest) if each.rule == rule else each for each in blueprint.deadlines
    ))


def due_of(
    blueprint: Blueprint, anchors: Mapping[str, dt.date], calendar: WorkingCalendar, *, region: str = ""
) -> dt.date | None:
    """The job's due date alone, as dates_of() gives it."""
    return _due_and_deadlines(blueprint, dict(anchors), calendar, {}, None, region)[0]


def _due_and_deadlines(
    blueprint: Blueprint, known: dict[str, dt.date], calendar: WorkingCalendar, missing: dict[str, str],
    due_on: dt.date | None, region: str,
) -> tuple[dt.date | None, tuple[tuple[str, DeadlineResult], ...]]:
    """Adds what it finds to `known`, and what it cannot to `missing`."""
    deadlines = []
    for deadline in blueprint.deadlines:
        trigger = _or_missing(deadline.trigger, known, calendar, missing, f"deadline:{deadline.code}")
        if trigger is not None:
            result = _statutory(deadline.rule, trigger, region, deadline.edition)
            deadlines.append((deadline.code, result))
            known[f"deadline:{deadline.code}"] = result.due
    if due_on is None and blueprint.due_rule is not None:
        due_on = _or_missing(blueprint.due_rule, known, calendar, missing, "job_due")
    if due_on is not None:
        known["job_due"] = due_on
    return due_on, tuple(deadlines)


@lru_cache(maxsize=4096)
def _statutory(rule: str, trigger: dt.date, region: str, edition: str) -> DeadlineResult:
    return compute(rule, trigger, region=region, edition=edition)


def _or_missing(
    rule: DueRule, known: Mapping[str, dt.date], calendar: WorkingCalendar, missing: dict[str, str], name: str
) -> dt.date | None:
    try:
        return resolve(rule, known, calendar)
    except MissingAnchor as gap:
        missing[name] = gap.anchor
        return None
