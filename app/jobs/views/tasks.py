"""Doing a step: its panel, start, done, reopen, return, hand over, put off, tick."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, render_template, request, url_for

from app.catalogue.models import StepKind
from app.core.errors import Refused
from app.core.undo import undo_of
from app.core.web import Answer, is_htmx, me, redirect_to, submit, toasted
from app.desk.guard import guard
from app.jobs.commands.reviews import return_task
from app.jobs.commands.tasks import (
    Later,
    assign_task,
    complete_task,
    reopen_task,
    say_remaining,
    snooze_task,
    start_task,
    tick_item,
)
from app.jobs.forms import AssignForm, FiledForm, NoteForm, RemainingForm, SnoozeForm, person_of, show_person
from app.jobs.models import DOABLE_STATES, Task
from app.jobs.queries.deadlines import list_met_by, met_by
from app.jobs.queries.tasks import get_item, get_task, get_task_to_do, started_after
from app.jobs.views.answers import answer, came_from, panel_of

blueprint = guard(Blueprint("tasks", __name__, url_prefix="/tasks/<uuid:task_id>"))


def _task(task_id: UUID) -> Task:
    return get_task(task_id, seen_by=me())


@blueprint.get("")
def show(task_id: UUID) -> Answer:
    """The side panel, or a page of its own when opened directly."""
    task = _task(task_id)
    body = panel_of(task, me())
    return body if is_htmx() else render_template("jobs/task.html", task=task, panel=body)


@blueprint.post("/start")
def create_start(task_id: UUID) -> Answer:
    task = _task(task_id)
    start_task(task, by=me())
    return answer(task, f"Started “{task.name}”")


@blueprint.post("/completion")
def create_completion(task_id: UUID) -> Answer:
    """Done; where that meets a deadline, ask first whether it was filed."""
    task = get_task_to_do(task_id, seen_by=me())
    # The job keeps the earliest of its deadlines that are not met: without one there is nothing to ask.
    deadlines = met_by(task) if task.state in DOABLE_STATES and task.job.deadline_on else ()
    form = FiledForm() if deadlines else None
    if form is not None and (request.form.get("answered") != "1" or not form.validate()):
        return _asked("jobs/_filed.html", 422 if "answered" in request.form else 200, task=task, deadlines=deadlines,
                      form=form, view=request.values.get("view", ""))
    finished = complete_task(task, by=me(), filed=form.values() if form else None)
    opened = [f"“{moved.name}”" for moved in finished.moved if moved.is_ready]
    done = "Approved" if task.kind is StepKind.REVIEW else "Done"
    said = f"{done}. Now ready: {', '.join(opened)}" if opened else f"{done}: “{task.name}”"
    undo = ""
    if finished.now_done and task.done_at is not None:
        undo = undo_of("jobs.task.completed", by=me(), task=str(task.id), done_at=task.done_at.isoformat())
    if request.values.get("view") == "panel":
        task = _task(task_id)
    return answer(task, said, undo=undo)


@blueprint.route("/reopening", methods=["GET", "POST"])
def reopening(task_id: UUID) -> Answer:
    """Open again at once; when later steps were started, ask first what becomes of them."""
    task, chosen = _task(task_id), request.form.get("later", "")
    started = started_after(task)
    if request.method == "GET" or (started and chosen not in set(Later)):
        return _asked("jobs/_reopen.html", task=task, started=started, met=list_met_by(task))
    reopen_task(task, by=me(), later=Later(chosen) if chosen in set(Later) else None)
    return answer(task, f"“{task.name}” is open again")


@blueprint.route("/return", methods=["GET", "POST"])
def returning(task_id: UUID) -> Answer:
    """Send the work before a review back, with a note."""
    task, form = _task(task_id), NoteForm()
    if request.method == "POST":
        if submit(form, lambda: return_task(task, note=form.note.data or "", by=me())):
            return redirect_to(came_from(url_for("jobs.show", job_id=task.job_id)), "Sent back")
        return _asked("jobs/_return.html", 422, task=task, form=form)
    return _asked("jobs/_return.html", task=task, form=form)


@blueprint.route("/assignment", methods=["GET", "POST"])
def assignment(task_id: UUID) -> Answer:
    """Give the step to somebody else; the same dialog puts it off."""
    task, form = _task(task_id), AssignForm()
    before = str(task.assignee_id) if task.assignee_id else None
    if request.method == "POST":
        if submit(form, lambda: assign_task(task, to=person_of(form.person), by=me())):
            person = person_of(form.person)
            return redirect_to(came_from(url_for("jobs.show", job_id=task.job_id)),
                               f"Given to {person.name}" if person else "Put into the unassigned queue",
                               undo=_undo_assignment(task, before, person.id if person else None))
        return _asked("jobs/_assign.html", 422, task=task, form=form, snooze=SnoozeForm(formdata=None))
    show_person(form.person, task.assignee)
    return _asked("jobs/_assign.html", task=task, form=form, snooze=SnoozeForm(formdata=None))


@blueprint.post("/snooze")
def create_snooze(task_id: UUID) -> Answer:
    task, form = _task(task_id), SnoozeForm()
    before = task.snoozed_until.isoformat() if task.snoozed_until else None
    if submit(form, lambda: snooze_task(task, until=form.until.data, by=me())):
        done = "Put off" if task.snoozed_until else "Back in My work"
        after = task.snoozed_until.isoformat() if task.snoozed_until else None
        undo = undo_of("jobs.task.snoozed", by=me(), task=str(task.id), before=before, after=after)
        return redirect_to(came_from(url_for("work.index")), done, undo=undo)
    assign = AssignForm(formdata=None)
    show_person(assign.person, task.assignee)
    return _asked("jobs/_assign.html", 422, task=task, form=assign, snooze=form)


@blueprint.post("/remaining")
def update_remaining(task_id: UUID) -> Answer:
    """How much is left, as the person who does it says; nothing takes it back."""
    task, form = _task(task_id), RemainingForm()
    if not submit(form, lambda: say_remaining(task, form.left.data, by=me())):
        raise Refused(str((form.left.errors or form.form_errors or ["Write hours, such as 2 or 1:30."])[0]))
    if is_htmx():
        return panel_of(_task(task_id), me())
    return redirect_to(url_for("tasks.show", task_id=task.id), "Saved")


@blueprint.post("/checklist/<uuid:item_id>")
def update_item(task_id: UUID, item_id: UUID) -> Answer:
    """Tick when `done` is sent, untick when not."""
    task = _task(task_id)
    item, done = get_item(item_id, task), request.form.get("done") == "1"
    tick_item(item, task, done=done, by=me())
    undo = undo_of("jobs.checklist.ticked", by=me(), task=str(task.id), item=str(item.id), done=done)
    said = f"{'Ticked' if done else 'Open again'}: “{item.text}”"
    if is_htmx():
        return toasted(Response(panel_of(task, me())), said, undo=undo)
    return redirect_to(url_for("tasks.show", task_id=task.id), said, undo=undo)


def _undo_assignment(task: Task, before: str | None, after: UUID | None) -> str:
    said = str(after) if after else None
    if said == before:
        return ""
    return undo_of("jobs.task.assigned", by=me(), task=str(task.id), before=before, after=said)


def _asked(template: str, status: int = 200, **context: Any) -> Answer:
    """A question in the dialog; a page of its own without script."""
    if not is_htmx():
        return render_template("jobs/question.html", question=template, **context), status
    response = Response(render_template(template, **context), status=status)
    response.headers["HX-Retarget"] = "#dialog"
    response.headers["HX-Reswap"] = "innerHTML"
    response.headers["HX-Push-Url"] = "false"
    return response


