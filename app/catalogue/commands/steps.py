"""The steps of a draft and what each comes after."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.blueprints import After, rule_of
from app.catalogue.commands.drafts import open_draft
from app.catalogue.due_rule_json import to_json
from app.catalogue.due_rules import DueRule, DueRuleCycle, order_rules
from app.catalogue.graph import Edge, describe_cycle, find_path
from app.catalogue.keys import free_key, keyed_lines
from app.catalogue.models import (
    JobTemplate,
    Stage,
    StepKind,
    TemplateDeadline,
    TemplateDependency,
    TemplateRequest,
    TemplateStep,
    WorkRole,
)
from app.catalogue.policy import can_edit_template
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.once import digest_of, made_before
from app.core.permissions import authorize

LONGEST_ESTIMATE = dt.timedelta(hours=1000)
MOST_CHECKS = 100
MOST_STEPS = 200


@dataclass(frozen=True)
class StepValues:
    """One step as its form says it; `after` names the steps that it comes after."""

    name: str
    stage_id: UUID
    kind: StepKind = StepKind.WORK
    work_role: WorkRole = WorkRole.PREPARER
    estimate: dt.timedelta | None = None
    instructions: str = ""
    checklist: tuple[str, ...] = ()
    required: bool = True
    due_rule: DueRule | None = None
    after: tuple[After, ...] = ()


def add_step(
    template: JobTemplate, step_id: UUID, values: StepValues, *, by: Actor, key: str = ""
) -> TemplateStep:
    """At the end. The same id again changes nothing. Its key is made of its name unless one is given."""
    authorize(by, can_edit_template, template)
    with transaction() as session:
        said = digest_of(template.id, values, key)
        existing = made_before(TemplateStep, step_id, said)
        if existing is not None:
            return existing
        draft = open_draft(template)
        steps = _steps(draft)
        if len(steps) >= MOST_STEPS:
            raise Refused(f"A template has at most {MOST_STEPS} steps.")
        key = key or free_key(values.name, {step.key for step in steps}, empty="step")
        _check(draft, key, values, steps)
        step = TemplateStep(
            id=step_id, made_from=said, template_id=draft.id, key=key,
            position=1 + max((s.position for s in steps), default=-1), **_columns(values, []),
        )
        session.add(step)
        session.flush()
        _set_after(draft, key, values.after)
        record("catalogue.step.add", draft, by=by, name=step.name)
        return step


def edit_step(template: JobTemplate, key: str, values: StepValues, *, by: Actor, version: int | None = None) -> None:
    """Everything about a step but its key, which ties it to the jobs made of it."""
    authorize(by, can_edit_template, template)
    with transaction():
        draft = open_draft(template, version)
        step = _step(draft, key)
        _check(draft, key, values, _steps(draft))
        for name, value in _columns(values, step.checklist).items():
            setattr(step, name, value)
        _set_after(draft, key, values.after)
        record("catalogue.step.edit", draft, by=by, name=step.name)


def move_step(template: JobTemplate, key: str, places: int, *, by: Actor) -> None:
    """Up (negative) or down the list by so many places; the order of work comes from the dependencies."""
    authorize(by, can_edit_template, template)
    with transaction():
        draft = open_draft(template)
        steps, step = _steps(draft), _step(draft, key)
        here = steps.index(step)
        there = min(max(here + places, 0), len(steps) - 1)
        if there == here:
            return
        steps.insert(there, steps.pop(here))
        for position, each in enumerate(steps):
            each.position = position
        record("catalogue.step.move", draft, by=by, name=step.name)


def remove_step(template: JobTemplate, key: str, *, by: Actor) -> None:
    """With its dependencies; refused while another step or a request counts from it, or a deadline is met by it."""
    authorize(by, can_edit_template, template)
    with transaction() as session:
        draft = open_draft(template)
        step = _step(draft, key)
        anchor = f"step:{key}"
        counting = [s.name for s in _steps(draft) if s.due_rule and s.due_rule.get("anchor") == anchor]
        waiting = [
            request.name
            for request in session.scalars(sa.select(TemplateRequest).where(TemplateRequest.template_id == draft.id))
            if request.step_key == key
            or anchor in {(request.due_rule or {}).get("anchor"), (request.send_rule or {}).get("anchor")}
        ]
        meeting = session.scalars(sa.select(TemplateDeadline.code).where(
            TemplateDeadline.template_id == draft.id, TemplateDeadline.met_by == key
        ).order_by(TemplateDeadline.code)).all()
        if counting or waiting or meeting:
            names = ", ".join([f"“{name}”" for name in (*counting, *waiting)] + [f"the deadline {c}" for c in meeting])
            raise Refused(f"“{step.name}” is still needed by {names}.")
        _drop_dependencies(draft, sa.or_(TemplateDependency.step_key == key, TemplateDependency.on_key == key))
        session.delete(step)
        record("catalogue.step.remove", draft, by=by, name=step.name)


def _steps(draft: JobTemplate) -> list[TemplateStep]:
    return list(db.session.scalars(
        sa.select(TemplateStep).where(TemplateStep.template_id == draft.id).order_by(TemplateStep.position)
    ))


def _step(draft: JobTemplate, key: str) -> TemplateStep:
    if "\x00" in key:
        raise NotFound()
    step = db.session.scalar(
        sa.select(TemplateStep).where(TemplateStep.template_id == draft.id, TemplateStep.key == key)
    )
    if step is None:
        raise NotFound()
    return step


def _columns(values: StepValues, lines: list[dict[str, str]]) -> dict[str, object]:
    columns = dict(vars(values))
    del columns["after"]
    columns["checklist"] = keyed_lines(values.checklist, lines)
    columns["due_rule"] = to_json(values.due_rule) if values.due_rule else None
    return columns


def _check(draft: JobTemplate, key: str, values: StepValues, steps: list[TemplateStep]) -> None:
    if not values.name:
        raise Refused("Give the step a name.", field="name")
    stage = db.session.get(Stage, values.stage_id)
    if stage is None or stage.service_id != draft.service_id:
        raise Refused("Choose a stage of this service.", field="stage_id")
    if values.estimate is not None and not dt.timedelta() <= values.estimate <= LONGEST_ESTIMATE:
        raise Refused("An estimate is between nothing and 1,000 hours.", field="estimate")
    if len(values.checklist) > MOST_CHECKS:
        raise Refused(f"A checklist has at most {MOST_CHECKS} lines.", field="checklist")
    names = {step.key: step.name for step in steps} | {key: values.name}
    _check_rules(key, values, steps, names)
    _check_after(draft, key, values, names)


def _check_rules(key: str, values: StepValues, steps: list[TemplateStep], names: dict[str, str]) -> None:
    if values.due_rule is None:
        return
    counts_from = values.due_rule.step_key
    if counts_from is not None and counts_from not in names:
        raise Refused("The due date counts from a step that is gone.", field="due_rule")
    rules = {step.key: rule for step in steps if (rule := rule_of(step.due_rule))} | {key: values.due_rule}
    try:
        order_rules(rules)
    except DueRuleCycle as loop:
        path = " → ".join(names[k] for k in loop.path)
        raise Refused(f"These steps would take their due dates from each other: {path}.", field="due_rule") from None


def _check_after(draft: JobTemplate, key: str, values: StepValues, names: dict[str, str]) -> None:
    if any(each.on_key not in names for each in values.after):
        raise Refused("A step that this one comes after is gone.", field="after")
    if any(not 0 <= each.lag_days <= 366 for each in values.after):
        raise Refused("A pause between steps is between 0 and 366 working days.", field="after")
    if len({each.on_key for each in values.after}) < len(values.after):
        raise Refused("A step can come after another one only once.", field="after")
    edges = [
        Edge(d.on_key, d.step_key)
        for d in db.session.scalars(sa.select(TemplateDependency).where(TemplateDependency.template_id == draft.id))
        if d.step_key != key
    ]
    for each in values.after:
        path = find_path(edges, key, each.on_key)
        if path:
            raise Refused(f"That would make a circle: {describe_cycle([*path, key], names)}.", field="after")


def _set_after(draft: JobTemplate, key: str, after: tuple[After, ...]) -> None:
    _drop_dependencies(draft, TemplateDependency.step_key == key)
    db.session.add_all(
        TemplateDependency(template_id=draft.id, **vars(replace(each, step_key=key))) for each in after
    )
    db.session.flush()


def _drop_dependencies(draft: JobTemplate, which: sa.ColumnElement[bool]) -> None:
    db.session.execute(
        sa.delete(TemplateDependency).where(TemplateDependency.template_id == draft.id, which)
        .execution_options(synchronize_session="fetch")
    )
