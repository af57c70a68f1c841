"""Under which engagement a job is, and moving it to another one."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, request, url_for

from app.billing.commands.jobs import move_job
from app.billing.forms import JobEngagementForm
from app.clients.queries import engagements_of, get_engagement
from app.core.permissions import authorize
from app.core.undo import undo_of
from app.core.web import Answer, me, redirect_to, submit
from app.core.wording import counted
from app.desk.guard import guard
from app.jobs.policy import can_edit_job
from app.jobs.queries.jobs import get_job
from app.jobs.views.answers import dialog

blueprint = guard(Blueprint("job_engagement", __name__))


@blueprint.route("/jobs/<uuid:job_id>/engagement", methods=["GET", "POST"])
def edit(job_id: UUID) -> Answer:
    job = get_job(job_id, seen_by=me())
    authorize(me(), can_edit_job, job)
    form = JobEngagementForm()
    found = engagements_of(job.client_id, seen_by=me(), open_only=True)
    others = [each for each in found if each.id != job.engagement_id]
    form.offer(others)
    if request.method == "GET":
        form.version.data = str(job.version)
    before, moved = job.engagement_id, [0]

    def move() -> None:
        to = get_engagement(form.chosen, seen_by=me())
        moved[0] = move_job(job, to, by=me(), version=form.version.number)

    if request.method == "POST" and submit(form, move):
        undo = undo_of("billing.job.moved", by=me(), job=str(job_id), before=str(before), after=str(form.chosen))
        with_it = f", with {counted(moved[0], 'entry', 'entries')}" if moved[0] else ""
        return redirect_to(url_for("jobs.show", job_id=job_id), f"The job is moved{with_it}", undo=undo)
    return dialog("jobs/_engagement.html", job=job, form=form, others=others)
