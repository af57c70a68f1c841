"""One template version: read when published, edited on one page while a draft."""

from __future__ import annotations

from uuid import UUID

import wtforms
from flask import Blueprint, render_template, request, url_for

from app.catalogue.blueprints import blueprint_of
from app.catalogue.commands import discard_draft, edit_template, publish_template
from app.catalogue.due_rules import BadDueRule, resolve
from app.catalogue.forms.rules import DueRuleField
from app.catalogue.forms.services import PERIOD_ANCHORS, DetailsForm
from app.catalogue.forms.steps import deadline_anchors, own_anchors
from app.catalogue.queries import get_template
from app.catalogue.soundness import sample_anchors
from app.catalogue.views.editor import calendar_here, preview_dates, render_editor, sample_end, sample_start, words_of
from app.core.errors import Refused
from app.core.ids import parse_whole
from app.core.web import Answer, arg, is_htmx, me, redirect_to, submit
from app.desk.guard import guard
from app.firm.queries import own_currency

blueprint = guard(Blueprint("templates", __name__))


class RuleForm(wtforms.Form):
    """The two names under which a due rule is edited, read without saving."""

    due_rule = DueRuleField()
    send_rule = DueRuleField()
    start_rule = DueRuleField()
    trigger = DueRuleField()


def back(template_id: UUID, message: str = "") -> Answer:
    """After a change: the region again for htmx, the page for a plain form."""
    if is_htmx():
        return render_editor(get_template(template_id, seen_by=me()))
    return redirect_to(url_for("templates.show", template_id=template_id), message)


@blueprint.get("/templates/<uuid:template_id>")
def show(template_id: UUID) -> Answer:
    return render_editor(get_template(template_id, seen_by=me()), open_part=arg("open"))


@blueprint.post("/templates/<uuid:template_id>/details")
def details(template_id: UUID) -> Answer:
    template = get_template(template_id, seen_by=me())
    form = DetailsForm()
    form.fee.currency = own_currency()
    form.due_rule.offer([*own_anchors(template), *deadline_anchors(template)])
    form.start_rule.anchors = PERIOD_ANCHORS
    saved = submit(form, lambda: edit_template(
        template, title_pattern=form.title_pattern.data or "", due_rule=form.due_rule.data, priority=form.priority.data,
        start_rule=form.start_rule.data,
        fee=form.fee.data, by=me(), version=form.version.number,
    ))
    if saved:
        return back(template_id)
    template = get_template(template_id, seen_by=me())
    form.version.data = str(template.version)
    return render_editor(template, open_part="details", form=form, status=422)


@blueprint.post("/templates/<uuid:template_id>/publication")
def publication(template_id: UUID) -> Answer:
    template = get_template(template_id, seen_by=me())
    try:
        publish_template(template, by=me(), version=parse_whole(request.form.get("version")))
    except Refused as refusal:
        return render_editor(get_template(template_id, seen_by=me()), problem=refusal.message, status=422)
    message = f"Version {template.number} of {template.service.name} is published"
    return redirect_to(url_for("templates.show", template_id=template_id), message)


@blueprint.post("/templates/<uuid:template_id>/removal")
def delete(template_id: UUID) -> Answer:
    template = get_template(template_id, seen_by=me())
    discard_draft(template, by=me())
    return redirect_to(url_for("services.show", service_id=template.service_id), "Draft discarded")


@blueprint.get("/templates/<uuid:template_id>/due-rule")
def due_rule(template_id: UUID) -> Answer:
    """What the rule under edit says, and the date it gives for a job of the previewed period."""
    template = get_template(template_id, seen_by=me())
    asked_for = arg("field")
    bound = RuleForm(request.args)[asked_for if asked_for in ("trigger", "send_rule", "start_rule") else "due_rule"]
    names = {step.key: step.name for step in template.steps}
    words, day, problem = "", None, next(iter(bound.process_errors), "")
    if bound.data is not None:
        words = words_of(bound.data, names)
        dates = preview_dates(blueprint_of(template))
        known = sample_anchors(sample_end(), sample_start())
        if dates is not None:
            known |= {f"step:{key}": due for key, due in dates.steps.items()}
            known |= {f"deadline:{code}": found.due for code, found in dates.deadlines}
            known |= {"job_due": dates.due_on} if dates.due_on else {}
        try:
            day = resolve(bound.data, known, calendar_here())
        except BadDueRule as error:
            problem = str(error)
    return render_template("catalogue/_rule_preview.html", words=words, day=day, problem=problem, end=sample_end())

