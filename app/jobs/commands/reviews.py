"""Sending work back from a review."""

from __future__ import annotations

from uuid import UUID

from app.activity.commands import record
from app.catalogue.models import StepKind
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.jobs.commands.readiness import hold_jobs, settle
from app.jobs.commands.stages import fall_back
from app.jobs.commands.tasks import put_back
from app.jobs.models import Task, TaskState
from app.jobs.policy import can_work
from app.jobs.queries.tasks import last_work_before
from app.people.commands.handing import share_holding


def _jobs_of(review: Task) -> set[UUID]:
    """The job of a review and that of the work which it sends back."""
    work = last_work_before(review)
    return {review.job_id, work.job_id} if work is not None else {review.job_id}


def return_task(review: Task, *, note: str, by: Actor) -> Task:
    """Send the work before a review back to whoever did it, with a note. Returns the task that is open again."""
    authorize(by, can_work, review)
    if review.kind is not StepKind.REVIEW:
        raise Refused(f"“{review.name}” is not a review.")
    if not note.strip():
        raise Refused("Say what is to be changed.", field="note")
    with transaction():
        share_holding()
        hold_jobs(lambda: _jobs_of(review))
        db.session.refresh(review, ["state", "returns"])
        if review.state not in (TaskState.READY, TaskState.IN_REVIEW):
            raise Refused(f"“{review.name}” is {review.state.words}; there is nothing to send back.")
        work = last_work_before(review)
        if work is None:
            raise Refused("No finished step comes before this review, so there is nothing to send back.")
        work.assignee_id = work.assignee_id or work.done_by
        work.return_note = note.strip()
        review.returns += 1
        review.started_at = None
        if review.state is TaskState.IN_REVIEW:
            review.move_to(TaskState.READY)
        put_back([work], by=by)
        fall_back([work])
        settle({review.job_id, work.job_id})
        topics = tuple(f"person:{person}" for person in (review.assignee_id, work.assignee_id) if person)
        record("jobs.task.returned", review, by=by, topics=topics, name=review.name, note=work.return_note,
               to=work.assignee_id, work=work.id, work_name=work.name, returns=review.returns)
    return work
