"""What happens to a file on arrival: hashed whole, told by content, kept out of reach or turned away."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO
from uuid import UUID

import sqlalchemy as sa
import structlog

from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.locking import to_lock
from app.core.permissions import authorize
from app.core.queue import LONGEST, enqueue
from app.core.storage import ObjectMissing, storage
from app.documents.commands.uploads import CLIENT_QUOTA, MOST_BYTES, QUICK_CHECK
from app.documents.inspection.apart import PDF
from app.documents.inspection.drawings import DRAWN
from app.documents.inspection.kinds import Kind, Unacceptable, fitting_name
from app.documents.inspection.look import look_at
from app.documents.inspection.pdfs import Look
from app.documents.models import Document, DocumentState, Upload
from app.documents.policy import can_check_documents

log = structlog.get_logger()
QUICKLY = 540  # seconds that the check of a file takes at most, unless it is a large one
CHUNK = 1 << 20
DAMAGED_ON_THE_WAY = "This file was damaged on its way to us. Please upload it again."
LOST = "This file did not reach us. Please upload it again."
NO_ROOM = "There is no room for more files. Please speak to us."


@dataclass(frozen=True)
class Findings:
    """What a check found out."""

    kind: Kind
    sha256: bytes
    size: int
    preview: bytes | None
    look: Look | None


def check_document(document_id: UUID, *, by: Actor) -> None:
    """Check one arrived file and keep or refuse it; whoever else comes for the same file meanwhile finds it taken."""
    authorize(by, can_check_documents)
    document = _take(document_id)
    if document is None:
        return
    incoming_key = document.incoming_key  # the row forgets it when it is kept or refused
    upload = db.session.scalar(sa.select(Upload).where(Upload.document_id == document_id))
    digests, size_of_part = (upload.digests, upload.part_size) if upload else ([], 0)
    with tempfile.TemporaryFile() as file:
        try:
            findings = _inspect(document, file, digests, size_of_part)
        except Unacceptable as reason:
            _reject(document_id, str(reason), by=by)
        else:
            _keep(document, findings, file, by=by)
    if incoming_key:
        with contextlib.suppress(ObjectMissing):
            storage().delete(incoming_key)


def left_in_hand() -> sa.ColumnElement[bool]:
    """What is being checked for longer than any check may take: whoever had it in hand has died."""
    longest = sa.case((Document.size > QUICK_CHECK, LONGEST), else_=QUICKLY) + 60
    taken = Document.checking_at < now() - sa.func.make_interval(0, 0, 0, 0, 0, 0, longest)
    return sa.and_(Document.state == DocumentState.CHECKING, taken)


def _take(document_id: UUID) -> Document | None:
    with transaction() as session:
        document = session.scalar(
            to_lock(
                sa.select(Document).where(
                    Document.id == document_id,
                    sa.or_(
                        Document.state == DocumentState.RECEIVED,
                        left_in_hand(),
                    ),
                ),
                skip_taken=True,
            )
        )
        if document is None:
            return None
        if document.state is DocumentState.RECEIVED:
            document.move_to(DocumentState.CHECKING)
        document.checking_at = now()
    return document


def _inspect(document: Document, file: IO[bytes], digests: Sequence[str], size_of_part: int) -> Findings:
    sha256, size, parts = _fetch(document.incoming_key or "", file, size_of_part if digests else 0)
    if size != document.size or (digests and list(digests) != parts):
        raise Unacceptable(DAMAGED_ON_THE_WAY)
    seen = look_at(file, size, document.name)
    return Findings(seen.kind, sha256, size, seen.preview, seen.look)


def _fetch(key: str, file: IO[bytes], size_of_part: int) -> tuple[bytes, int, list[str]]:
    """Stream the object into a file: its SHA-256, its true size, and the digest of each part of the given size."""
    whole, part, parts, size, in_part = hashlib.sha256(), hashlib.sha256(), list[str](), 0, 0
    try:
        for chunk in storage().chunks(key, CHUNK):
            whole.update(chunk)
            file.write(chunk)
            size += len(chunk)
            if size > MOST_BYTES:
                raise Unacceptable("This file is larger than 2 GB. Please send it in parts.")
            rest = memoryview(chunk)
            while size_of_part and rest:
                taken = rest[: size_of_part - in_part]
                part.update(taken)
                in_part, rest = in_part + len(taken), rest[len(taken):]
                if in_part == size_of_part:
                    parts.append(part.hexdigest())
                    part, in_part = hashlib.sha256(), 0
    except ObjectMissing as error:
        raise Unacceptable(LOST) from error
    if in_part:
        parts.append(part.hexdigest())
    return whole.digest(), size, parts


def _keep(document: Document, findings: Findings, file: IO[bytes], *, by: Actor) -> None:
    kept_key, preview_key = f"kept/{document.id}", f"kept/{document.id}-preview" if findings.preview else None
    file.seek(0)
    storage().put(kept_key, file, findings.kind.media_type)
    if findings.preview and preview_key:
        storage().put(preview_key, io.BytesIO(findings.preview), "image/jpeg")
    with transaction() as session:
        row = _locked(document.id)
        if row is None:
            return
        if _used(row.client_id) > CLIENT_QUOTA:
            return _reject(document.id, NO_ROOM, by=by)
        row.move_to(DocumentState.AVAILABLE)
        row.name, row.remark = fitting_name(row.name, findings.kind)
        if findings.look is not None:
            row.download_only = findings.look.download_only
            row.remark = " ".join(filter(None, (row.remark, findings.look.remark)))
        row.size, row.sha256, row.media_type = findings.size, findings.sha256, findings.kind.media_type
        row.kept_key, row.preview_key, row.checked_at = kept_key, preview_key, now()
        row.same_as_id = _same_before(row)
        if findings.kind.media_type in DRAWN:
            enqueue("documents.draw", id=str(row.id))
        else:
            row.drawn_at = now()
        row.incoming_key = None
        session.execute(sa.delete(Upload).where(Upload.document_id == row.id))
        record("documents.document.kept", row, by=by, name=row.name, media_type=row.media_type, size=row.size,
               same_as=row.same_as_id, covers=[("document", row.id)])


def _reject(document_id: UUID, reason: str, *, by: Actor) -> None:
    with transaction() as session:
        row = _locked(document_id)
        if row is None:
            return
        row.move_to(DocumentState.REJECTED)
        row.rejected_because, row.checked_at, row.incoming_key = reason, now(), None
        session.execute(sa.delete(Upload).where(Upload.document_id == row.id))
        record("documents.document.rejected", row, by=by, name=row.name, reason=reason)
    log.info("document.rejected", document=str(document_id))


def look_again(*, by: Actor, most: int = 50) -> int:
    """Look at PDFs that were kept before anybody looked at what they would do; until then they are downloaded only."""
    authorize(by, can_check_documents)
    rows = db.session.execute(
        sa.select(Document.id, Document.kept_key).where(
            Document.download_only.is_(None), Document.state == DocumentState.AVAILABLE, Document.media_type == PDF
        ).order_by(Document.created_at.desc()).limit(most)
    ).all()
    db.session.rollback()
    for row in rows:
        with tempfile.TemporaryFile() as file:
            try:
                _sha256, size, _parts = _fetch(row.kept_key, file, 0)
                seen = look_at(file, size, "")
                alone = seen.look is None or seen.look.download_only
            except Unacceptable:
                alone = True
        with transaction() as session:
            session.execute(sa.update(Document).where(Document.id == row.id).values(download_only=alone))
    return len(rows)


def _locked(document_id: UUID) -> Document | None:
    return db.session.scalar(
        to_lock(sa.select(Document).where(Document.id == document_id, Document.state == DocumentState.CHECKING))
    )


def _used(client_id: UUID) -> int:
    return int(db.session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Document.size), 0))
        .where(Document.client_id == client_id, Document.state != DocumentState.REJECTED)
    ) or 0)


def _same_before(row: Document) -> UUID | None:
    """The first document of this client with the same content, if it is not this one."""
    return db.session.scalar(
        sa.select(Document.id)
        .where(Document.client_id == row.client_id, Document.sha256 == row.sha256, Document.id != row.id,
               Document.state == DocumentState.AVAILABLE, Document.archived_at.is_(None))
        .order_by(Document.created_at).limit(1)
    )
