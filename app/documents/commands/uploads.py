"""Taking files in: the browser sends them straight to storage, we keep the row and ask storage what has arrived."""

from __future__ import annotations

import contextlib
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.core.actors import SYSTEM, Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.locking import take_turn, to_lock
from app.core.once import digest_of, refuse_other_facts
from app.core.permissions import authorize
from app.core.queue import enqueue
from app.core.storage import ObjectMissing, Part, StorageUnavailable, storage
from app.documents.models import Document, DocumentState, Upload
from app.documents.policy import can_add_document, can_cancel_uploads, can_finish_upload

MEGABYTE = 1 << 20
MOST_BYTES = 2048 * MEGABYTE
CLIENT_QUOTA = 50 * 1024 * MEGABYTE
MOST_RESERVED = 8 * 1024 * MEGABYTE  # by one contact, of what has not arrived
MOST_UNDER_WAY = 200
PART_SIZE, MOST_PARTS = 8 * MEGABYTE, 256
QUICK_CHECK = 64 * MEGABYTE
TOO_MUCH_UNDER_WAY = (
    "More than 8 GB that you began to send has not arrived. Wait until it has, or cancel what is under way."
)
# What takes room: a file that was given up does so no more, though its row is there until it is tidied away.
_COUNTS = sa.and_(
    Document.state != DocumentState.REJECTED,
    sa.or_(Document.state != DocumentState.UPLOADING, Upload.id.is_not(None)),
)
TOO_MANY_UNDER_WAY = "Too many files that you began to send have not arrived. Wait until some have, or "
MAY_CANCEL = "cancel what is under way."
MAY_WAIT = "try again tomorrow: what has not come within a day is given up by itself."
NEVER_CAME = "This file never arrived."
GIVEN_UP = "This file was cancelled before it had arrived. Choose it again."
IN_ONE_PIECE = ""  # what storage calls an upload that a plain form posts: nothing, there are no parts to join
CANCELLED = "cancelled"
OCTETS = "application/octet-stream"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069/\\]+")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class NewFile:
    """What a browser says of a file before it sends it; the id is the browser's, so that asking twice makes one."""

    id: UUID
    name: str
    size: int


@dataclass(frozen=True)
class UploadPlan:
    """What a browser needs to send what is still missing: an address for each part.

    `state` is the document's, or CANCELLED: then the file is begun anew under another id.
    """

    document_id: UUID
    state: str
    part_size: int
    parts: int
    arrived: tuple[int, ...]
    addresses: dict[int, str]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": str(self.document_id), "state": self.state, "partSize": self.part_size, "parts": self.parts,
            "arrived": list(self.arrived), "addresses": {str(n): url for n, url in self.addresses.items()},
        }


Joined = Callable[[Document], None]


