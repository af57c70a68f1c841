"""A request's own link: it opens that one request for that one contact until the request closes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.clients.commands.contact_access import ASKING, open_contact_session
from app.clients.models import Client, ClientContact, Contact
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.ids import new_id, token_hash
from app.core.permissions import authorize
from app.core.queue import send_or_refuse
from app.jobs.models import Job
from app.people.commands.throttle import begin_try
from app.requests.commands.sending import mail_request, recipients_reachable
from app.requests.models import ClientRequest, RequestLink, RequestRecipient
from app.requests.policy import is_system


@dataclass(frozen=True)
class LinkedRequest:
    """What a request link leads to. Closed: it opens nothing any more, but its holder may sign in to read it."""

    contact_id: UUID
    request_id: UUID
    client_id: UUID
    request_name: str
    contact_name: str
    client_name: str
    period: str | None
    due_on: dt.date | None
    closed: bool

    @property
    def about(self) -> str:
        return ", ".join(part for part in (self.client_name, self.period) if part)


def find_request_link(token: str) -> LinkedRequest | None:
    """The request behind a link; None for what never was one, and for a contact who no longer sees the client in the
    portal. Looking uses nothing up."""
    row = db.session.execute(
        sa.select(RequestLink.contact_id, ClientRequest.id, ClientRequest.client_id, ClientRequest.name, Contact.name,
                  Client.name, Job.period_name, ClientRequest.due_on,
                  sa.or_(ClientRequest.closed_at.is_not(None), RequestLink.revoked_at.is_not(None)))
        .join(ClientRequest, ClientRequest.id == RequestLink.request_id)
        .join(Contact, Contact.id == RequestLink.contact_id)
        .join(RequestRecipient, sa.and_(RequestRecipient.request_id == RequestLink.request_id,
                                        RequestRecipient.contact_id == RequestLink.contact_id))
        .join(ClientContact, sa.and_(ClientContact.client_id == ClientRequest.client_id,
                                     ClientContact.contact_id == RequestLink.contact_id))
        .join(Client, Client.id == ClientRequest.client_id)
        .outerjoin(Job, Job.id == ClientRequest.job_id)
        .where(RequestLink.token_hash == token_hash(token), Contact.archived_at.is_(None), Client.archived_at.is_(None),
               ClientContact.portal_access)
    ).one_or_none()
    return LinkedRequest(*row) if row else None


def open_by_link(token: str, *, by: Actor, agent: str, address: str) -> tuple[str, LinkedRequest] | None:
    """A session that reaches this request and nothing else; None when the link leads nowhere any more."""
    authorize(by, is_system)
    found = find_request_link(token)
    if found is None or found.closed:
        return None
    opened = open_contact_session(
        found.contact_id, by=by, agent=agent, address=address, request_id=found.request_id, client_id=found.client_id
    )
    return (opened, found) if opened else None


def ask_for_link_again(token: str, *, by: Actor, address: str) -> None:
    """An old or closed link asks for a new way in: to the contact's own address, never to one that is typed.

    What leads nowhere is taken alike: it names nothing that is there, and the worker finds nothing to do.
    """
    authorize(by, is_system)
    begin_try(ASKING, token[:64], address)
    found = find_request_link(token)
    request_id, contact_id = (found.request_id, found.contact_id) if found else (new_id(), new_id())
    send_or_refuse("requests.link_again", request_id=str(request_id), contact_id=str(contact_id))


def send_link_again(request_id: UUID, contact_id: UUID, *, by: Actor) -> None:
    """A fresh link to an open request, by mail to the contact who was asked."""
    authorize(by, is_system)
    with transaction() as session:
        request = session.get(ClientRequest, request_id)
        if request is None or request.closed_at is not None:
            return
        for recipient in recipients_reachable(request, by=by):
            if recipient.contact_id == contact_id:
                mail_request(request, recipient, "request_again", f"again:{new_id()}")
