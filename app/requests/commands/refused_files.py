"""A file that was not taken after its sender had left: told by mail, all of them in one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from flask import current_app
from flask_babel import lazy_gettext as _l

from app.clients.models import AddressKind, Client, ClientContact, Contact, ContactAddress, ContactSession
from app.core.actors import Actor, ActorKind
from app.core.clock import now
from app.core.db import db, transaction
from app.core.each import each_by_itself
from app.core.errors import Refused
from app.core.permissions import authorize
from app.delivery.commands import copy_mail, send_mail
from app.delivery.models import Delivery
from app.delivery.policy import can_see_to
from app.documents.models import Document, DocumentState
from app.requests.commands.sending import make_link
from app.requests.models import ANSWERABLE, ClientRequest, ItemDocument, RequestItem
from app.requests.policy import can_edit_request, is_system
from app.requests.queries import get_request

KIND = "requests.files_refused"
LEFT = dt.timedelta(minutes=6)  # longer than a session goes without being seen while its page is open
LOOKS_BACK = dt.timedelta(days=1)


def tell_refused_files(*, by: Actor) -> int:
    """Mail every contact whose file was refused and who has not been seen since. Returns how many mails."""
    authorize(by, is_system)
    seen = sa.exists().where(
        ContactSession.contact_id == Document.added_by, ContactSession.last_seen_at >= Document.checked_at
    )
    told = sa.exists().where(
        Delivery.key.startswith(f"{KIND}:"), Delivery.contact_id == Document.added_by,  # not one that was sent again
        Delivery.created_at >= Document.checked_at + LEFT,
    )
    rows = db.session.execute(
        sa.select(Document.added_by, Document.id).where(
            Document.state == DocumentState.REJECTED, Document.added_kind == ActorKind.CONTACT,
            Document.archived_at.is_(None), Document.checked_at <= now() - LEFT,
            Document.checked_at > now() - LOOKS_BACK, ~seen, ~told,
        ).order_by(Document.checked_at)
    ).all()
    db.session.rollback()
    by_contact: dict[UUID, list[UUID]] = {}
    for contact_id, document_id in rows:
        if contact_id is not None:
            by_contact.setdefault(contact_id, []).append(document_id)
    return each_by_itself(by_contact.items(), lambda row: _tell(*row), name=KIND)


def _tell(contact_id: UUID, document_ids: Sequence[UUID]) -> int:
    with transaction():
        files = db.session.execute(
            sa.select(Document, Client.name, ClientRequest)
            .join(Client, Client.id == Document.client_id)
            .join(ClientContact, sa.and_(ClientContact.client_id == Client.id, ClientContact.portal_access,
                                         ClientContact.contact_id == contact_id))
            .outerjoin(ItemDocument, ItemDocument.document_id == Document.id)
            .outerjoin(RequestItem, RequestItem.id == ItemDocument.item_id)
            .outerjoin(ClientRequest, sa.and_(ClientRequest.id == RequestItem.request_id,
                                              ClientRequest.state.in_(ANSWERABLE)))
            .where(Document.id.in_(document_ids)).order_by(Document.checked_at)
        ).all()
        contact, email = db.session.get_one(Contact, contact_id), _address(contact_id)
        if not files or email is None:
            return 0
        request = next((row[2] for row in files if row[2] is not None), None)
        send_mail(
            key=f"{KIND}:{files[0][0].id}", kind=KIND, to=email, name=contact.name, language=contact.language,
            subject=_l("We could not take a file that you sent"), template="files_refused", contact_id=contact_id,
            client_id=files[0][0].client_id, about=request,
            context={
                "name": contact.name, "link": _way_in(request, contact_id),
                "files": [{"name": row[0].name, "client": row[1], "because": row[0].rejected_because} for row in files],
            },
        )
    return 1


def tell_again(delivery: Delivery, *, by: Actor) -> None:
    """The same letter with a link of its own, to the address that the contact has now."""
    authorize(by, can_see_to, delivery)
    request = get_request(delivery.about_id, seen_by=by) if delivery.about_id else None
    if request is not None:
        authorize(by, can_edit_request, request)
    contact_id, reaches = delivery.contact_id, sa.exists().where(
        ClientContact.client_id == delivery.client_id, ClientContact.contact_id == delivery.contact_id,
        ClientContact.portal_access,
    )
    email = _address(contact_id) if contact_id and db.session.scalar(sa.select(reaches)) else None
    if contact_id is None or email is None:
        raise Refused("This contact has no address any more, or does not see the client in the portal.")
    answerable = request if request is not None and request.state in ANSWERABLE else None
    copy_mail(delivery, to=email, by=by, link=_way_in(answerable, contact_id))


def _address(contact_id: UUID) -> str | None:
    return db.session.scalar(
        sa.select(ContactAddress.value).join(Contact, Contact.id == ContactAddress.contact_id)
        .where(Contact.id == contact_id, Contact.archived_at.is_(None), ContactAddress.kind == AddressKind.EMAIL)
        .order_by(ContactAddress.position).limit(1)
    )


def _way_in(request: ClientRequest | None, contact_id: UUID) -> str:
    """To the request that the file was for, else to the documents."""
    if request is not None:
        return make_link(request, contact_id)
    return f"{current_app.config['SETTINGS'].public_url}/portal/documents/"
