"""Reminding: by hand, and by itself in the contact's morning; one mail a contact and day over all their requests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import contains_eager, selectinload

from app.activity.commands import record
from app.clients.models import Client, ClientContact, ClientStatus, Contact
from app.clients.policy import is_served
from app.core import clock
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.locking import take_turn, to_lock
from app.core.permissions import authorize
from app.delivery.commands import send_mail
from app.delivery.models import Delivery
from app.delivery.policy import can_see_to
from app.firm.models import Office
from app.jobs.models import Job, JobStatus
from app.requests.commands.sending import make_link, recipients_reachable
from app.requests.models import WITH_CLIENT, ClientRequest, Reminder, RequestRecipient
from app.requests.policy import can_edit_request, is_system
from app.requests.queries import Reachable, reachable_contacts

MORNING = range(8, 12)


@dataclass(frozen=True)
class Due:
    """A contact whose morning it is, with every request of theirs that is still with them."""

    contact_id: UUID
    today: dt.date


def remind_request(request: ClientRequest, *, by: Actor) -> int:
    """Remind by hand, now; a contact who has heard from us about it today is left alone. Returns how many mails."""
    authorize(by, can_edit_request, request)
    if request.state not in WITH_CLIENT:
        raise Refused("There is nothing to remind of: the request is not with the client.")
    sent = 0
    with transaction():
        db.session.execute(to_lock(sa.select(ClientRequest.id).where(ClientRequest.id == request.id)))
        recipients = recipients_reachable(request, by=by)
        if not recipients:
            raise Refused("Nobody who was asked sees this client in the portal any more.")
        for recipient in recipients:
            day = clock.local(now(), recipient.zone).date()
            sent += _digest(recipient, [request], day, by=by)
        if not sent:
            raise Refused("A reminder went out today already. Tomorrow another one can.")
    return sent


def remind_again(delivery: Delivery, *, by: Actor) -> None:
    """A reminder that did not get through, once more: of what of it is still with the client."""
    authorize(by, can_see_to, delivery)
    with transaction():
        named = sa.select(Reminder.request_id).where(Reminder.delivery_id == delivery.id)
        requests = db.session.scalars(to_lock(
            sa.select(ClientRequest).options(selectinload(ClientRequest.items), selectinload(ClientRequest.client))
            .where(ClientRequest.id.in_(named), ClientRequest.closed_at.is_(None), ClientRequest.state.in_(WITH_CLIENT))
        )).all()
        for request in requests:
            authorize(by, can_edit_request, request)
        to = next((r for r in recipients_reachable(requests[0], by=by) if r.contact_id == delivery.contact_id), None) \
            if requests else None
        if to is None:
            raise Refused("There is nothing left to remind of, or nobody who can be written to.")
        today = clock.local(now(), to.zone).date()
        made = _mail(to, requests, today, f"again:{delivery.id}", by=by)
        db.session.execute(
            sa.update(Reminder).where(Reminder.delivery_id == delivery.id).values(delivery_id=made.id)
            .execution_options(synchronize_session=False)
        )


def set_reminders(request: ClientRequest, *, paused: bool, by: Actor) -> None:
    """Stop the automatic reminders of one request, or let them go on."""
    authorize(by, can_edit_request, request)
    with transaction() as session:
        session.add(request)
        request.reminders_paused = paused
        record("requests.reminders.paused" if paused else "requests.reminders.resumed", request, by=by,
               name=request.name)


def contacts_due(*, by: Actor, limit: int = 500) -> Sequence[Due]:
    """Contacts with a reminder due whose morning it is: in their zone, else the client's, else the office's."""
    authorize(by, is_system)
    zone = sa.func.coalesce(Contact.zone, Client.zone, Office.zone)
    rows = db.session.execute(
        sa.select(RequestRecipient.contact_id, sa.func.min(zone))
        .join(ClientRequest, ClientRequest.id == RequestRecipient.request_id)
        .join(Contact, Contact.id == RequestRecipient.contact_id)
        .join(Client, Client.id == ClientRequest.client_id).join(Office, Office.id == Client.office_id)
        .join(ClientContact, _lets_in())
        .where(ClientRequest.next_reminder_on <= now().date() + dt.timedelta(days=1), *_remindable())
        .group_by(RequestRecipient.contact_id).order_by(RequestRecipient.contact_id).limit(limit)
    ).all()
    local = ((contact_id, clock.local(now(), zone)) for contact_id, zone in rows)
    return [Due(contact_id, at.date()) for contact_id, at in local if at.hour in MORNING]


def remind_contact(contact_id: UUID, today: dt.date, *, by: Actor) -> int:
    """One digest of all that this contact still owes us, if any of it is due today. Returns how many mails."""
    authorize(by, is_system)
    with transaction():
        open_ones = (
            sa.select(ClientRequest).join(RequestRecipient, RequestRecipient.request_id == ClientRequest.id)
            .join(ClientContact, _lets_in())
            .join(ClientRequest.client).outerjoin(Job, Job.id == ClientRequest.job_id)
            .options(contains_eager(ClientRequest.client), selectinload(ClientRequest.items))
            .where(RequestRecipient.contact_id == contact_id, *_remindable(),
                   sa.or_(Job.id.is_(None), Job.status == JobStatus.ACTIVE))
            .order_by(ClientRequest.due_on.nulls_last(), ClientRequest.id)
        )
        requests = db.session.scalars(to_lock(open_ones, of=ClientRequest, skip_taken=True)).all()
        if not any(r.next_reminder_on and r.next_reminder_on <= today for r in requests):
            return 0
        recipient = _reachable(contact_id, requests, by)
        return _digest(recipient, requests, today, by=by) if recipient else 0


def _lets_in() -> sa.ColumnElement[bool]:
    """The contact who was asked still sees the client in the portal; else a reminder's link would open nothing."""
    return sa.and_(ClientContact.client_id == ClientRequest.client_id, ClientContact.portal_access,
                   ClientContact.contact_id == RequestRecipient.contact_id)


