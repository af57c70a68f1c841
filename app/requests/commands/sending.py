"""Sending requests: who is asked, the link in each mail, the task that waits from then on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from flask import current_app
from flask_babel import lazy_gettext as _l

from app.activity.commands import record
from app.clients.models import Client
from app.core.actors import Actor
from app.core.clock import now, today
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import new_id, new_token, token_hash
from app.core.locking import to_lock
from app.core.permissions import authorize
from app.delivery.commands import send_mail
from app.delivery.models import Delivery
from app.jobs.commands.tasks import set_client_items, set_client_wait
from app.jobs.models import Job
from app.requests.models import (
    ANSWERABLE,
    HOLDS_ITS_STEP,
    STILL_TO_COME,
    UNSENT,
    ClientRequest,
    RequestItem,
    RequestLink,
    RequestRecipient,
    RequestState,
)
from app.requests.policy import can_edit_request
from app.requests.queries import Reachable, reachable_contacts, who_is_asked


class NobodyReachable(Refused):
    """There is no contact with an address; nothing was changed."""


def send_request(request: ClientRequest, *, by: Actor, contact_ids: Sequence[UUID] = ()) -> None:
    """Send to the contacts named, else to the client's primary contact, else to all, of those who see it in the portal.

    The task that needs the answers waits for the client from now on.
    """
    authorize(by, can_edit_request, request)
    if request.state not in UNSENT:
        raise Refused("This request has been sent already.")
    recipients = choose_recipients(request, contact_ids, by=by)
    with transaction() as session:
        locked = session.scalar(
            to_lock(sa.select(ClientRequest.state).where(ClientRequest.id == request.id))
        )
        if locked not in UNSENT:
            raise Refused("This request has been sent already.")
        session.add(request)
        request.held, request.unreachable_at = False, None
        request.move_to(RequestState.SENT)
        request.sent_at, request.sent_by, request.send_on = now(), by.person_id, None
        request.next_reminder_on = first_reminder(request)
        request.version += 1
        session.add_all(RequestRecipient(request_id=request.id, contact_id=r.contact_id) for r in recipients)
        session.flush()
        for recipient in recipients:
            mail_request(request, recipient, "request", f"request:{request.id}:{request.version}", by=by)
        record("requests.request.sent", request, by=by, topics=("requests",), name=request.name,
               to=[r.name for r in recipients])
        settle_waiting(request, by=by)


def choose_recipients(request: ClientRequest, contact_ids: Sequence[UUID], *, by: Actor) -> Sequence[Reachable]:
    """Raises Refused when nobody can be written to."""
    everybody = reachable_contacts(request.client_id, seen_by=by)
    let_in = [r for r in everybody if r.portal_access]
    chosen = [r for r in let_in if r.contact_id in set(contact_ids)] if contact_ids else who_is_asked(everybody)
    if not chosen and everybody:
        raise NobodyReachable(
            "Nobody who would get this sees the client in the portal, so the link would open nothing. "
            "Tick “Sees this client in the portal” for the contact first.", field="contacts"
        )
    if not chosen:
        raise NobodyReachable(
            "Nobody at this client has an e-mail address. Add a contact with one first.", field="contacts"
        )
    return chosen


def first_reminder(request: ClientRequest) -> dt.date | None:
    if request.remind_at_most <= 0:
        return None
    return today() + dt.timedelta(days=max(request.remind_after_days, 1))


def make_link(request: ClientRequest, contact_id: UUID) -> str:
    """A new address that opens this request for this contact until it closes."""
    token = new_token()
    db.session.add(RequestLink(
        id=new_id(), request_id=request.id, contact_id=contact_id, token_hash=token_hash(token), created_at=now(),
        revoked_at=None,
    ))
    return f"{current_app.config['SETTINGS'].public_url}/portal/link/request/{token}"


SUBJECTS = {
    "request": _l("We need a few things from you: %(name)s"),
    "request_returned": _l("Please look at this again: %(name)s"),
    "request_again": _l("Your link: %(name)s"),
}


def mail_request(
    request: ClientRequest, to: Reachable, template: str, key: str, *, by: Actor | None = None, **more: object
) -> Delivery:
    """One mail about one request to one contact, with a link of its own; the same key sends once.

    `by`: whoever is told when it does not get through.
    """
    if by is not None:
        authorize(by, can_edit_request, request)
    return send_mail(
        key=f"{key}:{to.contact_id}", kind=f"requests.{template}", to=to.email, name=to.name, language=to.language,
        subject=_Subject(SUBJECTS[template], request.name), template=template, contact_id=to.contact_id,
        client_id=request.client_id, about=request, by=by,
        context={"request_name": request.name, "about": _about(request),
                 "message": request.message, "due_on": request.due_on, "name": to.name,
                 "link": make_link(request, to.contact_id), **more},
    )


def _about(request: ClientRequest) -> str:
    """Whose it is and for which period: a contact of several clients reads the mail, not our lists."""
    client = sa.select(Client.name).where(Client.id == request.client_id).scalar_subquery()
    period = sa.select(Job.period_name).where(Job.id == request.job_id).scalar_subquery()
    found = db.session.execute(sa.select(client, period)).one()
    return ", ".join(part for part in found if part)


class _Subject:
    """A subject that is put into words when the mail is rendered, in the recipient's language."""

    def __init__(self, words: object, name: str) -> None:
        self.words, self.name = words, name

    def __str__(self) -> str:
        return str(self.words) % {"name": self.name}


