"""What the template page shows: each step with its words and its date, the order of work, what is still missing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from flask import render_template

from app.catalogue.blueprints import PERIOD_END, After, Blueprint, Dates, RequestPlan, blueprint_of, dates_of, rule_of
from app.catalogue.due_rule_words import describe
from app.catalogue.due_rules import BadDueRule, DueRule
from app.catalogue.forms.services import PERIOD_ANCHORS, DetailsForm
from app.catalogue.forms.steps import DeadlineForm, RequestForm, StepForm, deadline_anchors, own_anchors
from app.catalogue.graph import Edge, GraphCycle, topological_order
from app.catalogue.models import Cadence, DependencyKind, JobTemplate, StepKind, TemplateState, WorkRole
from app.catalogue.plausible import doubts
from app.catalogue.policy import can_edit_template
from app.catalogue.soundness import ITEM_KINDS, faults, sample_anchors
from app.catalogue.statutes.shape import StatutoryRule
from app.catalogue.statutory import UnknownRule, find_rule, list_rules
from app.core.clock import today
from app.core.ids import new_id
from app.core.web import Answer, arg, is_htmx, me
from app.firm.calendars import WorkingCalendar, calendar_for
from app.firm.queries import list_offices, own_currency


@dataclass(frozen=True)
class Placed:
    """A step in the order of work: `layer` counts from 1; those of one layer can be done side by side."""

    key: str
    name: str
    layer: int
    after: str


def words_of(rule: DueRule | None, names: dict[str, str]) -> str:
    """The rule in plain English, steps by their names."""
    if rule is None:
        return ""
    if rule.step_key:
        rule = replace(rule, anchor=f"step:{names.get(rule.step_key, rule.step_key)}"[:200])
    words = describe(rule)
    return words[0].upper() + words[1:]


def calendar_here() -> WorkingCalendar:
    offices = list_offices()
    own = next((office for office in offices if office.id == me().office_id), offices[0] if offices else None)
    return calendar_for(own.calendar) if own else calendar_for("NONE")


def sample_end() -> dt.date:
    """The period end that the preview is for: as asked, else the end of last month."""
    return _day("end") or today().replace(day=1) - dt.timedelta(days=1)


def sample_start() -> dt.date | None:
    return _day("start")


def _day(name: str) -> dt.date | None:
    """A day that somebody may plan for; anything else counts as not given."""
    try:
        day = dt.date.fromisoformat(arg(name))
    except ValueError:
        return None
    return day if 1990 <= day.year <= 2100 else None


def preview_dates(blueprint: Blueprint) -> Dates | None:
    """None while the rules go round in a circle or lead nowhere."""
    try:
        return dates_of(blueprint, sample_anchors(sample_end(), sample_start()), calendar_here())
    except (BadDueRule, UnknownRule):
        return None


def order_of(blueprint: Blueprint) -> list[Placed]:
    names = {step.key: step.name for step in blueprint.steps}
    pairs = [(d.on_key, d.step_key) for d in blueprint.dependencies]
    layers: dict[str, int] = {}
    try:
        order = topological_order(names, [Edge(before, after) for before, after in pairs])
    except GraphCycle:
        order = list(names)
    for key in order:
        layers[key] = 1 + max((layers.get(before, 0) for before, after in pairs if after == key), default=0)
    return [
        Placed(key, names[key], layers[key], _all_after(key, blueprint, names))
        for key in sorted(layers, key=lambda k: (layers[k], list(names).index(k)))
    ]


def _all_after(key: str, blueprint: Blueprint, names: dict[str, str]) -> str:
    return ", ".join(_after(d, names) for d in blueprint.dependencies if d.step_key == key)


def _after(dependency: After, names: dict[str, str]) -> str:
    extra = []
    if dependency.kind is DependencyKind.SOFT:
        extra.append("dates only")
    if dependency.lag_days:
        extra.append(f"{dependency.lag_days} working day{'s' if dependency.lag_days > 1 else ''} later")
    return names.get(dependency.on_key, dependency.on_key) + (f" ({', '.join(extra)})" if extra else "")


def form_for(template: JobTemplate, open_part: str) -> Any:
    """The form of the part that is open, filled with what is stored; None when no such part is there."""
    kind, _, which = open_part.partition(":")
    if kind == "details":
        form = DetailsForm(
            formdata=None, title_pattern=template.title_pattern, priority=template.priority, fee=template.fee
        )
        form.due_rule.offer([*own_anchors(template), *deadline_anchors(template)])
        form.fee.currency = own_currency()
        form.due_rule.show(rule_of(template.due_rule))
        form.start_rule.anchors = PERIOD_ANCHORS
        form.start_rule.show(rule_of(template.start_rule))
        form.version.data = str(template.version)
        return form
    if kind == "step":
        step = next((s for s in template.steps if s.key == which), None)
        return _step_form(template, step) if step else None
    if kind == "request":
        return _request_form(template, which)
    if kind == "deadline":
        return _deadline_form(template, which)
    return None


def _step_form(template: JobTemplate, step: Any) -> StepForm:
    form = StepForm(formdata=None)
    form.prepare(template, step.key)
    form.show(template, step)
    return form


def _request_form(template: JobTemplate, which: str) -> RequestForm | None:
    form = RequestForm(formdata=None)
    form.prepare(template)
    request = next((r for r in template.requests if str(r.id) == which), None)
    if request is not None:
        form.show(template, request)
    elif which == "new":
        form.id.data, form.version.data = str(new_id()), str(template.version)
        form.step_key.data = template.steps[0].key if template.steps else ""
    else:
        return None
    return form


def _deadline_form(template: JobTemplate, which: str) -> DeadlineForm | None:
    form = DeadlineForm(formdata=None)
    form.prepare(template)
    deadline = next((d for d in template.deadlines if str(d.id) == which), None)
    if deadline is not None:
        form.show(template, deadline)
    elif which == "new":
        form.trigger.show(PERIOD_END)
        form.met_by.data = ""
    else:
        return None
    return form


def quick_form(template: JobTemplate) -> StepForm:
    """The one line with which steps are added one after another; each comes after the last, unless said otherwise."""
    form = StepForm(formdata=None)
    form.prepare(template)
    form.id.data = str(new_id())
    if template.steps:
        form.stage_id.data = template.steps[-1].stage_id
    return form


def render_editor(
    template: JobTemplate, *, open_part: str = "", form: Any = None, quick: StepForm | None = None, status: int = 200,
    problem: str = "",
) -> Answer:
    """The page, or for htmx its one changing region; a part may be open with its form."""
    draft = template.state is TemplateState.DRAFT
    editable = draft and can_edit_template(me(), template)
    if editable and form is None:
        form = form_for(template, open_part)
    blueprint = blueprint_of(template)
    names = {step.key: step.name for step in template.steps}
    context = {
        "template": template, "service": template.service, "editable": editable, "draft": draft, "problem": problem,
        "may_edit": can_edit_template(me(), template), "open_part": open_part if form is not None else "", "form": form,
        "quick": quick or quick_form(template), "blueprint": blueprint, "dates": preview_dates(blueprint),
        "order": order_of(blueprint), "words": {step.key: words_of(step.rule, names) for step in blueprint.steps},
        "job_words": words_of(blueprint.due_rule, names), "end": sample_end(), "start": sample_start(),
        "request_words": {r.row.id: words_of(r.rule, names) for r in blueprint.requests},
        "asking_words": {r.row.id: _asking_words(r, names) for r in blueprint.requests},
        "doubts": doubts(blueprint, Cadence(template.service.cadence)) if draft else [],
        "start_words": words_of(blueprint.start_rule, names),
        "faults": list(faults(blueprint, {s.id for s in template.service.stages})) if draft else [],
        "stages": {stage.id: stage.name for stage in template.service.stages}, "names": names,
        "rules": _rules(template),
        "trigger_words": {d.code: words_of(d.trigger, names) for d in blueprint.deadlines}, "item_kinds": ITEM_KINDS,
        "all_rules": list_rules() if open_part.startswith("deadline") else (), "review": StepKind.REVIEW,
        "fee_currency": own_currency(), "roles": {role: role.value.capitalize() for role in WorkRole},
    }
    page = "catalogue/_template.html" if is_htmx() else "catalogue/template.html"
    return render_template(page, **context), status


def _asking_words(request: RequestPlan, names: dict[str, str]) -> str:
    """When it is asked, in a few words."""
    at = f"{request.row.send_time:%H:%M}"
    if request.send_rule is not None:
        words = words_of(request.send_rule, names)
        return f"asked {words[0].lower()}{words[1:]}, at {at}"
    opens = "when its step opens" if request.row.step_key else "when the job starts"
    return f"asked {opens}, at {at} at the earliest, once the period is over"


def _rules(template: JobTemplate) -> dict[str, StatutoryRule]:
    return {deadline.rule: find_rule(deadline.rule) for deadline in template.deadlines}


