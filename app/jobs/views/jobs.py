"""The job page, and making and changing jobs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.catalogue.models import WorkRole
from app.clients.queries import get_client
from app.core.errors import NotFound
from app.core.fields import offers
from app.core.ids import new_id
from app.core.web import Answer, arg, id_arg, is_htmx, me, page_number, redirect_to, submit, unprocessable
from app.desk.guard import guard
from app.jobs.commands.jobs import (
    NotMet,
    cancel_job,
    causes_of_edit,
    check_deadlines,
    complete_job,
    create_job,
    edit_job,
    hold_job,
    resume_job,
    set_job_role,
)
from app.jobs.commands.steps import add_task
from app.jobs.drawing import draw
from app.jobs.forms import JobEditForm, JobForm, ReasonForm, RoleForm, TaskForm, dates_answer, person_of
from app.jobs.models import Job, JobStatus
from app.jobs.policy import can_edit_job
from app.jobs.queries.deadlines import unmet_of
from app.jobs.queries.jobs import JOBS_A_PAGE, JobSheet, count_jobs_of, find_jobs, get_job, get_sheet, list_jobs_of
from app.jobs.queries.lateness import late_words
from app.jobs.views.answers import dialog
from app.jobs.views.dates import question
from app.jobs.views.sections import job_sections

blueprint = guard(Blueprint("jobs", __name__))
DRAWN_AT_ONCE = 25


def _job(job_id: UUID) -> Job:
    return get_job(job_id, seen_by=me())


@blueprint.get("/jobs/<uuid:job_id>")
def show(job_id: UUID) -> Answer:
    """The job page; with `section` another room's part of it, for a live refresh only its body."""
    sheet = get_sheet(job_id, seen_by=me())
    if not arg("section"):
        return render_template("jobs/_job.html" if is_htmx() else "jobs/show.html", **_context(sheet), body="")
    chosen = next((section for section in job_sections() if section.key == arg("section")), None)
    if chosen is None:
        raise NotFound()
    return render_template("jobs/section.html", **_context(sheet), current=chosen, body=chosen.draw(sheet.job.id))


@blueprint.get("/jobs/<uuid:job_id>/graph")
def graph(job_id: UUID) -> Answer:
    """The drawing alone, for jobs of many steps; a page of its own without script."""
    sheet = get_sheet(job_id, seen_by=me())
    template = "jobs/_graph.html" if is_htmx() else "jobs/graph.html"
    drawing = draw(sheet.tasks, sheet.edges, sheet.critical)
    return render_template(template, sheet=sheet, job=sheet.job, drawing=drawing, alone=True)


def _context(sheet: JobSheet) -> dict[str, Any]:
    later = len(sheet.tasks) > DRAWN_AT_ONCE and bool(sheet.edges)
    return {
        "sheet": sheet, "job": sheet.job, "sections": job_sections(), "may_edit": can_edit_job(me(), sheet.job),
        "drawing": None if later else draw(sheet.tasks, sheet.edges, sheet.critical), "graph_later": later,
    }


@blueprint.get("/clients/<uuid:client_id>/jobs")
def client_section(client_id: UUID) -> Answer:
    client, closed, page = get_client(client_id, seen_by=me()), arg("closed") == "1", page_number()
    return render_template(
        "jobs/_of_client.html", client=client, closed=closed, page=page, per_page=JOBS_A_PAGE,
        late_words=late_words,
        jobs=list_jobs_of(client.id, seen_by=me(), closed=closed, page=page),
        total=count_jobs_of(client.id, seen_by=me(), closed=closed),
    )


@blueprint.get("/lookup/jobs")
def lookup() -> Answer:
    return render_template("jobs/_lookup.html", jobs=find_jobs(arg("q"), seen_by=me()))


@blueprint.get("/jobs/new")
def new() -> Answer:
    form = JobForm(data={"id": new_id(), "client": id_arg("client"), "owner": me().person_id})
    form.owner.text = me().name
    if form.client.data:
        client = get_client(form.client.data, seen_by=me())
        form.client.text = client.name
    form.offer(me())
    return render_template("jobs/new.html", form=form)


@blueprint.post("/jobs/new")
def create() -> Answer:
    form = JobForm()
    form.offer(me())
    if submit(form, lambda: create_job(form.values(me()), by=me())):
        return redirect_to(url_for("jobs.show", job_id=UUID(form.id.data)), "The job was made. Add its steps.")
    form.offer(me())
    return unprocessable("jobs/new.html", form=form)


@blueprint.get("/jobs/<uuid:job_id>/edit")
def edit(job_id: UUID) -> Answer:
    job = _job(job_id)
    return render_template("jobs/edit.html", job=job, form=JobEditForm.of(job))


