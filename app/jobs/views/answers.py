"""What a step's screens answer after a change: the row, the panel, or the page that the person was on."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import Response, render_template, request, url_for

from app.core.actors import Actor
from app.core.web import Answer, is_htmx, me, redirect_to, toasted
from app.jobs.models import Task
from app.jobs.queries.jobs import get_sheet
from app.jobs.queries.tasks import list_after, list_before, list_checklist
from app.jobs.queries.work import row_of
from app.jobs.waits import why_waiting


def came_from(fallback: str) -> str:
    """The address of the page that the person is on, ours only."""
    parts = urlsplit(request.headers.get("HX-Current-URL") or request.form.get("back", "") or request.referrer or "")
    if not parts.path.startswith("/") or parts.path == request.path:
        return fallback
    return f"{parts.path}?{parts.query}".rstrip("?")


def answer(task: Task, message: str, *, undo: str = "") -> Answer:
    """The fragment that the pressed button stood in, drawn anew; a redirect for a plain form."""
    view = request.values.get("view", "")
    if not is_htmx():
        return redirect_to(came_from(url_for("jobs.show", job_id=task.job_id)), message, undo=undo)
    if view == "work":
        row = render_template("jobs/_work_row_alone.html", row=row_of(task))
        return _swapped(row, f"#task-{task.id}", "outerHTML", message, undo)
    if view == "job":
        return _swapped(steps_of(task.job_id), "#steps", "outerMorph", message, undo)
    if view == "panel":
        return _swapped(panel_of(task, me()), "#panel", "innerHTML", message, undo)
    return redirect_to(came_from(url_for("jobs.show", job_id=task.job_id)), message, undo=undo)


def _swapped(body: str, target: str, swap: str, message: str, undo: str = "") -> Response:
    """The button may stand in a form that many rows share: the answer says itself where it belongs."""
    headers = {"HX-Retarget": target, "HX-Reswap": swap, "HX-Push-Url": "false"}
    return toasted(Response(body, headers=headers), message, undo=undo)


def dialog(template: str, **context: Any) -> Answer:
    """A question in the dialog, again with what was typed after a refusal; a page of its own without script."""
    status = 422 if request.method == "POST" else 200
    if not is_htmx():
        return render_template("jobs/question.html", question=template, **context), status
    return Response(render_template(template, **context), status=status)


def steps_of(job_id: UUID) -> str:
    return render_template("jobs/_steps.html", sheet=get_sheet(job_id, seen_by=me()))


def panel_of(task: Task, actor: Actor) -> str:
    """The side panel of a step: instructions, checklist, what stands before and after it."""
    return render_template(
        "jobs/_task_panel.html", task=task, items=list_checklist(task), before=list_before(task, seen_by=actor),
        after=list_after(task, seen_by=actor), why_waits=why_waiting([task.id]).get(task.id, ""),
    )