def cancel_request(request: ClientRequest, *, by: Actor) -> None:
    """Take it back: links die, nothing waits for it any more."""
    authorize(by, can_edit_request, request)
    if request.closed_at is not None:
        raise Refused("This request is closed already.")
    with transaction() as session:
        session.add(request)
        request.move_to(RequestState.CANCELLED)
        close(request)
        record("requests.request.cancelled", request, by=by, topics=("requests",), name=request.name)
        settle_waiting(request, by=by)


def reopen_request(request: ClientRequest, *, by: Actor) -> None:
    """Open a closed request again and write to those who were asked; one that never went out is a draft again."""
    authorize(by, can_edit_request, request)
    if request.closed_at is None:
        raise Refused("This request is open.")
    with transaction() as session:
        session.add(request)
        request.move_to(RequestState.IN_PROGRESS if request.sent_at else RequestState.DRAFT)
        request.closed_at = None
        request.version += 1
        if request.sent_at:
            request.next_reminder_on = first_reminder(request)
            for recipient in recipients_reachable(request, by=by):
                mail_request(request, recipient, "request_again", f"reopened:{request.id}:{request.version}", by=by)
        record("requests.request.reopened", request, by=by, topics=("requests",), name=request.name)
        settle_waiting(request, by=by)


def delete_draft(request: ClientRequest, *, by: Actor) -> None:
    authorize(by, can_edit_request, request)
    if request.state not in UNSENT:
        raise Refused("It has been sent; cancel it instead.")
    with transaction() as session:
        record("requests.request.deleted", request, by=by, name=request.name)
        session.delete(request)
        settle_waiting(request, by=by)


def recipients_reachable(request: ClientRequest, *, by: Actor) -> Sequence[Reachable]:
    """Those of its recipients who can be written to and whom its link lets in."""
    asked = set(db.session.scalars(
        sa.select(RequestRecipient.contact_id).where(RequestRecipient.request_id == request.id)
    ))
    return [r for r in reachable_contacts(request.client_id, seen_by=by)
            if r.portal_access and r.contact_id in asked]


def close(request: ClientRequest) -> None:
    """Closed: no reminder, no link opens it any more, and it stays readable for those who sign in."""
    request.closed_at, request.next_reminder_on, request.tell_returned_at = now(), None, None
    request.version += 1
    db.session.execute(
        sa.update(RequestLink).where(RequestLink.request_id == request.id, RequestLink.revoked_at.is_(None))
        .values(revoked_at=now())
    )


_TASK_WAITS = sa.select(sa.exists().where(
    ClientRequest.task_id == sa.bindparam("task"), ClientRequest.closed_at.is_(None),
    ClientRequest.state.in_(HOLDS_ITS_STEP),
))
_STILL_TO_COME = (
    sa.select(sa.func.count().filter(RequestItem.state.in_(STILL_TO_COME)), sa.func.count())
    .select_from(RequestItem).join(ClientRequest, ClientRequest.id == RequestItem.request_id)
    .where(ClientRequest.job_id == sa.bindparam("job"), ClientRequest.closed_at.is_(None), RequestItem.required,
           ClientRequest.state.in_(ANSWERABLE))
)


def settle_waiting(request: ClientRequest, *, by: Actor, before: UUID | None = None) -> None:
    """Tell the job what it waits for: its task (and `before`, the one that waited for it) and how much is to come."""
    db.session.flush()
    for task_id in sorted({each for each in (request.task_id, before) if each}):
        waits = db.session.scalar(_TASK_WAITS, {"task": task_id})
        set_client_wait(task_id, waiting=bool(waits), by=by)
    if request.job_id is not None:
        count_items(request.job_id)


def count_items(job_id: UUID) -> None:
    waiting, total = db.session.execute(_STILL_TO_COME, {"job": job_id}).one()
    set_client_items(job_id, waiting=waiting, total=total)
