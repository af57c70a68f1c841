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
from app.core.permissions import authorize
from app.delivery.commands import send_mail
from app.delivery.models import Delivery
from app.documents.models import Document, DocumentState
from app.requests.commands.sending import make_link
from app.requests.models import ANSWERABLE, ClientRequest, ItemDocument, RequestItem
from app.requests.policy import is_system

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
        Delivery.kind == KIND, Delivery.contact_id == Document.added_by,
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
        contact = db.session.get_one(Contact, contact_id)
        email = db.session.scalar(
            sa.select(ContactAddress.value)
            .where(ContactAddress.contact_id == contact_id, ContactAddress.kind == AddressKind.EMAIL)
            .order_by(ContactAddress.position).limit(1)
        )
        if not files or email is None or contact.archived_at is not None:
            return 0
        request = next((row[2] for row in files if row[2] is not None), None)
        portal = f"{current_app.config['SETTINGS'].public_url}/portal/documents/"
        send_mail(
            key=f"{KIND}:{files[0][0].id}", kind=KIND, to=email, name=contact.name, language=contact.language,
            subject=_l("We could not take a file that you sent"), template="files_refused", contact_id=contact_id,
            client_id=files[0][0].client_id,
            context={
                "name": contact.name, "link": make_link(request, contact_id) if request else portal,
                "files": [{"name": row[0].name, "client": row[1], "because": row[0].rejected_because} for row in files],
            },
        )
    return 1
