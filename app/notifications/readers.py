"""Reading the event log for whom it concerns: one notice an event and person, across no wall, never of own acts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.activity.commands import reads
from app.activity.models import Event
from app.approvals.queries import approvers_of
from app.billing.models import Invoice
from app.billing.sight import walled_from_bill
from app.clients.models import Client, Engagement, Wall
from app.core import live
from app.core.clock import now
from app.core.db import db
from app.core.ids import new_id, parse_id
from app.jobs.models import Job, Task
from app.notifications.models import Notice
from app.people.models import Person, PersonState
from app.requests.models import ClientRequest
from app.runs.models import Run

Data = dict[str, Any]
Whom = Callable[[Event, Data], Iterable[UUID | None]]


# What was read late, after an outage or in an imported history, is no news any more.
OLD_NEWS = dt.timedelta(days=4)


def _named(key: str) -> Whom:
    return lambda _event, data: [parse_id(str(data.get(key) or ""))]


def _listed(key: str) -> Whom:
    return lambda _event, data: [parse_id(str(each)) for each in data.get(key) or ()]


def _owners_of_readied(_event: Event, data: Data) -> Iterable[UUID | None]:
    ids = [each for each in map(parse_id, map(str, data.get("readied") or ())) if each]
    return db.session.scalars(sa.select(Task.assignee_id).where(Task.id.in_(ids))).all() if ids else []


def _of_request(event: Event, _data: Data) -> Iterable[UUID | None]:
    """Whoever has the step that waits for it, and is in charge of its job; else whoever sent it."""
    return _around_request(event.subject_id)


def _around_request(request_id: UUID | None) -> Sequence[UUID | None]:
    row = db.session.execute(
        sa.select(Task.assignee_id, Job.owner_id, ClientRequest.sent_by)
        .select_from(ClientRequest).outerjoin(Task, Task.id == ClientRequest.task_id)
        .outerjoin(Job, Job.id == ClientRequest.job_id).where(ClientRequest.id == request_id)
    ).one_or_none()
    if row is None:
        return []
    concerned = [each for each in row[:2] if each]
    return concerned or [row.sent_by]


def _starter(event: Event, _data: Data) -> Iterable[UUID | None]:
    return db.session.scalars(sa.select(Run.started_by).where(Run.id == event.subject_id)).all()


def _in_charge_of_client(event: Event, _data: Data) -> Iterable[UUID | None]:
    row = db.session.execute(
        sa.select(Client.partner_id, Client.manager_id).where(Client.id == event.client_id)
    ).one_or_none()
    return row or []


def _of_missed(event: Event, _data: Data) -> Iterable[UUID | None]:
    """Who answers for the job, and the client's partner, however long ago it was missed when it is found out."""
    return db.session.execute(
        sa.select(Job.owner_id, sa.func.coalesce(Engagement.partner_id, Client.partner_id))
        .join(Client, Client.id == Job.client_id).join(Engagement, Engagement.id == Job.engagement_id)
        .where(Job.id == event.job_id)
    ).one_or_none() or []


def _of_request_or_client(event: Event, data: Data) -> Iterable[UUID | None]:
    """Those whom a request concerns; where nobody has its step or job, the client's partner and manager."""
    found = [each for each in _of_request(event, data) if each]
    return found or _in_charge_of_client(event, data)


def _of_mail(event: Event, data: Data) -> Iterable[UUID | None]:
    """Whoever sent it; of what went out by itself, those whom its request concerns, else the client's people."""
    if sent_by := parse_id(str(data.get("sent_by") or "")):
        return [sent_by]
    asked = parse_id(str(data.get("about_id") or "")) if data.get("about") == ClientRequest.__tablename__ else None
    found = [each for each in _around_request(asked) if each] if asked else []
    return found or _in_charge_of_client(event, data)


def _of_slow_mail(event: Event, data: Data) -> Iterable[UUID | None]:
    """Whoever sent it, unless they have a word of another one unread: a server that is down is told once."""
    sent_by = parse_id(str(data.get("sent_by") or ""))
    told = sa.exists().where(Notice.person_id == sent_by, Notice.kind == event.kind, Notice.read_at.is_(None))
    return [] if sent_by is None or db.session.scalar(sa.select(told)) else [sent_by]


