"""Drawing what was kept: after the check, in the background, so that nobody waits for a picture."""

from __future__ import annotations

import io
import tempfile
from uuid import UUID

import sqlalchemy as sa

from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.each import each_by_itself
from app.core.permissions import authorize
from app.core.storage import ObjectMissing, storage
from app.documents.inspection.drawings import DRAWN, MOST_READ, Drawn, draw
from app.documents.models import Document, DocumentState
from app.documents.policy import can_check_documents

AT_ONCE = 20


def draw_kept(document_id: UUID, *, by: Actor) -> None:
    """Draw one kept file, if nobody has; what cannot be drawn is not tried again."""
    authorize(by, can_check_documents)
    row = db.session.execute(
        sa.select(Document.kept_key, Document.size, Document.media_type).where(Document.id == document_id, *_undrawn())
    ).one_or_none()
    db.session.rollback()
    if row is None:
        return
    drawn = _draw(row.kept_key, row.media_type) if row.media_type in DRAWN and row.size <= MOST_READ else Drawn()
    keys = {
        "thumbnail_key": _kept(f"{row.kept_key}-thumbnail", drawn.thumbnail),
        "jpeg_key": _kept(f"{row.kept_key}-jpeg", drawn.jpeg),
    }
    with transaction() as session:
        session.execute(
            sa.update(Document).where(Document.id == document_id, *_undrawn()).values(drawn_at=now(), **keys)
        )


def draw_rest(*, by: Actor) -> int:
    """Draw what no worker has drawn yet: files of before, and those whose worker died."""
    authorize(by, can_check_documents)
    newest = sa.select(Document.id).where(*_undrawn()).order_by(Document.created_at.desc()).limit(AT_ONCE)
    waiting = list(db.session.scalars(newest))
    db.session.rollback()
    each_by_itself(waiting, lambda document_id: draw_kept(document_id, by=by), name="documents.draw")
    return len(waiting)


def _undrawn() -> tuple[sa.ColumnElement[bool], ...]:
    return Document.state == DocumentState.AVAILABLE, Document.drawn_at.is_(None)


def _draw(key: str, media_type: str) -> Drawn:
    with tempfile.TemporaryFile() as file:
        size = 0
        try:
            for chunk in storage().chunks(key):
                size += file.write(chunk)
        except ObjectMissing:
            return Drawn()
        return draw(file, size, media_type)


def _kept(key: str, body: bytes | None) -> str | None:
    if body is None:
        return None
    storage().put(key, io.BytesIO(body), "image/jpeg")
    return key
