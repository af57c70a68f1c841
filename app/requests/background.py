"""What requests do by themselves: go out on their day, remind, tell what was sent back, follow what clients did."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import reads
from app.activity.models import Event
from app.clients.commands.contact_access import forget_old_access, send_sign_in_links
from app.core.actors import SYSTEM
from app.core.clock import now
from app.core.db import db
from app.core.each import each_by_itself
from app.core.queue import BULK, NOW, background
from app.requests.commands.asking import ask_due_requests
from app.requests.commands.links import send_link_again
from app.requests.commands.refused_files import tell_refused_files
from app.requests.commands.reminding import contacts_due, remind_contact
from app.requests.commands.reviewing import forget_removed_file, recount, return_refused_file, tell_returned
from app.requests.dates import dates_of_requests
from app.requests.models import ClientRequest, RequestItem
from app.requests.queries import get_request
from app.requests.waits import of_requests

__all__ = ["dates_of_requests", "of_requests"]


@background("clients.sign_in_mail", queue=NOW, seconds=60)
def sign_in_mail(email: str) -> None:
    send_sign_in_links(email, by=SYSTEM)


@background("clients.forget_old_access", every=86_400, queue=BULK, seconds=600)
def tidy_access() -> None:
    forget_old_access(by=SYSTEM)


@background("requests.link_again", queue=NOW, seconds=60)
def link_again(request_id: str, contact_id: str) -> None:
    send_link_again(UUID(request_id), UUID(contact_id), by=SYSTEM)


@background("requests.remind", every=900, queue=BULK, seconds=900)
def remind() -> None:
    """Reminders go out in each contact's morning; asking again the same day changes nothing."""
    due = contacts_due(by=SYSTEM)
    db.session.rollback()
    each_by_itself(
        due, lambda contact: remind_contact(contact.contact_id, contact.today, by=SYSTEM), name="requests.remind"
    )


@background("requests.ask", every=60, queue=BULK, seconds=900)
def ask_what_is_due() -> None:
    """Each request at its moment; asking again finds nothing left to ask."""
    ask_due_requests(by=SYSTEM)


@background("requests.tell_refused_files", every=60, queue=NOW, seconds=300)
def tell_what_was_not_taken() -> None:
    tell_refused_files(by=SYSTEM)


@background("requests.tell_returned", every=60, queue=NOW, seconds=300)
def tell_what_was_returned() -> None:
    ids = db.session.scalars(
        sa.select(ClientRequest.id).where(ClientRequest.tell_returned_at <= now()).limit(200)
    ).all()
    each_by_itself(
        ids, lambda id_: tell_returned(get_request(id_, seen_by=SYSTEM), by=SYSTEM), name="requests.tell_returned"
    )


@reads("requests.waiting", "requests.request.submitted", "requests.item.reopened")
def follow_answers(event: Event, data: dict[str, Any]) -> None:
    """A contact cannot see the job: what it still waits for is counted here."""
    request_id: UUID | None = event.subject_id
    if event.subject_kind == "request_item":
        request_id = db.session.scalar(sa.select(RequestItem.request_id).where(RequestItem.id == request_id))
    if request_id is not None:
        recount(request_id)


@reads("requests.refused_files", "documents.document.rejected")
def follow_refused_files(event: Event, data: dict[str, Any]) -> None:
    return_refused_file(event.subject_id, by=SYSTEM)


@reads("requests.removed_files", "requests.file.removed")
def follow_removed_files(event: Event, data: dict[str, Any]) -> None:
    forget_removed_file(UUID(str(data["document_id"])), by=SYSTEM)
