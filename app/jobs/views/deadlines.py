"""Deadlines over all jobs, and what is done with one."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.catalogue.statutory import count_newer
from app.clients.models import Client
from app.clients.policy import clients_seen_by
from app.clients.queries import find_client
from app.core.db import db
from app.core.ids import new_id
from app.core.web import Answer, arg, id_arg, me, page_number, redirect_to, submit
from app.desk.guard import guard
from app.firm.exports import hand_out
from app.jobs.commands.deadline_dates import add_deadline, causes_of, change_deadline, extend_deadline
from app.jobs.commands.deadlines import reopen_deadline, satisfy_deadline, waive_deadline
from app.jobs.dates import DeadlineMoved
from app.jobs.forms import DeadlineEditForm, DeadlineForm, ExtensionForm, MetForm, ReasonForm, dates_answer
from app.jobs.models import Job, TaskState
from app.jobs.policy import can_edit_job, can_export
from app.jobs.queries.deadlines import (
    PER_PAGE,
    DeadlineFilter,
    Standing,
    count_standings,
    every_deadline,
    get_deadline,
    list_codes,
    list_deadlines,
    list_open_editions,
)
from app.jobs.queries.jobs import get_job, list_tasks
from app.jobs.queries.tasks import get_task
from app.jobs.views.answers import came_from, dialog
from app.jobs.views.dates import question
from app.people.filters import PersonAsked, people_asked

blueprint = guard(Blueprint("deadlines", __name__, url_prefix="/deadlines"))
LAST_STEP = "The last required step"
TABS = {
    Standing.TO_MEET: "To meet", Standing.OVERDUE: "Overdue", Standing.EXTENDED: "Extended", Standing.MET: "Met",
    Standing.MET_LATE: "Met late", Standing.WAIVED: "Waived", Standing.ALL: "All",
}


@blueprint.get("")
def index() -> Answer:
    people = people_asked("person")
    found, client = _asked(people)
    rows, total = list_deadlines(found, seen_by=me(), page=page_number())
    shown = {key: value for key, value in request.args.items() if key != "page" and value}
    return render_template(
        "jobs/deadlines.html", rows=rows, total=total, page=page_number(), per_page=PER_PAGE, found=found, tabs=TABS,
        counts=count_standings(found, seen_by=me()), codes=list_codes(seen_by=me()), people=people, client=client,
        shown=shown, may_export=can_export(me()), may_edit=can_edit_job(me()),
        outdated=count_newer(list_open_editions(seen_by=me())),
    )


@blueprint.get("/export.csv")
def export() -> Answer:
    """The list as a file."""
    (found, _client), actor = _asked(people_asked("person")), me()
    header = ["Deadline", "Rule", "Client", "Job", "Number", "Due", "Originally due", "State", "Met on", "Reference",
              "In charge"]
    return hand_out("deadlines", "deadlines.csv", header, lambda: (
        [row.name, row.code, row.client, row.job_title, row.job_number, row.effective_on, row.statutory_on, row.words,
         row.met_on, row.reference, row.owner or ""]
        for row in every_deadline(found, seen_by=actor)
    ), by=actor)


@blueprint.route("/<uuid:deadline_id>/satisfaction", methods=["GET", "POST"])
def satisfaction(deadline_id: UUID) -> Answer:
    """Met on which day, under which reference."""
    deadline, form = get_deadline(deadline_id, seen_by=me()), MetForm()
    if request.method == "POST" and submit(form, lambda: satisfy_deadline(
        deadline, on=form.on.data, reference=form.reference.data or "", by=me()
    )):
        said = "met late" if deadline.was_met_late else "met"
        return redirect_to(_back(deadline.job_id), f"{deadline.name}: {said}")
    return dialog("jobs/_met.html", job=get_job(deadline.job_id, seen_by=me()), form=form, deadline=deadline)


@blueprint.route("/<uuid:deadline_id>/edit", methods=["GET", "POST"])
def edit(deadline_id: UUID) -> Answer:
    """Put a deadline right: its day, or the day that its rule counts from; with its history below."""
    deadline = get_deadline(deadline_id, seen_by=me())
    job = get_job(deadline.job_id, seen_by=me())
    form = DeadlineEditForm() if request.method == "POST" else DeadlineEditForm.of(deadline)
    form.met_by.offer(_steps(job), empty=LAST_STEP)
    if request.method == "POST" and form.validate():
        asked = question(job, causes_of(deadline, form.values()), form) if form.because.data else None
        if asked:
            return asked
        if submit(form, lambda: change_deadline(
            deadline, form.values(), version=form.version.number, answer=dates_answer(form), by=me()
        )):
            return redirect_to(url_for("jobs.show", job_id=job.id), "Saved")
    return _form_page("jobs/deadline_edit.html", deadline=deadline, job=job, form=form)


@blueprint.route("/<uuid:deadline_id>/extension", methods=["GET", "POST"])
def extension(deadline_id: UUID) -> Answer:
    """More time from the authority."""
    deadline = get_deadline(deadline_id, seen_by=me())
    job = get_job(deadline.job_id, seen_by=me())
    form = ExtensionForm() if request.method == "POST" else ExtensionForm(data={"version": deadline.version})
    if request.method == "POST" and form.validate() and form.to.data is not None:
        to = form.to.data
        asked = question(job, [DeadlineMoved(deadline.id, to)], form) if to > deadline.effective_on else None
        if asked:
            return asked
        if submit(form, lambda: extend_deadline(
            deadline, to=to, because=form.because.data or "", reference=form.reference.data or "",
            version=form.version.number, answer=dates_answer(form), by=me(),
        )):
            return redirect_to(url_for("jobs.show", job_id=job.id), f"{deadline.name}: extended")
    return _form_page("jobs/deadline_extension.html", deadline=deadline, job=job, form=form)


@blueprint.route("/new/<uuid:job_id>", methods=["GET", "POST"])
def new(job_id: UUID) -> Answer:
    """A date beside those of the template: a hearing, a trial, a filing."""
    job = get_job(job_id, seen_by=me())
    form = DeadlineForm() if request.method == "POST" else DeadlineForm(data={"id": new_id()})
    form.met_by.offer(_steps(job), empty=LAST_STEP)

    def add() -> None:
        chosen = form.met_by.data
        add_deadline(job, form.values(get_task(chosen, seen_by=me()) if chosen else None), by=me())

    if request.method == "POST" and submit(form, add):
        return redirect_to(url_for("jobs.show", job_id=job.id), "Deadline added")
    return _form_page("jobs/deadline_new.html", job=job, form=form)


@blueprint.post("/<uuid:deadline_id>/reopening")
def create_reopening(deadline_id: UUID) -> Answer:
    deadline = get_deadline(deadline_id, seen_by=me())
    reopen_deadline(deadline, by=me())
    return redirect_to(_back(deadline.job_id), f"{deadline.name}: open again")


@blueprint.route("/<uuid:deadline_id>/waiver", methods=["GET", "POST"])
def waiver(deadline_id: UUID) -> Answer:
    deadline, form = get_deadline(deadline_id, seen_by=me()), ReasonForm()
    if request.method == "POST" and submit(
        form, lambda: waive_deadline(deadline, because=form.because.data or "", by=me())
    ):
        return redirect_to(_back(deadline.job_id), f"{deadline.name}: waived")
    at = url_for("deadlines.waiver", deadline_id=deadline.id)
    return dialog("jobs/_reason.html", job=get_job(deadline.job_id, seen_by=me()), form=form,
                  verb="Waive the deadline", at=at)


def _form_page(template: str, **context: Any) -> Answer:
    return render_template(template, **context), 422 if request.method == "POST" else 200


def _steps(job: Job) -> list[tuple[UUID, str]]:
    return [(task.id, task.name) for task in list_tasks(job) if task.state != TaskState.CANCELLED]


def _back(job_id: UUID) -> str:
    """The list, or what is in the way of the job's end, where it was opened from there."""
    fallback = url_for("jobs.show", job_id=job_id)
    came = came_from(fallback)
    ours = came.partition("?")[0] in ("/deadlines", url_for("jobs.completion", job_id=job_id))
    return came if ours else fallback


def _asked(people: dict[str, PersonAsked]) -> tuple[DeadlineFilter, PersonAsked]:
    """The filter, and the client that it names with what stands in its field."""
    client = _client_asked()
    state = arg("state")
    return DeadlineFilter(
        standing=Standing(state) if state in set(Standing) else Standing.TO_MEET, person_id=people["person"].id,
        client_id=client.id, code=arg("rule"), from_on=_date("from"), until_on=_date("until"),
    ), client


def _client_asked() -> PersonAsked:
    """As `people_asked` does it: the id counts unless the text beside it says otherwise."""
    picked, typed = id_arg("client"), arg("client_text").strip()
    if picked and (typed or "client_text" not in request.args):
        named = db.session.scalar(clients_seen_by(me()).with_only_columns(Client.name).where(Client.id == picked))
        if named and typed.lower() in ("", named.lower()):
            return PersonAsked(picked, named)
    if not typed:
        return PersonAsked()
    client = find_client(typed, seen_by=me())
    return PersonAsked(client.id, client.name) if client else PersonAsked(None, typed, "No one client is called that")


def _date(name: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(arg(name))
    except ValueError:
        return None