def _remindable() -> tuple[sa.ColumnElement[bool], ...]:
    """Of requests joined with their clients. Whom the firm has stopped serving is not reminded; a prospect is."""
    return (
        sa.or_(is_served(), sa.and_(Client.status == ClientStatus.PROSPECT, Client.archived_at.is_(None))),
        ClientRequest.closed_at.is_(None), ClientRequest.state.in_(WITH_CLIENT), ~ClientRequest.reminders_paused,
        ClientRequest.next_reminder_on.is_not(None), ClientRequest.reminders_sent < ClientRequest.remind_at_most,
    )


def _reachable(contact_id: UUID, requests: Iterable[ClientRequest], by: Actor) -> Reachable | None:
    for client_id in dict.fromkeys(request.client_id for request in requests):
        for found in reachable_contacts(client_id, seen_by=by):
            if found.contact_id == contact_id:
                return found
    return None


def _digest(to: Reachable, requests: Sequence[ClientRequest], today: dt.date, *, by: Actor) -> int:
    """One mail over these requests, unless this contact has had one today."""
    take_turn(to.contact_id, at="turn of a contact")
    told = set(db.session.scalars(
        sa.select(Reminder.request_id).where(Reminder.contact_id == to.contact_id, Reminder.sent_on == today)
    ))
    if told and (by.is_system or told & {request.id for request in requests}):
        return 0
    delivery = _mail(to, requests, today, f"reminder:{to.contact_id}:{today}:{new_id() if told else ''}", by=by)
    for request in requests:
        _count(request, to.contact_id, delivery.id, today, by=by)
    return 1


def _mail(to: Reachable, requests: Sequence[ClientRequest], today: dt.date, key: str, *, by: Actor) -> Delivery:
    return send_mail(
        key=key, kind="requests.reminder", to=to.email, name=to.name, language=to.language,
        subject=_l("A reminder of what we still need from you"), template="request_reminder", contact_id=to.contact_id,
        client_id=requests[0].client_id if len({r.client_id for r in requests}) == 1 else None, about=requests[0],
        by=by, context={"things": [_thing(request, to.contact_id, today) for request in requests], "name": to.name},
    )


def _thing(request: ClientRequest, contact_id: UUID, today: dt.date) -> dict[str, object]:
    missing = [item for item in request.items if item.required and item.is_to_come]
    return {
        "name": request.name, "client": request.client.name, "due_on": request.due_on,
        "late": request.due_on is not None and request.due_on < today, "missing": [item.label for item in missing],
        "link": make_link(request, contact_id),
    }


def _count(request: ClientRequest, contact_id: UUID, delivery_id: UUID, today: dt.date, *, by: Actor) -> None:
    first_today = not db.session.scalar(
        sa.select(sa.exists().where(Reminder.request_id == request.id, Reminder.sent_on == today))
    )
    db.session.add(Reminder(id=new_id(), request_id=request.id, contact_id=contact_id, delivery_id=delivery_id,
                            sent_on=today))
    if first_today:
        request.reminders_sent += 1
        left = request.reminders_sent < request.remind_at_most
        request.next_reminder_on = today + dt.timedelta(days=max(request.remind_every_days, 1)) if left else None
        record("requests.request.reminded", request, by=by, name=request.name, number=request.reminders_sent)
    db.session.flush()
