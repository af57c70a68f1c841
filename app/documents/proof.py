"""Proof that rows and objects agree: every kept document has its object, every kept object its row."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sqlalchemy as sa

from app.activity.covers import differences
from app.core.db import db
from app.core.proofs import Finding, proof
from app.core.storage import storage
from app.documents.models import Document, DocumentState

_DOCUMENT = re.compile(r"kept/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-preview)?")  # others keep things there too


def find_differences() -> list[str]:
    """What does not fit together, a sentence each; empty when all is well."""
    rows = db.session.execute(
        sa.select(Document.id, Document.kept_key, Document.preview_key, Document.size)
        .where(Document.state == DocumentState.AVAILABLE)
    ).all()
    incoming = set(db.session.scalars(sa.select(Document.incoming_key).where(Document.incoming_key.is_not(None))).all())
    objects = dict(storage().keys("kept/"))
    told: list[str] = []
    expected: set[str] = set()
    for row in rows:
        expected |= {row.kept_key, row.preview_key} - {None}
        if row.kept_key not in objects:
            told.append(f"Document {row.id} has no object {row.kept_key}.")
        elif objects[row.kept_key] != row.size:
            told.append(f"Document {row.id} is {row.size} bytes, its object {objects[row.kept_key]}.")
        if row.preview_key and row.preview_key not in objects:
            told.append(f"Document {row.id} has no preview {row.preview_key}.")
    ours = {key for key in objects if _DOCUMENT.fullmatch(key)}
    told += [f"Object {key} belongs to no document." for key in sorted(ours - expected)]
    told += [
        f"Upload {key} finished and belongs to no document."
        for key, _size in storage().keys("incoming/") if key not in incoming
    ]
    return told


@proof("documents.objects")
def rows_and_objects_agree() -> Iterator[Finding]:
    for difference in find_differences():
        yield Finding("storage", difference)


@proof("documents.told")
def documents_are_as_told() -> Iterator[Finding]:
    """Every document is what the event that kept it says: whose, and which bytes."""
    yield from differences("document")
