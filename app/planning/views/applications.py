"""Applying a service: choose clients and period, look at every job, change single ones, create."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, request, url_for
from werkzeug.datastructures import MultiDict

from app.catalogue.models import Cadence, JobTemplate, Service
from app.catalogue.queries import get_service, get_template, latest_published, list_services
from app.clients.forms import name_of
from app.clients.models import ClientStatus
from app.clients.queries import engagements_of
from app.core.errors import Refused
from app.core.ids import new_id, parse_id
from app.core.permissions import authorize
from app.core.web import Answer, arg, form_id, is_htmx, me, page_number, redirect_to, submit
from app.desk.guard import guard
from app.firm.queries import list_offices
from app.people.queries import list_people
from app.planning.commands.applications import (
    change_client,
    prepare_application,
    run_application,
    same_jobs,
)
from app.planning.forms import ApplyForm, ClientChangeForm
from app.planning.models import Application
from app.planning.policy import can_apply
from app.planning.queries import (
    PER_PAGE,
    ClientFilter,
    choosable_ids,
    count_planned,
    get_application,
    list_choosable,
    list_tags,
    outlook,
    preview,
    preview_one,
)

blueprint = guard(Blueprint("applications", __name__))
PREVIEWED = 50


def _published(service_id: UUID) -> tuple[Service, JobTemplate]:
    service = get_service(service_id, seen_by=me())
    template_id = latest_published(service_id)
    if template_id is None or service.archived_at is not None:
        raise Refused(f"{service.name} has no published version to apply. Publish it first.")
    return service, get_template(template_id, seen_by=me())


def _filter(source: MultiDict[str, str]) -> ClientFilter:
    def of(name: str) -> str:
        return source.get(name, "").replace("\x00", "")[:200]

    return ClientFilter(
        of("q").strip(), of("tag"), source.get("status", ClientStatus.ACTIVE.value)[:20], parse_id(of("office")),
        parse_id(of("holds")), parse_id(of("client")),
    )


@blueprint.get("/services/<uuid:service_id>/apply")
def new(service_id: UUID) -> Answer:
    authorize(me(), can_apply)
    service, _template = _published(service_id)
    form = ApplyForm()
    form.suggest(Cadence(service.cadence), service.own_engagement)
    form.id.data, form.engagement.data = str(new_id()), arg("engagement")
    return _choose(service, form, _filter(request.args), frozenset())


def _choose(
    service: Service, form: ApplyForm, which: ClientFilter, ticked: frozenset[UUID], *, status: int = 200,
    problem: str = "",
) -> Answer:
    page = page_number()
    clients, total = list_choosable(which, seen_by=me(), page=page)
    html = render_template(
        "planning/choose.html", service=service, form=form, which=which, clients=clients, total=total, page=page,
        per_page=PER_PAGE, ticked=ticked or ({which.client_id} if which.client_id else set()), problem=problem,
        tags=list_tags(seen_by=me()), offices=list_offices(), statuses=list(ClientStatus),
        services=[row.service for row in list_services(seen_by=me())],
    )
    return html, status


@blueprint.post("/services/<uuid:service_id>/applications")
def create(service_id: UUID) -> Answer:
    service, template = _published(service_id)
    form = ApplyForm()
    application_id = form_id(form)
    which = _filter(request.form)
    ticked = frozenset(filter(None, map(parse_id, request.form.getlist("clients"))))
    ids = choosable_ids(which, seen_by=me()) if request.form.get("everyone") else list(ticked)
    if submit(form, lambda: prepare_application(application_id, template, form.values(), ids, by=me())):
        return redirect_to(url_for("applications.show", application_id=application_id))
    problem = next(iter(form.form_errors), "")
    return _choose(service, form, which, ticked, status=422, problem=problem)


@blueprint.get("/applications/<uuid:application_id>")
def show(application_id: UUID) -> Answer:
    return _preview(get_application(application_id, seen_by=me()), parse_id(arg("open")))


def _preview(
    application: Application, open_id: UUID | None = None, form: ClientChangeForm | None = None, status: int = 200
) -> Answer:
    page = page_number()
    rows = preview(application, seen_by=me(), page=page, per_page=PREVIEWED)
    total, skipped = count_planned(application, seen_by=me())
    opened = preview_one(application, open_id, seen_by=me()) if open_id else None
    if opened is not None and application.started_at is None:
        row, fresh = opened.row, form is None
        if form is None:
            form = ClientChangeForm(formdata=None, skip=row.skip, starts_on=row.starts_on, due_on=row.due_on,
                                    because=row.due_because)
            form.owner.data, form.owner.text = row.owner_id, name_of(row.owner_id)
        form.offer(opened, engagements_of(row.client_id, seen_by=me(), open_only=True))
        if fresh:
            form.show(opened)
    page_of = "planning/_preview.html" if is_htmx() else "planning/preview.html"
    html = render_template(
        page_of, application=application, rows=rows, total=total, skipped=skipped, page=page, per_page=PREVIEWED,
        opened=opened, form=form, names={person.id: person.name for person in list_people(seen_by=me(), everyone=True)},
        outlook=outlook(application, seen_by=me()) if application.started_at is None else None,
        same=same_jobs(application, seen_by=me()) if application.started_at is None else {},
    )
    return html, status


@blueprint.post("/applications/<uuid:application_id>/clients/<uuid:client_id>")
def update(application_id: UUID, client_id: UUID) -> Answer:
    application = get_application(application_id, seen_by=me())
    form = ClientChangeForm()
    form.offer(
        preview_one(application, client_id, seen_by=me()), engagements_of(client_id, seen_by=me(), open_only=True)
    )
    changed = submit(form, lambda: change_client(
        application, client_id, skip=bool(form.skip.data), owner_id=form.owner.data, starts_on=form.starts_on.data,
        due_on=form.due_on.data, engagement_id=form.chosen, new_engagement=form.named,
        because=form.because.data or "", by=me(),
    ))
    if not changed:
        return _preview(application, client_id, form, 422)
    if is_htmx():
        return _preview(application)
    return redirect_to(url_for("applications.show", application_id=application_id, page=page_number()))


@blueprint.post("/applications/<uuid:application_id>/run")
def run(application_id: UUID) -> Answer:
    begun = run_application(get_application(application_id, seen_by=me()), by=me())
    return redirect_to(url_for("runs.show", run_id=begun.id))
