"""Changing a step: its facts, what it comes after, whether it stays."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, render_template, url_for

from app.catalogue.models import DependencyKind
from app.core.db import db, get_or_404
from app.core.web import Answer, me, redirect_to, submit, unprocessable
from app.desk.guard import guard
from app.jobs.commands.dependencies import add_dependency, remove_dependency
from app.jobs.commands.steps import edit_task
from app.jobs.commands.tasks import cancel_task
from app.jobs.forms import AfterForm, TaskEditForm
from app.jobs.models import Dependency, Task, TaskState
from app.jobs.queries.tasks import get_task, list_before

blueprint = guard(Blueprint("task_edits", __name__, url_prefix="/tasks/<uuid:task_id>"))


@blueprint.get("/edit")
def edit(task_id: UUID) -> Answer:
    task = get_task(task_id, seen_by=me())
    return render_template("jobs/task_edit.html", **_context(task, TaskEditForm.of(task)))


@blueprint.post("/edit")
def update(task_id: UUID) -> Answer:
    task = get_task(task_id, seen_by=me())
    form = TaskEditForm()
    if submit(form, lambda: edit_task(task, form.values(), version=form.version.number, by=me())):
        return redirect_to(url_for("jobs.show", job_id=task.job_id), "Saved")
    return unprocessable("jobs/task_edit.html", **_context(task, form))


@blueprint.post("/dependencies")
def create_dependency(task_id: UUID) -> Answer:
    task = get_task(task_id, seen_by=me())
    form = _after_form(task)

    def add() -> None:
        kind = DependencyKind.SOFT if form.soft.data else DependencyKind.HARD
        after = get_task(form.after.data, seen_by=me())
        add_dependency(task, after=after, kind=kind, lag_days=form.lag_days.data or 0, by=me())

    if form.after.data is not None and submit(form, add):
        return redirect_to(url_for("task_edits.edit", task_id=task.id), "Added")
    if form.after.data is None:
        form.after.errors = ["Choose the step that comes first."]
    return unprocessable("jobs/task_edit.html", **_context(task, TaskEditForm.of(task), form))


@blueprint.post("/dependencies/<uuid:dependency_id>/removal")
def delete_dependency(task_id: UUID, dependency_id: UUID) -> Answer:
    task = get_task(task_id, seen_by=me())
    dependency = get_or_404(
        sa.select(Dependency).where(Dependency.id == dependency_id, Dependency.task_id == task.id)
    )
    remove_dependency(dependency, task, by=me())
    return redirect_to(url_for("task_edits.edit", task_id=task.id), "Removed")


@blueprint.post("/cancellation")
def create_cancellation(task_id: UUID) -> Answer:
    task = get_task(task_id, seen_by=me())
    cancel_task(task, by=me())
    return redirect_to(url_for("jobs.show", job_id=task.job_id), f"“{task.name}” was taken out")


def _after_form(task: Task) -> AfterForm:
    form = AfterForm()
    others = db.session.execute(
        sa.select(Task.id, Task.name)
        .where(Task.job_id == task.job_id, Task.id != task.id, Task.state != TaskState.CANCELLED)
        .order_by(Task.position)
    ).all()
    form.after.offer([(row.id, row.name) for row in others], empty="Choose a step")
    return form


def _context(task: Task, form: TaskEditForm, after: AfterForm | None = None) -> dict[str, object]:
    return {"task": task, "form": form, "after": after or _after_form(task), "before": list_before(task, seen_by=me())}