def clean_name(name: str) -> str:
    """A file name for people: its last path part without control and direction marks, at most 200 characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = _UNSAFE.sub(" ", unicodedata.normalize("NFC", last)).strip(" .")
    if len(kept) > 200:
        stem, dot, suffix = kept.rpartition(".")
        kept = f"{stem[: 199 - len(suffix)]}.{suffix}" if dot and len(suffix) <= 8 else kept[:200]
    return kept or "file"


def start_upload(
    file: NewFile, *, client_id: UUID, by: Actor, engagement_id: UUID | None = None, folder: str = "",
    client_sees: bool = False, joined: Joined | None = None, about: UUID | None = None,
) -> Document:
    """The row of a file that is about to be sent in parts. Asked again with the same id, the same row.

    `joined` runs in the same transaction, for the room above that ties the document to something of its own: `about`.
    Raises Conflict when the id was used for another file or another thing.
    """
    authorize(by, can_add_document, client_id, engagement_id)
    if file.size <= 0:
        raise Refused("This file is empty. Please check it on your computer and choose it again.", field="file")
    if file.size > MOST_BYTES:
        raise Refused("This file is larger than 2 GB. Please send it in parts, or compress it.", field="file")
    said = digest_of(file.name, file.size, client_id, about)
    existing = _own_document(file.id, client_id, by, said)
    if existing is not None:
        return existing
    _check_room(client_id, file.size, by)  # before anything is begun in storage
    key = f"incoming/{new_id()}"
    storage_id = storage().start_multipart(key, OCTETS)
    with transaction() as session:
        if (existing := _made_meanwhile(file.id, client_id, by, said)) is not None:
            return existing  # the parts begun here are reaped
        _check_room(client_id, file.size, by, hold=True)
        document = _new_document(file, client_id, by, key, engagement_id, folder, client_sees)
        document.made_from = said
        session.add(document)
        session.flush()
        if joined:
            joined(document)
        session.add(_new_upload(document, storage_id, part_size(file.size)))
    return document


def start_plain_upload(
    file: NewFile, *, client_id: UUID, by: Actor, client_sees: bool = False, joined: Joined | None = None,
    engagement_id: UUID | None = None, folder: str = "", about: UUID | None = None,
) -> Document:
    """The row of a file that a plain form will post to storage in one piece; its size is learnt on arrival."""
    authorize(by, can_add_document, client_id, engagement_id)
    said = digest_of(client_id, about)
    existing = _own_document(file.id, client_id, by, said)
    if existing is not None:
        return existing
    with transaction() as session:
        if (existing := _made_meanwhile(file.id, client_id, by, said)) is not None:
            return existing
        _check_room(client_id, 0, by, hold=True)
        document = _new_document(file, client_id, by, f"incoming/{new_id()}", engagement_id, folder, client_sees)
        document.made_from = said
        session.add(document)
        session.flush()
        if joined:
            joined(document)
        session.add(_new_upload(document, IN_ONE_PIECE, 0))
    return document


def take_in(
    file: NewFile, body: IO[bytes], *, client_id: UUID, by: Actor, client_sees: bool = False,
    joined: Joined | None = None, engagement_id: UUID | None = None, folder: str = "", about: UUID | None = None,
) -> Document:
    """A small file that came with a form, for browsers without script: it keeps its name and goes on to storage."""
    authorize(by, can_add_document, client_id, engagement_id)
    if file.size <= 0:
        raise Refused("This file is empty. Please check it on your computer and choose it again.", field="file")
    document = start_plain_upload(
        file, client_id=client_id, by=by, client_sees=client_sees, joined=joined, engagement_id=engagement_id,
        folder=folder, about=about,
    )
    storage().put(document.incoming_key or "", body, OCTETS)
    return complete_upload(document.id, by=by)


def plain_form(document: Document, *, redirect: str, by: Actor) -> dict[str, Any]:
    """Address and hidden fields of the form that posts the file straight to storage."""
    authorize(by, can_finish_upload, document)
    if document.state is not DocumentState.UPLOADING or document.incoming_key is None:
        raise Refused("This file has already arrived.")
    _upload_of(document.id)
    return storage().form(document.incoming_key, max_bytes=MOST_BYTES, redirect=redirect)


def plan_upload(document: Document, *, by: Actor) -> UploadPlan:
    """What is still to be sent; parts that storage already has are not asked for again."""
    authorize(by, can_finish_upload, document)
    upload = db.session.scalar(sa.select(Upload).where(Upload.document_id == document.id))
    is_arriving = document.state is DocumentState.UPLOADING
    if (is_arriving and upload is None) or document.rejected_because == NEVER_CAME:
        return UploadPlan(document.id, CANCELLED, 0, 0, (), {})
    if not is_arriving or upload is None or document.incoming_key is None:
        return UploadPlan(document.id, document.state.value, 0, 0, (), {})
    if upload.storage_id == IN_ONE_PIECE:
        return UploadPlan(document.id, document.state.value, 0, 0, (), {})
    count = _count(document.size, upload.part_size)
    try:
        listed = storage().parts(document.incoming_key, upload.storage_id)
        arrived = _whole_parts(listed, document.size, upload.part_size)
    except ObjectMissing:  # finished in storage; only the completion is left to say
        return UploadPlan(document.id, document.state.value, upload.part_size, count, tuple(range(1, count + 1)), {})
    addresses = {
        number: storage().part_url(document.incoming_key, upload.storage_id, number)
        for number in range(1, count + 1) if number not in arrived
    }
    return UploadPlan(document.id, document.state.value, upload.part_size, count, tuple(sorted(arrived)), addresses)


def complete_upload(document_id: UUID, *, by: Actor, digests: Sequence[str] = ()) -> Document:
    """Everything is there: join the parts and send the file to be checked. Safe to ask twice, and at once."""
    document = db.session.scalar(sa.select(Document).where(Document.id == document_id))
    if document is None:
        raise NotFound()
    authorize(by, can_finish_upload, document)
    if document.state is not DocumentState.UPLOADING:
        return document
    upload = _upload_of(document_id)
    size = _joined_size(document, upload)
    kept_digests = list(digests) if all(_DIGEST.fullmatch(d) for d in digests) else []
    with transaction() as session:
        locked = session.scalar(
            to_lock(
                sa.select(Document).where(Document.id == document_id, Document.state == DocumentState.UPLOADING)
            )
        )
        if locked is None:
            session.expire(document)
            return session.scalars(sa.select(Document).where(Document.id == document_id)).one()
        locked.move_to(DocumentState.RECEIVED)
        locked.size, locked.received_at = size, now()
        upload.digests, upload.finished_at = kept_digests, now()
        record("documents.document.received", locked, by=by, name=locked.name, size=size)
        enqueue(check_of(size), id=str(document_id))
    return locked


def abandon_upload(document_id: UUID, *, by: Actor) -> None:
    """Give up a file that did not arrive: its parts in storage at once, its row when the system tidies up."""
    document = db.session.scalar(sa.select(Document).where(Document.id == document_id))
    if document is None or document.state is not DocumentState.UPLOADING:
        return
    authorize(by, can_finish_upload, document)
    upload = db.session.scalar(sa.select(Upload).where(Upload.document_id == document_id))
    key = document.incoming_key or ""
    if upload is not None and upload.storage_id != IN_ONE_PIECE:
        with contextlib.suppress(ObjectMissing):
            storage().abort_multipart(key, upload.storage_id)
    with transaction() as session:
        session.execute(sa.delete(Upload).where(Upload.document_id == document_id))
        if by.is_system:
            row = session.scalars(
                to_lock(sa.select(Document).where(Document.id == document_id))
            ).one()
            if row.state is DocumentState.UPLOADING:
                row.move_to(DocumentState.REJECTED)
                row.rejected_because, row.archived_at, row.incoming_key = NEVER_CAME, now(), None


def check_of(size: int) -> str:
    """The work that checks a file of this size: small ones never wait behind large ones."""
    return "documents.check" if size <= QUICK_CHECK else "documents.check_large"


def cancel_under_way(*, by: Actor) -> int:
    """Give up everything that this person began to send and that has not arrived; returns how many files.

    What has all of its parts and only waits to be joined is given up too.
    """
    authorize(by, can_cancel_uploads)
    ids = db.session.scalars(
        sa.select(Document.id).join(Upload, Upload.document_id == Document.id).where(*_under_way_of(by))
        .order_by(Document.id)
    ).all()
    for document_id in ids:
        abandon_upload(document_id, by=by)
    return len(ids)


def part_size(size: int) -> int:
    """Eight megabytes, and more only where there would be more than 256 parts."""
    return max(PART_SIZE, math.ceil(size / MOST_PARTS / MEGABYTE) * MEGABYTE)


def _count(size: int, each: int) -> int:
    return max(1, math.ceil(size / each))


def _whole_parts(listed: Sequence[Part], size: int, each: int) -> dict[int, Part]:
    """One part for each number, of the size it must have: a part sent twice may be listed twice."""
    return {part.number: part for part in listed if part.size == _size_of(part.number, size, each)}


def _size_of(number: int, size: int, each: int) -> int:
    return min(each, size - (number - 1) * each)


def _upload_of(document_id: UUID) -> Upload:
    """Of a file that has not arrived. Refuses one that was cancelled, whatever a page from before still sends."""
    upload = db.session.scalar(sa.select(Upload).where(Upload.document_id == document_id))
    if upload is None:
        raise Refused(GIVEN_UP, field="file")
    return upload


def _joined_size(document: Document, upload: Upload) -> int:
    """Join the parts if that is still to be done; the size that storage now has. Outside of any transaction."""
    key = document.incoming_key or ""
    store = storage()
    in_parts = upload.storage_id != IN_ONE_PIECE
    if in_parts:
        try:
            parts = _whole_parts(store.parts(key, upload.storage_id), document.size, upload.part_size)
            if len(parts) != _count(document.size, upload.part_size):
                raise Refused("Parts of this file are missing yet. Choose it again; nothing is sent twice.")
            store.finish_multipart(key, upload.storage_id, [parts[number] for number in sorted(parts)])
        except ObjectMissing:
            pass
        except StorageUnavailable:
            if not store.exists(key):
                raise
    try:
        size = store.size(key)
    except ObjectMissing:
        raise Refused("This file has not arrived. Choose it again.", field="file") from None
    if in_parts and size != document.size:
        raise Refused("This file did not arrive whole. Choose it again.", field="file")
    return size


def _made_meanwhile(document_id: UUID, client_id: UUID, by: Actor, said: UUID) -> Document | None:
    """Of two who ask at once with the same id, the second finds what the first has made."""
    take_turn(document_id)
    return _own_document(document_id, client_id, by, said)


def _own_document(document_id: UUID, client_id: UUID, by: Actor, said: UUID) -> Document | None:
    document = db.session.scalar(sa.select(Document).where(Document.id == document_id))
    if document is None:
        return None
    if document.client_id != client_id or document.added_by != by.id:
        raise NotFound()
    refuse_other_facts(document, said)
    return document


def _new_document(
    file: NewFile, client_id: UUID, by: Actor, key: str, engagement_id: UUID | None, folder: str, client_sees: bool
) -> Document:
    return Document(
        id=file.id, client_id=client_id, engagement_id=engagement_id, folder=folder, name=clean_name(file.name),
        state=DocumentState.UPLOADING, size=max(file.size, 0), media_type="", sha256=None, incoming_key=key,
        kept_key=None, preview_key=None, client_sees=client_sees, rejected_because="", remark="", same_as_id=None,
        added_kind=by.kind, added_by=by.id, created_at=now(), received_at=None, checking_at=None, checked_at=None,
        archived_at=None,
    )


def _new_upload(document: Document, storage_id: str, part_size: int) -> Upload:
    return Upload(
        document_id=document.id, client_id=document.client_id, storage_id=storage_id, part_size=part_size, digests=[],
        created_at=now(), finished_at=None,
    )


def _check_room(client_id: UUID, size: int, by: Actor, *, hold: bool = False) -> None:
    """Refuse what would not fit any more, or what one person or contact promises beyond measure.

    A contact's own view of the client's files is partial: the check on arrival is whole. `hold`: whoever else asks for
    room of this client or in this name waits until this transaction ends.
    """
    if hold:
        take_turn(f"room of {client_id}", f"room for {by.id}")
    used = db.session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Document.size).filter(_COUNTS), 0))
        .outerjoin(Upload, Upload.document_id == Document.id).where(Document.client_id == client_id)
    ) or 0
    if used + size > CLIENT_QUOTA:
        raise Refused("There is no room for more files of this client. Please speak to us.", field="file")
    if by is SYSTEM:
        return
    files, reserved = _promised(by)
    if files >= MOST_UNDER_WAY:
        raise Refused(TOO_MANY_UNDER_WAY + (MAY_CANCEL if by.is_contact else MAY_WAIT), field="file")
    if by.is_contact and reserved + size > MOST_RESERVED:
        raise Refused(TOO_MUCH_UNDER_WAY, field="file")


def _promised(by: Actor) -> tuple[int, int]:
    """How many files, and bytes, they said they send and have not sent; by a request's link, of other requests too."""
    seen = (
        sa.select(sa.func.count().label("files"), sa.func.coalesce(sa.func.sum(Document.size), 0).label("size"))
        .join(Upload, Upload.document_id == Document.id).where(*_under_way_of(by)).subquery()
    )
    files, size = db.session.execute(sa.select(
        sa.func.greatest(seen.c.files, sa.func.portal_begun()), sa.func.greatest(seen.c.size, sa.func.portal_reserved())
    )).one()
    return int(files), int(size)


def _under_way_of(by: Actor) -> tuple[sa.ColumnElement[bool], ...]:
    return Document.state == DocumentState.UPLOADING, Document.added_by == by.id, Document.added_kind == by.kind
