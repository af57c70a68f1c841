"""Services: the list, the library, one service with its stages and versions."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.catalogue.commands import (
    archive_service,
    create_service,
    draft_next_version,
    duplicate_service,
    edit_service,
    restore_service,
)
from app.catalogue.commands.library import install_library_service
from app.catalogue.forms.services import CADENCES, ServiceForm, StageForm
from app.catalogue.library import SERVICES
from app.catalogue.models import Service, TemplateState
from app.catalogue.policy import can_edit_service
from app.catalogue.queries import get_service, get_template, list_editions, list_services, list_versions
from app.catalogue.statutory import count_newer, find_rule
from app.core.actors import Actor
from app.core.errors import Refused
from app.core.ids import new_id, parse_id
from app.core.permissions import Permission, authorize
from app.core.web import Answer, arg, form_id, id_arg, me, redirect_to, submit, unprocessable
from app.desk.guard import guard

blueprint = guard(Blueprint("services", __name__))


def may_apply(by: Actor) -> bool:
    return by.may(Permission.SERVICE_APPLY)


@blueprint.get("/services")
def index() -> Answer:
    archived = arg("show") == "archived"
    return render_template(
        "catalogue/index.html", rows=list_services(seen_by=me(), archived=archived), archived=archived,
        may_edit=can_edit_service(me()), may_apply=may_apply(me()), cadences=CADENCES, client_id=id_arg("client"),
        engagement_id=id_arg("engagement"),
        outdated=count_newer(list_editions()),
    )


@blueprint.get("/services/new")
def new() -> Answer:
    authorize(me(), can_edit_service)
    form = ServiceForm()
    form.id.data = str(form_id(form))
    return render_template("catalogue/new.html", form=form)


@blueprint.post("/services")
def create() -> Answer:
    form = ServiceForm()
    service_id = form_id(form)
    if submit(form, lambda: create_service(service_id, form.values(), by=me())):
        draft = draft_next_version(get_service(service_id, seen_by=me()), by=me())
        return redirect_to(url_for("templates.show", template_id=draft.id), f"{form.name.data} added. Now its steps.")
    return unprocessable("catalogue/new.html", form=form)


@blueprint.get("/services/library")
def library() -> Answer:
    authorize(me(), can_edit_service)
    here = {row.service.code: row.service for archived in (False, True)
            for row in list_services(seen_by=me(), archived=archived)}
    places: dict[str, list[object]] = {}
    for ready in SERVICES:
        places.setdefault(ready.place, []).append(ready)
    rules = {deadline.rule: find_rule(deadline.rule) for ready in SERVICES for deadline in ready.deadlines}
    return render_template("catalogue/library.html", places=places, here=here, rules=rules)


@blueprint.post("/services/library")
def install() -> Answer:
    codes = [code[:60] for code in request.form.getlist("code")]
    if not codes:
        raise Refused("Tick at least one service.")
    for code in codes:
        install_library_service(code, by=me())
    added = "1 service added" if len(codes) == 1 else f"{len(codes)} services added"
    return redirect_to(url_for("services.index"), added)


@blueprint.get("/services/<uuid:service_id>")
def show(service_id: UUID) -> Answer:
    return page(get_service(service_id, seen_by=me()))


def page(
    service: Service, stage_form: StageForm | None = None, stage_id: UUID | None = None, status: int = 200
) -> Answer:
    versions = list_versions(service, seen_by=me())
    published = next((v for v in versions if v.state is TemplateState.PUBLISHED), None)
    draft = next((v for v in versions if v.state is TemplateState.DRAFT), None)
    if stage_form is None:
        stage_form = StageForm(formdata=None)
        stage_form.id.data = str(new_id())
    html = render_template(
        "catalogue/show.html", service=service, versions=versions, published=published, draft=draft,
        may_edit=can_edit_service(me(), service), may_apply=may_apply(me()), cadences=CADENCES, stage_form=stage_form,
        open_stage=stage_id or parse_id(arg("stage")),
    )
    return html, status


@blueprint.get("/services/<uuid:service_id>/edit")
def edit(service_id: UUID) -> Answer:
    service = get_service(service_id, seen_by=me())
    authorize(me(), can_edit_service, service)
    form = ServiceForm(obj=service)
    form.show(service)
    return render_template("catalogue/edit.html", form=form, service=service)


@blueprint.post("/services/<uuid:service_id>")
def update(service_id: UUID) -> Answer:
    service = get_service(service_id, seen_by=me())
    form = ServiceForm()
    if submit(form, lambda: edit_service(service, form.values(), by=me(), version=form.version.number)):
        return redirect_to(url_for("services.show", service_id=service_id), f"{form.name.data} saved")
    service = get_service(service_id, seen_by=me())
    form.version.data = str(service.version)
    return unprocessable("catalogue/edit.html", form=form, service=service)


@blueprint.post("/services/<uuid:service_id>/archive")
def archive(service_id: UUID) -> Answer:
    service = get_service(service_id, seen_by=me())
    archive_service(service, by=me())
    return redirect_to(url_for("services.index"), f"{service.name} archived")


@blueprint.post("/services/<uuid:service_id>/restoration")
def restore(service_id: UUID) -> Answer:
    service = get_service(service_id, seen_by=me())
    restore_service(service, by=me())
    return redirect_to(url_for("services.show", service_id=service_id), f"{service.name} is back")


@blueprint.post("/services/<uuid:service_id>/draft")
def draft(service_id: UUID) -> Answer:
    made = draft_next_version(get_service(service_id, seen_by=me()), by=me())
    return redirect_to(url_for("templates.show", template_id=made.id))


@blueprint.post("/services/<uuid:service_id>/copy")
def copy(service_id: UUID) -> Answer:
    service = get_service(service_id, seen_by=me())
    newest = list_versions(service, seen_by=me())[0]
    template = get_template(newest.id, seen_by=me())
    made = duplicate_service(service, template, parse_id(request.form.get("id")) or new_id(), by=me())
    return redirect_to(url_for("services.show", service_id=made.id), f"{made.name} made")
