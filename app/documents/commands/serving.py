"""Handing documents out, and deciding who may look at them."""

from __future__ import annotations

from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import transaction
from app.core.errors import Refused
from app.core.locking import lock_row
from app.core.permissions import authorize
from app.core.storage import storage
from app.documents.inspection.kinds import INLINE
from app.documents.models import Document
from app.documents.policy import can_edit_document, can_open_document
from app.documents.queries import get_holds


def open_document(document: Document, *, by: Actor, inline: bool = False) -> str:
    """A link that works for two minutes and says by itself what the file is; each opening is recorded.

    Shown in the browser only what cannot run there (`INLINE`, and nothing active in it); all else is downloaded.
    """
    authorize(by, can_open_document, document)
    if not document.is_available or document.kept_key is None:
        raise Refused("This file is still being checked. Try again in a moment.")
    if by.is_contact:
        holds = get_holds(document, seen_by=by)
        if holds:
            raise Refused(holds[0].reason)
    shown = inline and document.media_type in INLINE and document.download_only is False
    with transaction():
        record("documents.document.opened", document, by=by, name=document.name, shown=shown)
    return storage().link(document.kept_key, name=document.name, content_type=document.media_type, inline=shown)


def open_preview(document: Document, *, by: Actor) -> str:
    """A link to the small picture of a document; where there is none, to the document itself, if it can be shown."""
    if document.preview_key is None:
        return open_document(document, by=by, inline=True)
    authorize(by, can_open_document, document)
    with transaction():
        record("documents.document.opened", document, by=by, name=document.name, shown=True)
    return storage().link(document.preview_key, name=f"{document.name}.jpg", content_type="image/jpeg", inline=True)


def share_document(document: Document, *, by: Actor) -> None:
    """Let the client's contacts with portal access see it."""
    authorize(by, can_edit_document, document)
    with transaction() as session:
        lock_row(document, "client_sees")
        if document.client_sees:
            return
        document.client_sees = True
        session.add(document)
        record("documents.document.shared", document, by=by, name=document.name)


def unshare_document(document: Document, *, by: Actor) -> None:
    authorize(by, can_edit_document, document)
    with transaction() as session:
        lock_row(document, "client_sees")
        if not document.client_sees:
            return
        document.client_sees = False
        session.add(document)
        record("documents.document.unshared", document, by=by, name=document.name)


def archive_document(document: Document, *, by: Actor) -> None:
    """Take it out of every list; the file itself goes by retention."""
    authorize(by, can_edit_document, document)
    with transaction() as session:
        lock_row(document, "archived_at")
        if document.archived_at is not None:
            return
        document.archived_at = now()
        session.add(document)
        record("documents.document.archived", document, by=by, name=document.name)
