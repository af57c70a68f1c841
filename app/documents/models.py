"""Documents, uploads under way, and holds."""

from __future__ import annotations

import datetime as dt
import enum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.actors import ActorKind
from app.core.db import Base, HasId, MadeOnce
from app.core.stored import stored
from app.core.viewing import MOST_SHOWN
from app.documents.inspection.kinds import INLINE


class DocumentState(enum.StrEnum):
    """Only `available` can be opened."""

    UPLOADING = "uploading"
    RECEIVED = "received"
    CHECKING = "checking"
    AVAILABLE = "available"
    REJECTED = "rejected"


MOVES = {
    DocumentState.UPLOADING: {DocumentState.RECEIVED, DocumentState.REJECTED},
    DocumentState.RECEIVED: {DocumentState.CHECKING},
    DocumentState.CHECKING: {DocumentState.AVAILABLE, DocumentState.REJECTED},
    DocumentState.AVAILABLE: set[DocumentState](),
    DocumentState.REJECTED: set[DocumentState](),
}


class Document(MadeOnce, Base):
    """A file of a client. `name` is what a person called it and decides nothing; `media_type` is read from content.

    `download_only`: it would run something in a browser that shows it; null while nobody has looked. `drawn_at`: when
    somebody tried to draw it; what could not be drawn has no thumbnail.
    """

    __tablename__ = "document"

    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    engagement_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("engagement.id"))
    folder: Mapped[str] = mapped_column(default="")
    name: Mapped[str]
    state: Mapped[DocumentState] = mapped_column(default=DocumentState.UPLOADING)
    size: Mapped[int] = mapped_column(sa.BigInteger)
    media_type: Mapped[str] = mapped_column(default="")
    sha256: Mapped[bytes | None]
    incoming_key: Mapped[str | None]
    kept_key: Mapped[str | None]
    preview_key: Mapped[str | None]
    thumbnail_key: Mapped[str | None]
    jpeg_key: Mapped[str | None]
    client_sees: Mapped[bool] = mapped_column(default=False)
    rejected_because: Mapped[str] = mapped_column(default="")
    remark: Mapped[str] = mapped_column(default="", server_default="")
    download_only: Mapped[bool | None] = mapped_column(default=False)
    same_as_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("document.id"))
    added_kind: Mapped[ActorKind]
    added_by: Mapped[UUID | None]
    created_at: Mapped[dt.datetime]
    received_at: Mapped[dt.datetime | None]
    checking_at: Mapped[dt.datetime | None]
    checked_at: Mapped[dt.datetime | None]
    archived_at: Mapped[dt.datetime | None]
    drawn_at: Mapped[dt.datetime | None]

    __table_args__ = (
        sa.Index("ix_document_client_id", "client_id", "created_at"),
        sa.Index("ix_document_unchecked", "received_at", postgresql_where=sa.text("state IN ('received', 'checking')")),
        sa.Index("ix_document_uploading", "created_at", postgresql_where=sa.text("state = 'uploading'")),
        sa.Index("ix_document_undrawn", "created_at",
                 postgresql_where=sa.text("state = 'available' AND drawn_at IS NULL")),
        sa.Index("ix_document_sha256", "client_id", "sha256"),
        sa.Index("ix_document_incoming_key", "incoming_key", unique=True,
                 postgresql_where=sa.text("incoming_key IS NOT NULL")),
        sa.CheckConstraint("state <> 'available' OR (kept_key IS NOT NULL AND sha256 IS NOT NULL)", name="available"),
        sa.CheckConstraint("size >= 0", name="size"),
    )

    def move_to(self, state: DocumentState) -> None:
        if state not in MOVES[self.state]:
            raise ValueError(f"A document does not go from {self.state} to {state}.")
        self.state = state

    @property
    def is_available(self) -> bool:
        return self.state is DocumentState.AVAILABLE

    @property
    def can_be_shown(self) -> bool:
        """Whether a browser may show it: of a kind that runs nothing, looked at, of no great size; or its picture."""
        if self.preview_key is not None:
            return self.is_available
        runs_nothing = self.media_type in INLINE and self.download_only is False
        return self.is_available and runs_nothing and self.size <= MOST_SHOWN

    @property
    def is_rejected(self) -> bool:
        return self.state is DocumentState.REJECTED


class Upload(HasId, Base):
    """An upload under way; what has arrived is asked of storage, never kept here.

    `storage_id` is empty where a plain form posts it in one piece.
    """

    __tablename__ = "upload"

    document_id: Mapped[UUID] = mapped_column(sa.ForeignKey("document.id"), unique=True)
    client_id: Mapped[UUID]
    storage_id: Mapped[str]
    part_size: Mapped[int] = mapped_column(sa.BigInteger)
    digests: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[dt.datetime]
    finished_at: Mapped[dt.datetime | None]


class Hold(HasId, Base):
    """Something in a higher room forbids opening or destroying this document (an unpaid bill, a legal hold)."""

    __tablename__ = "hold"

    document_id: Mapped[UUID] = mapped_column(sa.ForeignKey("document.id"))
    kind: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[dt.datetime]
    released_at: Mapped[dt.datetime | None]


stored("document", Document.kept_key, name=Document.id, sha256=Document.sha256)
stored("preview of document", Document.preview_key, name=Document.id)
stored("thumbnail of document", Document.thumbnail_key, name=Document.id)
stored("JPEG of document", Document.jpeg_key, name=Document.id)
stored(
    "received document", Document.incoming_key, name=Document.id,
    where=(Document.state.in_((DocumentState.RECEIVED, DocumentState.CHECKING)),),
)
