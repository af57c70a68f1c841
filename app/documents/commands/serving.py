"""Handing documents out, and deciding who may look at them."""

from __future__ import annotations

from flask import current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer

from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import transaction
from app.core.errors import NotFound, Refused
from app.core.locking import lock_row
from app.core.permissions import authorize
from app.core.storage import storage
from app.core.viewing import MOST_SHOWN, Shown
from app.documents.inspection.kinds import INLINE
from app.documents.models import Document
from app.documents.policy import can_edit_document, can_open_document
from app.documents.queries import get_holds

PASS_SECONDS = 15 * 60  # a viewer asks for further parts while somebody reads


def open_document(document: Document, *, by: Actor) -> str:
    """A link of storage that downloads it for two minutes; each opening is recorded."""
    authorize(by, can_open_document, document)
    _refuse_held(document, by)
    with transaction():
        record("documents.document.opened", document, by=by, name=document.name, shown=False)
    return storage().link(document.kept_key or "", name=document.name, content_type=document.media_type)


def show_document(document: Document, *, by: Actor) -> str:
    """A pass by which whoever opens it is shown it for a while, part by part; the opening is recorded once."""
    authorize(by, can_open_document, document)
    if not document.can_be_shown:
        raise Refused("This file is downloaded, not shown.")
    _refuse_held(document, by)
    with transaction():
        record("documents.document.opened", document, by=by, name=document.name, shown=True)
    return str(_passes().dumps(_pass_of(document, by)))


def shown_by_pass(document: Document, token: str, *, by: Actor) -> Shown | None:
    """What the holder of a pass is shown, who is asked again each time; None where it is another's or too old."""
    authorize(by, can_open_document, document)
    try:
        held = _passes().loads(token, max_age=PASS_SECONDS)
    except BadSignature:
        return None
    if held != _pass_of(document, by) or not document.can_be_shown:
        return None
    _refuse_held(document, by)
    return _shown(document, itself=document.media_type in INLINE and document.size <= MOST_SHOWN)


def _shown(document: Document, *, itself: bool) -> Shown:
    """What is shown of a document that can be: itself, or the picture that browsers show."""
    tag = (document.sha256 or b"").hex()
    if itself or document.preview_key is None:
        return Shown(document.kept_key or "", document.name, document.media_type, document.size, tag)
    return Shown(document.preview_key, f"{document.name}.jpg", "image/jpeg", tag=f"{tag}-preview")


def open_preview(document: Document, *, by: Actor) -> Shown:
    """The small picture of a document; where there is none, the document itself, if it can be shown."""
    authorize(by, can_open_document, document)
    _refuse_held(document, by)
    if not document.can_be_shown:
        raise NotFound()
    with transaction():
        record("documents.document.opened", document, by=by, name=document.name, shown=True)
    return _shown(document, itself=False)


def open_jpeg(document: Document, *, by: Actor) -> str:
    """A link that downloads a phone's picture as JPEG; each opening is recorded."""
    authorize(by, can_open_document, document)
    _refuse_held(document, by)
    if document.jpeg_key is None:
        raise NotFound()
    with transaction():
        record("documents.document.opened", document, by=by, name=document.name, shown=False)
    name = f"{document.name.rpartition('.')[0] or document.name}.jpg"
    return storage().link(document.jpeg_key, name=name, content_type="image/jpeg")


def thumbnail_of(document: Document, *, by: Actor) -> Shown:
    """The document drawn small, as lists show it: no opening of it."""
    authorize(by, can_open_document, document)
    _refuse_held(document, by)
    if document.thumbnail_key is None:
        raise NotFound()
    tag = f"{(document.sha256 or b'').hex()}-thumbnail"
    return Shown(document.thumbnail_key, f"{document.name}.jpg", "image/jpeg", tag=tag)


def _refuse_held(document: Document, by: Actor) -> None:
    if not document.is_available or document.kept_key is None:
        raise Refused("This file is still being checked. Try again in a moment.")
    holds = get_holds(document, seen_by=by) if by.is_contact else ()
    if holds:
        raise Refused(holds[0].reason)


def _pass_of(document: Document, by: Actor) -> list[str]:
    return [str(document.id), by.kind.value, str(by.id)]


def _passes() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or "", salt="document.view")


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
