"""The parts of a draft: steps, client requests, deadlines."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, request

from app.catalogue.blueprints import After
from app.catalogue.commands import (
    add_deadline,
    add_step,
    edit_step,
    move_step,
    remove_deadline,
    remove_request,
    remove_step,
    save_request,
)
from app.catalogue.forms.steps import DeadlineForm, RequestForm, StepForm
from app.catalogue.queries import get_template
from app.catalogue.views.editor import render_editor
from app.catalogue.views.templates import back
from app.core.web import Answer, form_id, me, submit
from app.desk.guard import guard

blueprint = guard(Blueprint("template_parts", __name__, url_prefix="/templates/<uuid:template_id>"))


@blueprint.post("/steps")
def add(template_id: UUID) -> Answer:
    """The quick line: name, who, how long, where, after what."""
    template = get_template(template_id, seen_by=me())
    form = StepForm()
    form.prepare(template)
    form.required.data = True
    step_id = form_id(form)
    follows = request.form.get("follows", "")
    form.after.data = (After("", follows),) if follows in {step.key for step in template.steps} else ()
    if submit(form, lambda: add_step(template, step_id, form.values(), by=me())):
        return back(template_id)
    return render_editor(get_template(template_id, seen_by=me()), quick=form, status=422)


@blueprint.post("/steps/<key>")
def edit(template_id: UUID, key: str) -> Answer:
    template = get_template(template_id, seen_by=me())
    form = StepForm()
    form.prepare(template, key)
    if submit(form, lambda: edit_step(template, key, form.values(), by=me(), version=form.version.number)):
        return back(template_id)
    template = get_template(template_id, seen_by=me())
    form.version.data = str(template.version)
    return render_editor(template, open_part=f"step:{key}", form=form, status=422)


@blueprint.post("/steps/<key>/position")
def position(template_id: UUID, key: str) -> Answer:
    places = -1 if request.form.get("to") == "earlier" else 1
    move_step(get_template(template_id, seen_by=me()), key, places, by=me())
    return back(template_id)


@blueprint.post("/steps/<key>/removal")
def remove(template_id: UUID, key: str) -> Answer:
    remove_step(get_template(template_id, seen_by=me()), key, by=me())
    return back(template_id, "Step removed")


@blueprint.post("/requests")
def save(template_id: UUID) -> Answer:
    template = get_template(template_id, seen_by=me())
    form = RequestForm()
    form.prepare(template)
    request_id = form_id(form)
    saved = submit(
        form, lambda: save_request(template, request_id, form.values(), by=me(), version=form.version.number)
    )
    if saved:
        return back(template_id)
    known = any(each.id == request_id for each in template.requests)
    open_part = f"request:{request_id}" if known else "request:new"
    template = get_template(template_id, seen_by=me())
    form.version.data = str(template.version)
    return render_editor(template, open_part=open_part, form=form, status=422)


@blueprint.post("/requests/<uuid:request_id>/removal")
def drop(template_id: UUID, request_id: UUID) -> Answer:
    remove_request(get_template(template_id, seen_by=me()), request_id, by=me())
    return back(template_id, "Request removed")


@blueprint.post("/deadlines")
def deadline(template_id: UUID) -> Answer:
    template = get_template(template_id, seen_by=me())
    form = DeadlineForm()
    form.prepare(template)
    if submit(form, lambda: add_deadline(template, form.values(), by=me(), version=form.version.number)):
        return back(template_id)
    template = get_template(template_id, seen_by=me())
    open_part = "deadline:new"
    if form.version.number is not None:
        edited = next((each.id for each in template.deadlines if each.rule == form.values().rule), "new")
        open_part, form.version.data = f"deadline:{edited}", str(template.version)
    return render_editor(template, open_part=open_part, form=form, status=422)


@blueprint.post("/deadlines/<uuid:deadline_id>/removal")
def undeadline(template_id: UUID, deadline_id: UUID) -> Answer:
    remove_deadline(get_template(template_id, seen_by=me()), deadline_id, by=me())
    return back(template_id, "Deadline removed")
