"""Requests for the tests: written, sent, with the files that hostile and friendly people send."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.core.actors import SYSTEM, Actor
from app.core.db import db
from app.core.ids import new_id
from app.core.storage import storage
from app.delivery.models import Delivery
from app.documents.commands.checking import check_document
from app.documents.commands.uploads import NewFile, complete_upload
from app.documents.models import Document, Upload
from app.requests.commands.answering import start_item_upload
from app.requests.commands.sending import send_request
from app.requests.commands.writing import ItemSpec, NewRequest, create_request
from app.requests.models import ClientRequest, ItemKind, RequestItem
from app.requests.queries import get_request

FILES = Path(__file__).parents[1] / "data" / "documents"
STATEMENTS = ItemSpec(ItemKind.UPLOAD, "Bank statements October", code="statements")
TURNOVER = ItemSpec(ItemKind.AMOUNT, "Turnover of the quarter", code="turnover")
NOTES = ItemSpec(ItemKind.LONG_TEXT, "Anything we should know?", required=False, code="notes")


def make_request(
    cast: Any, *, items: tuple[ItemSpec, ...] = (STATEMENTS, TURNOVER, NOTES), by: Actor | None = None,
    sent: bool = True, client: Any = None, **values: Any,
) -> ClientRequest:
    """Asked of Acme (so of Cleo) by Mel unless said otherwise."""
    client = client or cast.acme
    by = by or cast.actor(cast.mel)
    request = create_request(NewRequest(
        id=new_id(), client_id=client.id, name=values.pop("name", "VAT return Q3"), items=items, **values,
    ), by=by)
    if sent:
        send_request(request, by=by)
    return get_request(request.id, seen_by=SYSTEM)


def item_of(request: ClientRequest, code: str) -> RequestItem:
    """The item with this code, as it is now."""
    return next(item for item in get_request(request.id, seen_by=SYSTEM).items if item.code == code)


def fresh(request: ClientRequest) -> ClientRequest:
    """As another process would find it now."""
    db.session.expire_all()
    return get_request(request.id, seen_by=SYSTEM)


def put_parts(document: Document, body: bytes) -> list[str]:
    """What a browser does with a plan: each part to storage. Returns the parts' digests."""
    upload = db.session.scalars(sa.select(Upload).where(Upload.document_id == document.id)).one()
    digests = []
    for number, at in enumerate(range(0, len(body), upload.part_size), 1):
        part = body[at : at + upload.part_size]
        storage()._call("upload_part", Key=document.incoming_key, UploadId=upload.storage_id, PartNumber=number,
                        Body=part)
        digests.append(hashlib.sha256(part).hexdigest())
    return digests


def give_file(item: RequestItem, name: str, body: bytes, *, by: Actor, check: bool = True) -> Document:
    """A file sent for an item, through the whole way unless `check` is off."""
    document = start_item_upload(item, NewFile(new_id(), name, len(body)), by=by)
    digests = put_parts(document, body)
    complete_upload(document.id, by=by, digests=digests)
    if check:
        check_document(document.id, by=SYSTEM)
    db.session.expire_all()
    return db.session.get_one(Document, document.id)


def mails(kind: str = "") -> list[Delivery]:
    statement = sa.select(Delivery).order_by(Delivery.id)
    return list(db.session.scalars(statement.where(Delivery.kind == kind) if kind else statement))


def link_in(mail: Delivery) -> str:
    """The path of the first link of a mail."""
    found = re.search(r"http://localhost:\d+(/\S+)", mail.text)
    assert found, mail.text
    return found[1]


def at(day: dt.date, hour: int = 9) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, hour, tzinfo=dt.UTC)