def _approvers(event: Event, _data: Data) -> Iterable[UUID | None]:
    """Whoever may decide: the client's partner where that is one of them, else all."""
    able = {person.id for person in approvers_of(event.subject_id)}
    partner = db.session.scalar(sa.select(Client.partner_id).where(Client.id == event.client_id))
    return [partner] if partner in able else able


CONCERNED: dict[str, Whom] = {
    "jobs.task.assigned": _named("to"),
    "jobs.task.added": _named("to"),
    "jobs.task.returned": _named("to"),
    "jobs.role.set": _named("to"),
    "jobs.job.handed_over": _named("to"),
    "jobs.task.completed": _owners_of_readied,
    "jobs.task.approved": _owners_of_readied,
    "jobs.task.cancelled": _owners_of_readied,
    "jobs.task.opened": _owners_of_readied,
    "jobs.task.answered": _owners_of_readied,
    "jobs.deadline.missed": _of_missed,
    "requests.request.submitted": _of_request,
    "requests.request.unreachable": _of_request_or_client,
    "planning.edition.find": _listed("people"),
    "marks.comment.add": _listed("mentions"),
    "runs.run.finish": _starter,
    "approvals.approval.asked": _approvers,
    "approvals.approval.approved": _named("asked_by"),
    "approvals.approval.declined": _named("asked_by"),
    "billing.invoice.approve": _in_charge_of_client,
    "delivery.mail.fail": _of_mail,
    "delivery.mail.delay": _of_slow_mail,
}


@reads("notifications.inbox", *CONCERNED)
def tell_concerned(event: Event, data: Data) -> None:
    """Put a notice into the inbox of everyone whom the event concerns. Once each, however often it is read."""
    if event.at < now() - OLD_NEWS:
        return
    people = {each for each in CONCERNED[event.kind](event, data) if each and each != event.actor_id}
    engagement_id = event.engagement_id or _engagement_of_mail(data)
    told = _allowed(people, event, data, engagement_id) if people else set()
    if not told:
        return
    job = str(event.job_id) if event.job_id else ""
    kept = {**data, "job": job, "actor": str(event.actor_id) if event.actor_id else ""}
    rows = [
        {"id": new_id(), "person_id": person, "event_id": event.id, "kind": event.kind,
         "subject_kind": event.subject_kind, "subject_id": event.subject_id, "client_id": event.client_id,
         "engagement_id": engagement_id, "data": kept, "created_at": event.at}
        for person in sorted(told)
    ]
    db.session.execute(insert(Notice).values(rows).on_conflict_do_nothing())
    live.publish(*(f"person:{person}" for person in sorted(told)))


@reads("notifications.moved", "jobs.job.transferred")
def follow_job(event: Event, data: Data) -> None:
    """Notices about a job that moved are seen by who sees the engagement that it is under now."""
    to = parse_id(str(data.get("to_engagement") or ""))
    if to is None:
        return
    about = sa.union_all(
        *(sa.select(table.id).where(table.job_id == event.job_id) for table in (Task, ClientRequest)),
        sa.select(sa.literal(event.job_id, sa.Uuid())),
    )
    db.session.execute(
        sa.update(Notice).where(Notice.client_id == event.client_id, Notice.subject_id.in_(about))
        .values(engagement_id=to).execution_options(synchronize_session=False)
    )


def _engagement_of_mail(data: Data) -> UUID | None:
    """The engagement of the request that a mail is about."""
    about = parse_id(str(data.get("about_id") or "")) if data.get("about") == ClientRequest.__tablename__ else None
    return db.session.scalar(sa.select(ClientRequest.engagement_id).where(ClientRequest.id == about)) if about else None


def _allowed(people: Collection[UUID], event: Event, data: Data, engagement_id: UUID | None) -> set[UUID]:
    """Those who work here and whom no wall keeps from it."""
    around = [each for each in (event.client_id, engagement_id) if each]
    walled = sa.select(Wall.person_id).where(sa.or_(Wall.client_id.in_(around), Wall.engagement_id.in_(around)))
    able = sa.select(Person.id).where(
        Person.id.in_(people), Person.state == PersonState.ACTIVE, Person.id.not_in(walled)
    )
    if event.subject_kind == Invoice.__tablename__ and event.subject_id:
        able = able.where(Person.id.not_in(walled_from_bill(event.subject_id)))
    if data.get("about") == Invoice.__tablename__ and (bill := parse_id(str(data.get("about_id") or ""))):
        able = able.where(Person.id.not_in(walled_from_bill(bill)))
    return set(db.session.scalars(able))
