"""Moving a job, with what is recorded under it, to another engagement of its client while nothing of it is billed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.commands.items import items_by_id
from app.billing.policy import can_draft
from app.clients.models import Engagement, EngagementStatus, Wall
from app.clients.policy import can_see
from app.core.actors import Actor
from app.core.db import check_version, db, transaction
from app.core.errors import NotFound, Refused, Stale
from app.core.locking import to_lock
from app.core.permissions import authorize
from app.documents.models import Document
from app.jobs.models import OPEN_STATES, Deadline, Job, JobRole, Task
from app.jobs.policy import can_edit_job
from app.ledger.books import books_of_each
from app.ledger.models import TransactionKind
from app.marks.models import Comment
from app.people.commands.handing import share_holding
from app.people.models import Person
from app.requests.models import ClientRequest, ItemDocument, RequestItem
from app.timekeeping.commands.days import day_of, hold_days, settle_days
from app.timekeeping.commands.locks import refuse_locked
from app.timekeeping.commands.wip import Item, hold_wip, move_wip, place_of
from app.timekeeping.models import Expense, TimeEntry, Timer

# What says the engagement of its job again.
PARTS = (Task, Deadline, ClientRequest, Timer, Comment)


def move_job(job: Job, engagement: Engagement, *, by: Actor, version: int | None = None) -> int:
    """Put a job under another open engagement of the client; returns how many entries and expenses went with it.

    They keep their value. What is billed, on a draft or written off stands in the way, and so does whoever holds some
    of the work and must not see the other engagement.
    """
    authorize(by, can_edit_job, job)
    if not can_see(by, engagement.client_id, engagement.id) or engagement.client_id != job.client_id:
        raise NotFound()
    with transaction() as session:
        documents = _hold(job, engagement)
        check_version(job, version)
        left = session.get_one(Engagement, job.engagement_id)
        if left.id == engagement.id:
            return 0
        if not can_see(by, left.client_id, left.id):
            raise NotFound()
        _check(job, left, engagement)
        items = _hold_items(job, engagement, by=by)
        job.engagement_id = engagement.id
        job.version += 1
        session.flush()
        for table in PARTS:
            session.execute(
                sa.update(table).where(table.job_id == job.id).values(engagement_id=engagement.id)
                .execution_options(synchronize_session=False)
            )
        session.execute(
            sa.update(Document).where(Document.id.in_(documents), Document.engagement_id == left.id)
            .values(engagement_id=engagement.id).execution_options(synchronize_session=False)
        )
        moved = _move_items(items, left, engagement, by=by)
        told: dict[str, Any] = {"title": job.title, "items": moved}
        record(
            "jobs.job.left", job, by=by, engagement_id=left.id, from_engagement=str(left.id), name=left.name, **told
        )
        record(
            "jobs.job.transferred", job, by=by, to_engagement=str(engagement.id), name=engagement.name,
            topics=("wip", f"stage:{job.stage_id}"), **told,
        )
    db.session.expire_all()
    return moved


def _hold(job: Job, engagement: Engagement) -> Sequence[UUID]:
    """Lock what goes with the job, in the one order; the ids of the files that its requests brought."""
    run = db.session.scalars
    run(to_lock(sa.select(ClientRequest).where(ClientRequest.job_id == job.id))).all()
    brought = (
        sa.select(ItemDocument.document_id).join(RequestItem, RequestItem.id == ItemDocument.item_id)
        .join(ClientRequest, ClientRequest.id == RequestItem.request_id).where(ClientRequest.job_id == job.id)
    )
    proof = sa.select(Expense.document_id).where(Expense.job_id == job.id, Expense.document_id.is_not(None))
    filed = sa.select(Deadline.evidence_id).where(Deadline.job_id == job.id, Deadline.evidence_id.is_not(None))
    documents = run(to_lock(sa.select(Document.id).where(Document.id.in_(brought.union(proof, filed))))).all()
    share_holding()
    run(to_lock(sa.select(Engagement).where(Engagement.id.in_([job.engagement_id, engagement.id])))).all()
    run(to_lock(sa.select(Job).where(Job.id == job.id))).all()
    run(to_lock(sa.select(Task).where(Task.job_id == job.id))).all()
    return documents


def _check(job: Job, left: Engagement, engagement: Engagement) -> None:
    if engagement.status is EngagementStatus.CLOSED:
        raise Refused(f"“{engagement.name}” is closed; open it again first.", field="engagement")
    if engagement.currency != left.currency:
        raise Refused(
            f"“{engagement.name}” is kept in {engagement.currency}, this job’s in {left.currency}.", field="engagement"
        )
    holding: sa.CompoundSelect[Any] = sa.union(
        sa.select(Job.owner_id).where(Job.id == job.id), sa.select(JobRole.person_id).where(JobRole.job_id == job.id),
        sa.select(Task.assignee_id).where(Task.job_id == job.id, Task.state.in_(OPEN_STATES)),
        sa.select(Timer.person_id).where(Timer.job_id == job.id, Timer.discarded_at.is_(None)),
    )
    walled = db.session.scalars(
        sa.select(Person.name).join(Wall, Wall.person_id == Person.id)
        .where(Wall.engagement_id == engagement.id, Person.id.in_(holding)).order_by(Person.name)
    ).all()
    if walled:
        raise Refused(
            f"{', '.join(walled)} cannot be given work of “{engagement.name}”, but holds some of this job; give it to "
            "somebody else first.", field="engagement",
        )


def _hold_items(job: Job, engagement: Engagement, *, by: Actor) -> list[Item]:
    """The job's entries and expenses, locked with the days that they leave and join; deleted ones too."""
    times = db.session.scalars(sa.select(TimeEntry).where(TimeEntry.job_id == job.id).order_by(TimeEntry.id)).all()
    days = [day_of(each) for each in times] + [day_of(each, engagement_id=engagement.id) for each in times]
    hold_days(days, times, tasks=())
    ids = {
        *db.session.scalars(sa.select(TimeEntry.id).where(TimeEntry.job_id == job.id)),
        *db.session.scalars(sa.select(Expense.id).where(Expense.job_id == job.id)),
    }
    if ids - {each.id for each in times} and any(each.job_id != job.id for each in times):
        raise Stale("Somebody else changed this at that moment; look at it and try again.")
    items = list(items_by_id(ids, seen_by=by, lock=True).values()) if ids else []
    if len(items) != len(ids):
        raise NotFound()
    if items:
        authorize(by, can_draft)
    for item in items:
        if item.deleted_at is None:
            try:
                refuse_locked(item)
            except Refused as refusal:
                raise Refused(f"{_said(item)}: {refusal.message}", field="engagement") from refusal
            if item.written:
                raise Refused(
                    f"{_said(item)}: some of it is written {'off' if item.written < 0 else 'on'}; take that back "
                    "first.", field="engagement",
                )
    return items


def _said(item: Item) -> str:
    kind = "An expense" if isinstance(item, Expense) else "Time"
    return f"{kind} of {item.worked_on:%-d %B %Y} stays where it is, and so does its job"


def _move_items(items: Sequence[Item], left: Engagement, engagement: Engagement, *, by: Actor) -> int:
    books = books_of_each([left.id, engagement.id])
    standing = [item for item in items if item.deleted_at is None]
    if standing:
        hold_wip(standing, also=engagement)
    days = [day_of(item) for item in items if isinstance(item, TimeEntry)]
    for item in items:
        before = place_of(item)
        item.engagement_id = engagement.id
        item.version += 1
        if item.deleted_at is None:
            move_wip(
                TransactionKind.TRANSFERRED, item, before, place_of(item), by=by, books=books[engagement.id],
                books_before=books[left.id], reason="with its job",
            )
            record(
                "billing.wip.transfer", item, by=by, reason="with its job", from_engagement=str(left.id),
                amount=item.open_value, currency=item.currency, topics=("wip", f"time:{item.person_id}"),
            )
    days += [day_of(item) for item in items if isinstance(item, TimeEntry)]
    db.session.flush()
    settle_days(days, by=by)
    return len(standing)
