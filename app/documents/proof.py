"""Proof that rows and objects agree: every kept document has its object, every kept object its row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

import sqlalchemy as sa

from app.activity.covers import differences
from app.core.db import db
from app.core.proofs import Finding, proof
from app.core.storage import storage
from app.documents.models import Document, DocumentState

# Others keep things there too.
_DOCUMENT = re.compile(r"kept/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-(preview|thumbnail|jpeg))?")

UNDER_CHECK = (DocumentState.RECEIVED, DocumentState.CHECKING)


def find_differences() -> list[str]:
    """What does not fit together, a sentence each; empty when all is well."""
    rows = db.session.execute(
        sa.select(
            Document.id, Document.kept_key, Document.preview_key, Document.thumbnail_key, Document.jpeg_key,
            Document.size,
        )
        .where(Document.state == DocumentState.AVAILABLE)
    ).all()
    incoming = set(db.session.scalars(sa.select(Document.incoming_key).where(Document.incoming_key.is_not(None))).all())
    objects = dict(storage().keys("kept/"))
    told: list[str] = []
    expected: set[str] = set()
    for row in rows:
        made = {"preview": row.preview_key, "thumbnail": row.thumbnail_key, "JPEG": row.jpeg_key}
        expected |= {row.kept_key, *made.values()} - {None}
        if row.kept_key not in objects:
            told.append(f"Document {row.id} has no object {row.kept_key}.")
        elif objects[row.kept_key] != row.size:
            told.append(f"Document {row.id} is {row.size} bytes, its object {objects[row.kept_key]}.")
        told += [f"Document {row.id} has no {what} {key}." for what, key in made.items() if key and key not in objects]
    strange = {key for key in objects if _DOCUMENT.fullmatch(key)} - expected
    told += [f"Object {key} belongs to no document." for key in sorted(strange - _somebodys(strange))]
    told += [
        f"Upload {key} finished and belongs to no document."
        for key, _size in storage().keys("incoming/") if key not in incoming and storage().exists(key)
    ]
    return told


def _somebodys(keys: set[str]) -> set[str]:
    """Those of documents in hand, whose check puts the object there first, or kept since their rows were read."""
    documents = {key: UUID(key[5:41]) for key in keys}
    known = set(db.session.scalars(sa.select(Document.id).where(
        Document.id.in_(documents.values()), Document.state.in_((*UNDER_CHECK, DocumentState.AVAILABLE)),
    )))
    return {key for key, document in documents.items() if document in known}


def count_in_hand() -> int:
    """Files that have arrived and are not yet kept or refused: neither lost nor proven."""
    return db.session.scalar(sa.select(sa.func.count()).where(Document.state.in_(UNDER_CHECK))) or 0


@proof("documents.objects")
def rows_and_objects_agree() -> Iterator[Finding]:
    for difference in find_differences():
        yield Finding("storage", difference)
    if waiting := count_in_hand():
        files = f"{waiting} files are" if waiting > 1 else "1 file is"
        yield Finding("storage", f"{files} in hand: being checked.", note=True)


@proof("documents.told")
def documents_are_as_told() -> Iterator[Finding]:
    """Every document is what the event that kept it says: whose, and which bytes."""
    yield from differences("document")
