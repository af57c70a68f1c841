"""The stages of a service, changed on its page."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, request, url_for

from app.catalogue.commands import add_stage, edit_stage, move_stage, remove_stage
from app.catalogue.forms.services import StageForm
from app.catalogue.queries import get_service
from app.catalogue.views import services
from app.core.web import Answer, form_id, me, redirect_to, submit
from app.desk.guard import guard

blueprint = guard(Blueprint("stages", __name__))


def _back(service_id: UUID, message: str = "") -> Answer:
    return redirect_to(url_for("services.show", service_id=service_id) + "#stages", message)


@blueprint.post("/services/<uuid:service_id>/stages")
def create(service_id: UUID) -> Answer:
    service = get_service(service_id, seen_by=me())
    form = StageForm()
    stage_id = form_id(form)
    if submit(form, lambda: add_stage(service, stage_id, form.values(), by=me())):
        return _back(service_id)
    return services.page(get_service(service_id, seen_by=me()), form, status=422)


@blueprint.post("/services/<uuid:service_id>/stages/<uuid:stage_id>")
def update(service_id: UUID, stage_id: UUID) -> Answer:
    service = get_service(service_id, seen_by=me())
    form = StageForm()
    if submit(form, lambda: edit_stage(service, stage_id, form.values(), by=me())):
        return _back(service_id)
    return services.page(get_service(service_id, seen_by=me()), form, stage_id, status=422)


@blueprint.post("/services/<uuid:service_id>/stages/<uuid:stage_id>/position")
def position(service_id: UUID, stage_id: UUID) -> Answer:
    places = -1 if request.form.get("to") == "earlier" else 1
    move_stage(get_service(service_id, seen_by=me()), stage_id, places, by=me())
    return _back(service_id)


@blueprint.post("/services/<uuid:service_id>/stages/<uuid:stage_id>/removal")
def delete(service_id: UUID, stage_id: UUID) -> Answer:
    remove_stage(get_service(service_id, seen_by=me()), stage_id, by=me())
    return _back(service_id, "Stage removed")
