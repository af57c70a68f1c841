"""Who may see, add and open documents."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from app.clients.policy import can_see, within_sight
from app.core.actors import Actor
from app.core.permissions import Permission
from app.documents.models import Document


def documents_seen_by(actor: Actor) -> sa.Select[Document]:
    """A contact sees what they gave and what is shared; a request link, only what row security leaves of it."""
    statement = sa.select(Document).where(
        *within_sight(actor, Document.client_id, Document.engagement_id), Document.archived_at.is_(None)
    )
    if actor.is_contact and actor.signed_in:
        return statement.where(sa.or_(Document.client_sees, Document.added_by == actor.id))
    return statement


def can_add_document(by: Actor, client_id: UUID, engagement_id: UUID | None = None) -> bool:
    if by.is_contact:
        return client_id in by.client_ids
    return by.may(Permission.DOCUMENT_ADD) and can_see(by, client_id, engagement_id)


def can_finish_upload(by: Actor, document: Document) -> bool:
    """Whoever began an upload ends it; the system ends what was left standing."""
    return by.is_system or (document.added_by == by.id and document.added_kind is by.kind)


def can_cancel_uploads(by: Actor) -> bool:
    """Of one's own: the system has none."""
    return by.is_contact or by.is_person


def can_open_document(by: Actor, document: Document) -> bool:
    """Opening what is stored takes a sign-in link; a request's own link is not enough."""
    if by.is_contact:
        return by.signed_in and document.client_id in by.client_ids
    return by.is_system or can_see(by, document.client_id, document.engagement_id)


def can_edit_document(by: Actor, document: Document) -> bool:
    return by.may(Permission.DOCUMENT_ADD) and can_see(by, document.client_id, document.engagement_id)


def can_check_documents(by: Actor) -> bool:
    return by.is_system
