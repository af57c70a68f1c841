"""What a draft asks of the client, and the statutory dates that each of its jobs has."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.commands.drafts import open_draft
from app.catalogue.due_rule_json import to_json
from app.catalogue.due_rules import DueRule
from app.catalogue.keys import free_key
from app.catalogue.models import ASKING_TIME, JobTemplate, TemplateDeadline, TemplateRequest, TemplateStep
from app.catalogue.policy import can_edit_template
from app.catalogue.soundness import ITEM_KINDS, WITH_OPTIONS
from app.catalogue.statutory import UnknownRule, find_rule
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.permissions import authorize
from app.delivery.quiet import is_daytime

MOST_ITEMS = 100


@dataclass(frozen=True)
class RequestValues:
    """A client request as its form says it. Items: {code, section, kind, label, help, required, options}."""

    name: str
    message: str = ""
    step_key: str | None = None
    due_rule: DueRule | None = None
    remind_after_days: int = 3
    remind_every_days: int = 4
    remind_at_most: int = 5
    items: tuple[dict[str, Any], ...] = ()
    send_rule: DueRule | None = None
    send_time: dt.time = ASKING_TIME


@dataclass(frozen=True)
class DeadlineValues:
    """A rule of the statutory table; `trigger` gives the day it counts from, else the period's end.

    `met_by` is the key of the step that meets it; without one it is the job's last required step.
    """

    rule: str
    code: str = ""
    trigger: DueRule | None = None
    met_by: str | None = None


def save_request(
    template: JobTemplate, request_id: UUID, values: RequestValues, *, by: Actor, version: int | None = None
) -> TemplateRequest:
    """Change the request of this id, or add it."""
    authorize(by, can_edit_template, template)
    with transaction() as session:
        draft = open_draft(template, version)
        columns = _checked(draft, values)
        request = session.get(TemplateRequest, request_id)
        if request is None:
            others = session.scalars(sa.select(TemplateRequest).where(TemplateRequest.template_id == draft.id)).all()
            request = TemplateRequest(
                id=request_id, template_id=draft.id, position=1 + max((each.position for each in others), default=-1),
                key=free_key(values.name, (each.key for each in others), empty="request"), **columns
            )
            session.add(request)
        elif request.template_id != draft.id:
            raise NotFound()
        for name, value in columns.items():
            setattr(request, name, value)
        record("catalogue.request.save", draft, by=by, name=request.name, items=len(values.items))
        return request


def remove_request(template: JobTemplate, request_id: UUID, *, by: Actor) -> None:
    authorize(by, can_edit_template, template)
    with transaction() as session:
        draft = open_draft(template)
        request = session.get(TemplateRequest, request_id)
        if request is None or request.template_id != draft.id:
            raise NotFound()
        session.delete(request)
        record("catalogue.request.remove", draft, by=by, name=request.name)


def add_deadline(
    template: JobTemplate, values: DeadlineValues, *, by: Actor, version: int | None = None
) -> TemplateDeadline:
    """In the rule's newest edition. Adding the same rule again changes the day that it counts from and the step that
    meets it, never the edition."""
    authorize(by, can_edit_template, template)
    with transaction() as session:
        draft = open_draft(template, version)
        try:
            rule = find_rule(values.rule)
        except UnknownRule as unknown:
            raise Refused(str(unknown), field="rule") from None
        if values.met_by and not _has_step(draft, values.met_by):
            raise Refused("The step that meets this deadline is gone.", field="met_by")
        code = values.code or rule.code
        trigger = to_json(values.trigger) if values.trigger else None
        deadline = session.scalar(
            sa.select(TemplateDeadline)
            .where(TemplateDeadline.template_id == draft.id, TemplateDeadline.code == code)
        )
        if deadline is None:
            deadline = TemplateDeadline(template_id=draft.id, code=code, rule=rule.code, edition=rule.edition)
            session.add(deadline)
        if deadline.rule != rule.code:
            deadline.rule, deadline.edition = rule.code, rule.edition
        deadline.trigger_rule, deadline.met_by = trigger, values.met_by
        record("catalogue.deadline.add", draft, by=by, name=rule.title)
        return deadline


def remove_deadline(template: JobTemplate, deadline_id: UUID, *, by: Actor) -> None:
    """Refused while a due date counts from it."""
    authorize(by, can_edit_template, template)
    with transaction() as session:
        draft = open_draft(template)
        deadline = session.get(TemplateDeadline, deadline_id)
        if deadline is None or deadline.template_id != draft.id:
            raise NotFound()
        anchor = f"deadline:{deadline.code}"
        steps = session.scalars(sa.select(TemplateStep).where(TemplateStep.template_id == draft.id))
        requests = session.scalars(sa.select(TemplateRequest).where(TemplateRequest.template_id == draft.id)).all()
        names = [part.name for part in (*steps, *requests) if (part.due_rule or {}).get("anchor") == anchor]
        names += [part.name for part in requests if (part.send_rule or {}).get("anchor") == anchor]
        if draft.due_rule.get("anchor") == anchor:
            names.append("the job's due date")
        if names:
            raise Refused(f"{', '.join(names)} still counts from this deadline.")
        session.delete(deadline)
        record("catalogue.deadline.remove", draft, by=by, name=deadline.code)


def _checked(draft: JobTemplate, values: RequestValues) -> dict[str, Any]:
    if not values.name:
        raise Refused("Give the request a name.", field="name")
    if values.step_key and not _has_step(draft, values.step_key):
        raise Refused("The step that waits for this request is gone.", field="step_key")
    for name, least, most in (("remind_after_days", 0, 365), ("remind_every_days", 1, 365), ("remind_at_most", 0, 50)):
        if not least <= getattr(values, name) <= most:
            raise Refused(f"This is between {least} and {most}.", field=name)
    if len(values.items) > MOST_ITEMS:
        raise Refused(f"A request has at most {MOST_ITEMS} items.", field="items")
    columns = dict(vars(values))
    if not is_daytime(values.send_time):
        raise Refused("Choose a time between 7:00 and 20:00; nothing goes out by itself at night.", field="send_time")
    for name in ("due_rule", "send_rule"):
        rule = getattr(values, name)
        columns[name] = to_json(rule) if rule else None
    columns["items"] = _checked_items(values.items)
    return columns


def _has_step(draft: JobTemplate, key: str) -> bool:
    return db.session.scalar(
        sa.select(TemplateStep.id).where(TemplateStep.template_id == draft.id, TemplateStep.key == key)
    ) is not None


def _checked_items(items: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Each item complete, with a code of its own that stays when the item is reworded."""
    taken = {str(item["code"]) for item in items if item.get("code")}
    numbers = (f"i{n}" for n in range(1, 10_000) if f"i{n}" not in taken)
    checked = []
    for item in items:
        kind, label = str(item.get("kind") or "upload"), str(item.get("label") or "").strip()
        if kind not in ITEM_KINDS:
            raise Refused(f"“{kind[:40]}” is no kind of item.", field="items")
        if not label:
            raise Refused("Each item needs the words that the client will read.", field="items")
        options = [str(option) for option in item.get("options") or () if str(option).strip()]
        if kind in WITH_OPTIONS and len(options) < 2:
            raise Refused(f"“{label}” needs at least two options to choose from.", field="items")
        checked.append({
            "code": str(item.get("code") or next(numbers)), "section": str(item.get("section") or ""), "kind": kind,
            "label": label, "help": str(item.get("help") or ""), "required": bool(item.get("required", True)),
            "options": options if kind in WITH_OPTIONS else [],
        })
    return checked
