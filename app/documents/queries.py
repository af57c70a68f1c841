"""Reading documents: one, a client's list, what an upload still lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Contact
from app.core.actors import Actor, ActorKind
from app.core.db import db, get_or_404
from app.core.finding import Typed, has_words
from app.documents.models import Document, DocumentState, Hold, Upload
from app.documents.policy import documents_seen_by
from app.people.models import Person

PAGE = 50
LISTED = (DocumentState.RECEIVED, DocumentState.CHECKING, DocumentState.AVAILABLE)


@dataclass(frozen=True)
class DocumentFilters:
    """What a list is narrowed to; `with_refused` also shows what was not taken, and why."""

    client_id: UUID | None = None
    words: str = ""
    from_client: bool = False
    with_refused: bool = False


def get_document(document_id: UUID, *, seen_by: Actor) -> Document:
    return get_or_404(documents_seen_by(seen_by).where(Document.id == document_id))


def list_documents(
    filters: DocumentFilters, *, seen_by: Actor, page: int = 1, per_page: int = PAGE
) -> tuple[Sequence[Document], bool]:
    """A page of what has arrived, newest first, and whether there is another page."""
    states = (*LISTED, DocumentState.REJECTED) if filters.with_refused else LISTED
    statement = documents_seen_by(seen_by).where(Document.state.in_(states))
    if filters.client_id is not None:
        statement = statement.where(Document.client_id == filters.client_id)
    if filters.words:
        statement = statement.where(has_words(sa.func.search_words(Document.name), Typed.of(filters.words)))
    if filters.from_client:
        statement = statement.where(Document.added_kind == ActorKind.CONTACT)
    rows = db.session.scalars(
        statement.order_by(Document.created_at.desc(), Document.id.desc()).limit(per_page + 1)
        .offset((page - 1) * per_page)
    ).all()
    return rows[:per_page], len(rows) > per_page


def list_under_way(*, seen_by: Actor) -> Sequence[Document]:
    """What whoever asks began to send, and has neither sent whole nor given up, oldest first."""
    return db.session.scalars(
        sa.select(Document).join(Upload, Upload.document_id == Document.id)
        .where(Document.state == DocumentState.UPLOADING, Document.added_by == seen_by.id,
               Document.added_kind == seen_by.kind)
        .order_by(Document.created_at, Document.id).limit(PAGE)
    ).all()


def get_holds(document: Document, *, seen_by: Actor) -> Sequence[Hold]:
    """What forbids opening or destroying a document at present."""
    visible = documents_seen_by(seen_by).where(Document.id == document.id).with_only_columns(Document.id)
    return db.session.scalars(
        sa.select(Hold).where(Hold.document_id.in_(visible), Hold.released_at.is_(None))
    ).all()


def names_of_adders(documents: Sequence[Document], *, seen_by: Actor) -> dict[UUID, str]:
    """Who added each: the colleague's or the contact's name, by their id."""
    if seen_by.is_contact:
        return {}
    people = {d.added_by for d in documents if d.added_by and d.added_kind is ActorKind.PERSON}
    contacts = {d.added_by for d in documents if d.added_by and d.added_kind is ActorKind.CONTACT}
    rows = db.session.execute(
        sa.union_all(
            sa.select(Person.id, Person.name).where(Person.id.in_(people)),
            sa.select(Contact.id, Contact.name).where(Contact.id.in_(contacts)),
        )
    )
    return {row.id: row.name for row in rows}
