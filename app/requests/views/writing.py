"""Writing a request: new, or changing one that has not been sent."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.clients.queries import find_client, get_client
from app.core.ids import new_id, parse_id
from app.core.web import Answer, id_arg, me, redirect_to, submit, unprocessable
from app.desk.guard import guard
from app.jobs.models import OPEN_STATES, Job
from app.jobs.queries.jobs import get_job, list_tasks
from app.requests.commands.sending import send_request
from app.requests.commands.writing import create_request, update_request
from app.requests.forms import RequestForm
from app.requests.models import ClientRequest, RequestState
from app.requests.queries import get_request

blueprint = guard(Blueprint("request_forms", __name__, url_prefix="/requests"))


@blueprint.get("/new")
def new() -> Answer:
    job = _job(id_arg("job"))
    client_id = job.client_id if job else id_arg("client")
    form = _form(job, data={"id": new_id(), "client": client_id, "due_on": None, "job": job.id if job else ""})
    if client_id:
        form.client.text = get_client(client_id, seen_by=me()).name
    if job and (task := parse_id(request.args.get("task"))):
        form.task_id.data = task
    return render_template("requests/new.html", form=form, job=job)


def _job(job_id: UUID | None) -> Job | None:
    return get_job(job_id, seen_by=me()) if job_id else None


def _form(job: Job | None, **values: object) -> RequestForm:
    form = RequestForm(**values)
    form.client.find = _find_client
    open_tasks = [(row.id, row.name) for row in list_tasks(job) if row.state in OPEN_STATES] if job else []
    form.task_id.offer(open_tasks, empty="No step waits for it")
    return form


def _find_client(text: str) -> UUID | None:
    found = find_client(text, seen_by=me())
    return found.id if found else None


@blueprint.post("/new")
def create() -> Answer:
    job = _job(parse_id(request.form.get("job")))
    form = _form(job)
    made: list[ClientRequest] = []
    if submit(form, lambda: made.append(_create(form, job))):
        said = "It will go out by itself" if made[0].is_scheduled else "Kept as a draft"
        said = "On its way" if made[0].sent_at else said
        return redirect_to(url_for("requests.show", request_id=made[0].id), said)
    return unprocessable("requests/new.html", form=form, job=job)


def _create(form: RequestForm, job: Job | None) -> ClientRequest:
    client = get_client(form.client.data, seen_by=me())
    values = form.values(engagement_id=job.engagement_id if job else None, job_id=job.id if job else None)
    if job and job.client_id != client.id:
        values = replace(values, job_id=None, task_id=None, engagement_id=None, send_when_open=False)
    made = create_request(values, by=me())
    if "send" in request.form and made.state is RequestState.DRAFT:
        send_request(made, by=me())
    return made


@blueprint.get("/<uuid:request_id>/edit")
def edit(request_id: UUID) -> Answer:
    asked = get_request(request_id, seen_by=me())
    job = _job(asked.job_id)
    form = _form(job)
    form.show(asked)
    return render_template("requests/edit.html", form=form, asked=asked, job=job)


@blueprint.post("/<uuid:request_id>/edit")
def update(request_id: UUID) -> Answer:
    asked = get_request(request_id, seen_by=me())
    job = _job(asked.job_id)
    form = _form(job)
    form.client.data, form.client.text, form.client.required = asked.client_id, asked.client.name, ""
    changed = submit(form, lambda: update_request(
        asked, form.values(engagement_id=asked.engagement_id, job_id=asked.job_id), version=form.version.number, by=me()
    ))
    if changed:
        return redirect_to(url_for("requests.show", request_id=asked.id), "Saved")
    return unprocessable("requests/edit.html", form=form, asked=asked, job=job)
