"""Proof that what a job says it waits for is what its requests still lack."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import unread_by
from app.core.copies import Copy, keeps
from app.core.db import db
from app.core.proofs import Finding, proof
from app.jobs.models import OPEN_STATES, Job, Task
from app.requests.models import ANSWERABLE, HOLDS_ITS_STEP, STILL_TO_COME, ClientRequest, RequestItem

_ASKED = (
    "a request written", "a request sent", "an item answered", "an item accepted", "an item sent back",
    "a request closed", "a request opened again", "answers sent by the client",
)
WAITING_ITEMS = keeps(Copy(
    "job.waiting_items", "how many of the things that the client is asked for are still to come, of how many", _ASKED,
    "app.requests.commands.sending.count_items", "requests.waiting", True,
))
WAITS = keeps(Copy(
    "task.waits_for_client", "a step waits while a request that it needs is unsent or unanswered", _ASKED,
    "app.requests.commands.sending.settle_waiting", "requests.steps", True,
))


@proof("requests.waiting")
def jobs_count_what_they_wait_for() -> Iterator[Finding]:
    asked = (
        sa.select(
            ClientRequest.job_id,
            sa.func.count().filter(RequestItem.state.in_(STILL_TO_COME)).label("waiting"),
            sa.func.count().label("total"),
        )
        .join(RequestItem, RequestItem.request_id == ClientRequest.id)
        .where(ClientRequest.closed_at.is_(None), ClientRequest.state.in_(ANSWERABLE), RequestItem.required,
               ClientRequest.job_id.is_not(None))
        .group_by(ClientRequest.job_id).subquery()
    )
    being_counted = _being_counted()
    waiting, total = sa.func.coalesce(asked.c.waiting, 0), sa.func.coalesce(asked.c.total, 0)
    rows = db.session.execute(
        sa.select(Job.id, Job.number, Job.waiting_items, Job.waiting_total, waiting, total)
        .outerjoin(asked, asked.c.job_id == Job.id)
        .where(sa.or_(Job.waiting_items != waiting, Job.waiting_total != total)).limit(100)
    )
    for job_id, number, said, of, true, true_of in rows:
        if job_id not in being_counted:
            yield Finding(f"job {number}", f"says that it waits for {said} of {of}; it is {true} of {true_of}.")


def _being_counted() -> set[UUID]:
    """Jobs of whose requests a contact has just sent something: it is counted by whoever reads the event of it."""
    sent = unread_by("requests.waiting").subquery()
    return set(db.session.scalars(
        sa.select(ClientRequest.job_id).where(ClientRequest.job_id.is_not(None), sa.or_(
            ClientRequest.id.in_(sa.select(sent.c.subject_id)),
            ClientRequest.id.in_(
                sa.select(RequestItem.request_id).where(RequestItem.id.in_(sa.select(sent.c.subject_id)))
            ),
        ))
    ))


@proof("requests.steps")
def steps_wait_for_their_requests() -> Iterator[Finding]:
    """An open step waits for the client exactly while a request that it needs is unsent or unanswered."""
    needed = sa.exists().where(
        ClientRequest.task_id == Task.id, ClientRequest.closed_at.is_(None), ClientRequest.state.in_(HOLDS_ITS_STEP)
    )
    rows = db.session.execute(
        sa.select(Task.id, Task.name, Task.waits_for_client)
        .where(Task.state.in_(OPEN_STATES), Task.waits_for_client != needed).limit(100)
    )
    for task_id, name, waits in rows:
        said = "waits for the client and nothing is asked" if waits else "does not wait for what the client is asked"
        yield Finding(f"task {task_id}", f"{name} {said}.")