@blueprint.post("/jobs/<uuid:job_id>/edit")
def update(job_id: UUID) -> Answer:
    """Save; where other dates would follow, they are shown first, once nothing else is wrong."""
    job, form = _job(job_id), JobEditForm()
    if submit(form, lambda: check_deadlines(job, form.values())):
        asked = question(job, causes_of_edit(job, form.values()), form)
        if asked:
            return asked
        if submit(form, lambda: edit_job(
            job, form.values(), version=form.version.number, by=me(), answer=dates_answer(form)
        )):
            return redirect_to(url_for("jobs.show", job_id=job.id), "Saved")
    return unprocessable("jobs/edit.html", job=job, form=form)


@blueprint.get("/jobs/<uuid:job_id>/tasks/new")
def new_task(job_id: UUID) -> Answer:
    sheet = get_sheet(job_id, seen_by=me())
    form = TaskForm(data={"id": new_id(), "stage": sheet.job.stage_id})
    return render_template("jobs/task_new.html", job=sheet.job, form=_offered(form, sheet))


@blueprint.post("/jobs/<uuid:job_id>/tasks/new")
def create_task(job_id: UUID) -> Answer:
    sheet = get_sheet(job_id, seen_by=me())
    form = _offered(TaskForm(), sheet)
    if submit(form, lambda: add_task(sheet.job, form.values(), by=me())):
        return redirect_to(url_for("jobs.show", job_id=sheet.job.id), "Step added")
    return unprocessable("jobs/task_new.html", job=sheet.job, form=form)


def _offered(form: TaskForm, sheet: JobSheet) -> TaskForm:
    form.stage.offer([(stage.id, stage.name) for stage in sheet.stages], empty="The job's stage")
    form.after.choices = offers((task.id, task.name) for task in sheet.tasks if task.is_open)
    return form


@blueprint.post("/jobs/<uuid:job_id>/roles")
def create_role(job_id: UUID) -> Answer:
    job, form = _job(job_id), RoleForm()
    if submit(form, lambda: set_job_role(job, form.role.data, person=person_of(form.person), by=me())):
        return redirect_to(url_for("jobs.show", job_id=job.id), "The open steps of this role changed hands")
    return unprocessable("jobs/question.html", question="jobs/_role.html", job=job, form=form)


@blueprint.get("/jobs/<uuid:job_id>/roles/new")
def new_role(job_id: UUID) -> Answer:
    job = _job(job_id)
    chosen = arg("role")
    form = RoleForm(data={"role": WorkRole(chosen) if chosen in set(WorkRole) else WorkRole.PREPARER})
    return dialog("jobs/_role.html", job=job, form=form)


@blueprint.get("/jobs/<uuid:job_id>/completion")
def completion(job_id: UUID) -> Answer:
    """What stands in the way: the deadlines that are not met, each with what can be done about it."""
    job = _job(job_id)
    if not can_edit_job(me(), job) or job.status is not JobStatus.ACTIVE:
        return redirect_to(url_for("jobs.show", job_id=job.id))
    return render_template("jobs/complete.html", job=job, unmet=unmet_of(job.id))


@blueprint.post("/jobs/<uuid:job_id>/completion")
def create_completion(job_id: UUID) -> Answer:
    """Finish the job; where deadlines are not met, they are what is shown."""
    job = _job(job_id)
    try:
        complete_job(job, by=me())
    except NotMet:
        return redirect_to(url_for("jobs.completion", job_id=job.id))
    return redirect_to(url_for("jobs.show", job_id=job.id), "The job is complete")


@blueprint.post("/jobs/<uuid:job_id>/resumption")
def create_resumption(job_id: UUID) -> Answer:
    job = _job(job_id)
    resume_job(job, by=me())
    return redirect_to(url_for("jobs.show", job_id=job.id), "The job is active again")


@blueprint.route("/jobs/<uuid:job_id>/hold", methods=["GET", "POST"])
def hold(job_id: UUID) -> Answer:
    job, form = _job(job_id), ReasonForm()
    if request.method == "POST" and submit(form, lambda: hold_job(job, because=_said(form), by=me())):
        return redirect_to(url_for("jobs.show", job_id=job.id), "The job is on hold")
    return dialog("jobs/_reason.html", job=job, form=form, verb="Put on hold", at=url_for("jobs.hold", job_id=job.id))


@blueprint.route("/jobs/<uuid:job_id>/cancellation", methods=["GET", "POST"])
def cancellation(job_id: UUID) -> Answer:
    job, form = _job(job_id), ReasonForm()
    if request.method == "POST" and submit(form, lambda: cancel_job(job, because=_said(form), by=me())):
        return redirect_to(url_for("jobs.show", job_id=job.id), "The job is cancelled")
    at = url_for("jobs.cancellation", job_id=job.id)
    return dialog("jobs/_reason.html", job=job, form=form, verb="Cancel the job", at=at)


def _said(form: ReasonForm) -> str:
    return form.because.data or ""

