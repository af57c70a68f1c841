"""Checking what arrived, and tidying what never did."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa
import structlog

from app.core.actors import SYSTEM
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import FirmamentError
from app.core.ids import parse_id
from app.core.queue import FILES, LARGE, LONGEST, NOW, SWEEPS, background, enqueue
from app.core.storage import ObjectMissing, StorageUnavailable, storage
from app.documents.commands.checking import QUICKLY, check_document, left_in_hand, look_again
from app.documents.commands.drawing import draw_kept, draw_rest
from app.documents.commands.uploads import IN_ONE_PIECE, abandon_upload, check_of, complete_upload
from app.documents.models import Document, DocumentState, Upload
from app.documents.proof import find_differences

log = structlog.get_logger()
LEFT_STANDING = dt.timedelta(minutes=10)
LEFT_STANDING_PLAIN = dt.timedelta(seconds=20)
ABANDONED = dt.timedelta(hours=24)


@background("documents.check", queue=FILES, seconds=QUICKLY)
def check(id: str) -> None:
    check_document(UUID(id), by=SYSTEM)


@background("documents.check_large", queue=LARGE, seconds=LONGEST)
def check_large(id: str) -> None:
    check_document(UUID(id), by=SYSTEM)


@background("documents.recheck", every=30, queue=NOW, seconds=60)
def find_unchecked() -> None:
    """Send again what arrived and was not looked at, or was being looked at by a worker that died."""
    with transaction() as session:
        waiting = session.execute(sa.select(Document.id, Document.size).where(sa.or_(
            sa.and_(Document.state == DocumentState.RECEIVED, Document.received_at < now() - dt.timedelta(seconds=30)),
            left_in_hand(),
        )).order_by(Document.received_at).limit(200)).all()
        for row in waiting:
            enqueue(check_of(row.size), id=str(row.id))


@background("documents.tend", every=30, queue=NOW, seconds=60)
def tend_uploads() -> None:
    """Uploads left standing: each is looked at by itself, for storage may be slow to answer."""
    with transaction() as session:
        for document_id in session.scalars(
            sa.select(Document.id)
            .outerjoin(Upload, Upload.document_id == Document.id)
            .where(Document.state == DocumentState.UPLOADING, Document.created_at < sa.case(
                (Upload.id.is_(None), now() - ABANDONED),
                (Upload.storage_id == IN_ONE_PIECE, now() - LEFT_STANDING_PLAIN), else_=now() - LEFT_STANDING,
            )).order_by(Document.created_at).limit(100)
        ):
            enqueue("documents.tend_one", id=str(document_id))


@background("documents.tend_one", queue=FILES, seconds=300)
def tend_upload(id: str) -> None:
    """Take in what has arrived whole, forget what was given up."""
    row = db.session.execute(
        sa.select(Document.id, Document.created_at, Document.incoming_key, Upload.id.is_(None).label("given_up"))
        .outerjoin(Upload, Upload.document_id == Document.id)
        .where(Document.id == UUID(id), Document.state == DocumentState.UPLOADING)
    ).one_or_none()
    db.session.rollback()
    if row is None:
        return
    try:
        if not row.given_up and storage().exists(row.incoming_key):
            complete_upload(row.id, by=SYSTEM)
        elif row.created_at < now() - ABANDONED:
            abandon_upload(row.id, by=SYSTEM)
    except FirmamentError as error:
        log.warning("upload.untended", document=str(row.id), error=error.message)


@background("documents.look_again", every=60, queue=SWEEPS, seconds=LONGEST)
def look_at_older_pdfs() -> None:
    look_again(by=SYSTEM)


@background("documents.draw", queue=FILES, seconds=300)
def draw(id: str) -> None:
    draw_kept(UUID(id), by=SYSTEM)


@background("documents.draw_rest", every=60, queue=SWEEPS, seconds=LONGEST)
def draw_what_is_left() -> None:
    draw_rest(by=SYSTEM)


@background("documents.reap", every=3600, queue=SWEEPS, seconds=LONGEST)
def reap_storage() -> None:
    """What no upload or document knows is removed after a day; what does not fit together is reported."""
    known = set(db.session.scalars(sa.select(Upload.storage_id)).all())
    awaited = set(db.session.scalars(sa.select(Document.incoming_key).where(Document.incoming_key.is_not(None))))
    db.session.rollback()
    for key, storage_id, begun in storage().unfinished("incoming/"):
        if storage_id not in known and begun < now() - ABANDONED:
            try:
                storage().abort_multipart(key, storage_id)
            except (ObjectMissing, StorageUnavailable):
                continue
            log.info("upload.reaped", key=key)
    for key, _size in list(storage().keys("incoming/")):  # a worker died between keeping a file and removing this
        if key not in awaited and _made_at(key) < now() - ABANDONED:
            storage().delete(key)
            log.info("upload.reaped", key=key)
    for difference in find_differences():
        log.warning("documents.difference", difference=difference)


def _made_at(key: str) -> dt.datetime:
    """When an incoming key was given: its id begins with the time. A key of another shape is never old."""
    made = parse_id(key.removeprefix("incoming/"))
    return dt.datetime.fromtimestamp((made.int >> 80) / 1000, dt.UTC) if made and made.version == 7 else now()
