"""Client requests, their items and files, the links that open them, the reminders sent."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.catalogue.models import ASKING_TIME
from app.clients.models import Client
from app.core.actors import ActorKind
from app.core.db import Base, HasId, HasVersion, MadeOnce
from app.documents.models import Document, DocumentState
from app.jobs.models import Job


class RequestState(enum.StrEnum):
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    SENT = "sent"
    VIEWED = "viewed"
    IN_PROGRESS = "in_progress"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    ACCEPTED = "accepted"
    CANCELLED = "cancelled"


MOVES = {
    RequestState.DRAFT: {RequestState.SCHEDULED, RequestState.SENT, RequestState.CANCELLED},
    RequestState.SCHEDULED: {RequestState.DRAFT, RequestState.SENT, RequestState.CANCELLED},
    RequestState.SENT: {RequestState.VIEWED, RequestState.IN_PROGRESS, RequestState.SUBMITTED, RequestState.RETURNED,
                        RequestState.ACCEPTED, RequestState.CANCELLED},
    RequestState.VIEWED: {RequestState.IN_PROGRESS, RequestState.SUBMITTED, RequestState.RETURNED,
                          RequestState.ACCEPTED, RequestState.CANCELLED},
    RequestState.IN_PROGRESS: {RequestState.SUBMITTED, RequestState.RETURNED, RequestState.ACCEPTED,
                               RequestState.CANCELLED},
    RequestState.SUBMITTED: {RequestState.IN_PROGRESS, RequestState.RETURNED, RequestState.ACCEPTED,
                             RequestState.CANCELLED},
    RequestState.RETURNED: {RequestState.IN_PROGRESS, RequestState.SUBMITTED, RequestState.ACCEPTED,
                            RequestState.CANCELLED},
    RequestState.ACCEPTED: {RequestState.IN_PROGRESS},
    RequestState.CANCELLED: {RequestState.IN_PROGRESS, RequestState.DRAFT},
}
UNSENT = (RequestState.DRAFT, RequestState.SCHEDULED)
WITH_CLIENT = (RequestState.SENT, RequestState.VIEWED, RequestState.IN_PROGRESS, RequestState.RETURNED)
ANSWERABLE = (*WITH_CLIENT, RequestState.SUBMITTED)
HOLDS_ITS_STEP = (RequestState.SCHEDULED, *ANSWERABLE)


class ClientRequest(MadeOnce, HasVersion, Base):
    """A checklist of things for a client to send or answer. `task_id` is the task that waits for it.

    Scheduled, it is asked by itself at `send_time` of `send_on` in the office's zone. With `send_when_open` it is asked
    once its task is no longer blocked, and on `send_on` at the earliest. One that is `held` waits for somebody to let
    it go; `unreachable_at` is since when nobody at the client has an address. `due_locked`, `send_locked`: that day was
    set by hand and does not follow the job's.
    """

    __tablename__ = "client_request"

    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    engagement_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("engagement.id"))
    job_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("job.id"))
    task_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("task.id"))
    template_request_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("template_request.id"))
    name: Mapped[str]
    message: Mapped[str] = mapped_column(default="")
    state: Mapped[RequestState] = mapped_column(default=RequestState.DRAFT)
    due_on: Mapped[dt.date | None]
    send_on: Mapped[dt.date | None]
    send_time: Mapped[dt.time] = mapped_column(default=ASKING_TIME, server_default="09:00")
    send_when_open: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    due_locked: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    send_locked: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    held: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    unreachable_at: Mapped[dt.datetime | None]
    sent_at: Mapped[dt.datetime | None]
    viewed_at: Mapped[dt.datetime | None]
    submitted_at: Mapped[dt.datetime | None]
    closed_at: Mapped[dt.datetime | None]
    sent_by: Mapped[UUID | None]
    remind_after_days: Mapped[int] = mapped_column(default=3)
    remind_every_days: Mapped[int] = mapped_column(default=4)
    remind_at_most: Mapped[int] = mapped_column(default=5)
    reminders_sent: Mapped[int] = mapped_column(default=0)
    next_reminder_on: Mapped[dt.date | None]
    reminders_paused: Mapped[bool] = mapped_column(default=False)
    tell_returned_at: Mapped[dt.datetime | None]

    client: Mapped[Client] = relationship(lazy="raise")
    job: Mapped[Job | None] = relationship(lazy="raise")
    items: Mapped[list[RequestItem]] = relationship(
        back_populates="request", order_by="RequestItem.position", lazy="raise", cascade="all, delete-orphan"
    )

    __table_args__ = (
        sa.UniqueConstraint("job_id", "template_request_id"),
        sa.Index("ix_client_request_client_id", "client_id", "state"),
        sa.Index("ix_client_request_job_id", "job_id"),
        sa.Index("ix_client_request_task_id", "task_id"),
        sa.Index("ix_client_request_reminder", "next_reminder_on", postgresql_where=sa.text("closed_at IS NULL")),
        sa.Index("ix_client_request_open", "due_on", "id", postgresql_where=sa.text("closed_at IS NULL")),
        sa.Index("ix_client_request_to_send", "send_on", "id",
                 postgresql_where=sa.text("state = 'scheduled' AND NOT held")),
        sa.CheckConstraint("state <> 'scheduled' OR send_on IS NOT NULL OR send_when_open", name="has_a_moment"),
        sa.CheckConstraint("NOT held OR state = 'scheduled'", name="held_is_unsent"),
        sa.Index("ix_client_request_returned", "tell_returned_at",
                 postgresql_where=sa.text("tell_returned_at IS NOT NULL")),
    )

    def move_to(self, state: RequestState) -> None:
        if state not in MOVES[self.state]:
            raise ValueError(f"A request does not go from {self.state} to {state}.")
        self.state = state

    @property
    def is_open(self) -> bool:
        """With the client or with us, neither finished nor only planned."""
        return self.state in ANSWERABLE

    @property
    def is_scheduled(self) -> bool:
        return self.state is RequestState.SCHEDULED

    @property
    def is_with_client(self) -> bool:
        return self.state in WITH_CLIENT


class RequestRecipient(Base):
    """Which contacts are asked."""

    __tablename__ = "request_recipient"

    request_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client_request.id"), primary_key=True)
    contact_id: Mapped[UUID] = mapped_column(sa.ForeignKey("contact.id"), primary_key=True)

    __table_args__ = (sa.Index("ix_request_recipient_contact_id", "contact_id"),)


class ItemKind(enum.StrEnum):
    UPLOAD = "upload"
    TEXT = "text"
    LONG_TEXT = "long_text"
    CHOICE = "choice"
    CHOICES = "choices"
    YES_NO = "yes_no"
    DATE = "date"
    NUMBER = "number"
    AMOUNT = "amount"
    CONFIRMATION = "confirmation"


class ItemState(enum.StrEnum):
    """Answered by the client and accepted by the firm are two states."""

    OPEN = "open"
    ANSWERED = "answered"
    NOT_APPLICABLE = "not_applicable"
    RETURNED = "returned"
    ACCEPTED = "accepted"


STILL_TO_COME = (ItemState.OPEN, ItemState.RETURNED)
TO_REVIEW = (ItemState.ANSWERED, ItemState.NOT_APPLICABLE)


class RequestItem(HasId, Base):
    """One question or file. `answer` is `{"value": …}`: saved as it is typed, counted as answered at submit."""

    __tablename__ = "request_item"

    request_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client_request.id"))
    client_id: Mapped[UUID]
    code: Mapped[str]
    position: Mapped[int]
    section: Mapped[str] = mapped_column(default="")
    kind: Mapped[ItemKind]
    label: Mapped[str]
    help: Mapped[str] = mapped_column(default="")
    required: Mapped[bool] = mapped_column(default=True)
    options: Mapped[list[str]] = mapped_column(default=list)
    state: Mapped[ItemState] = mapped_column(default=ItemState.OPEN)
    answer: Mapped[dict[str, Any] | None]
    not_applicable_because: Mapped[str] = mapped_column(default="")
    return_reason: Mapped[str] = mapped_column(default="")
    saved_at: Mapped[dt.datetime | None]
    answered_at: Mapped[dt.datetime | None]
    answered_kind: Mapped[ActorKind | None]
    answered_by: Mapped[UUID | None]
    reviewed_at: Mapped[dt.datetime | None]
    reviewed_by: Mapped[UUID | None]

    amounts_in = ""  # the client's currency, where it was asked for with the item

    request: Mapped[ClientRequest] = relationship(back_populates="items", lazy="raise")
    files: Mapped[list[ItemDocument]] = relationship(lazy="raise", order_by="ItemDocument.added_at")

    __table_args__ = (
        sa.UniqueConstraint("request_id", "code"),
        sa.Index("ix_request_item_request_id", "request_id", "position"),
    )

    @property
    def is_to_come(self) -> bool:
        return self.state in STILL_TO_COME

    @property
    def is_to_review(self) -> bool:
        return self.state in TO_REVIEW

    @property
    def good_files(self) -> list[ItemDocument]:
        """Files that have arrived or are arriving whole: neither under way nor refused."""
        return [f for f in self.files if f.document.state not in (DocumentState.UPLOADING, DocumentState.REJECTED)]

    @property
    def has_something(self) -> bool:
        """Whether there is something to submit: a value, a file, or why it does not apply."""
        if self.not_applicable_because:
            return True
        return bool(self.good_files) if self.kind is ItemKind.UPLOAD else self.answer is not None


class ItemDocument(Base):
    """A file given for an item."""

    __tablename__ = "item_document"

    item_id: Mapped[UUID] = mapped_column(sa.ForeignKey("request_item.id"), primary_key=True)
    document_id: Mapped[UUID] = mapped_column(sa.ForeignKey("document.id"), primary_key=True)
    added_at: Mapped[dt.datetime]

    document: Mapped[Document] = relationship(lazy="raise")

    __table_args__ = (sa.Index("ix_item_document_document_id", "document_id"),)


class RequestLink(HasId, Base):
    """Opens its one request for its one contact, again and again, until the request closes. Low assurance."""

    __tablename__ = "request_link"

    request_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client_request.id"))
    contact_id: Mapped[UUID] = mapped_column(sa.ForeignKey("contact.id"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[dt.datetime]
    revoked_at: Mapped[dt.datetime | None]


class Reminder(HasId, Base):
    """A reminder that went out: at most one digest a contact and day, over all their requests."""

    __tablename__ = "reminder"

    request_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client_request.id"))
    contact_id: Mapped[UUID] = mapped_column(sa.ForeignKey("contact.id"))
    delivery_id: Mapped[UUID]
    sent_on: Mapped[dt.date]

    __table_args__ = (sa.UniqueConstraint("request_id", "contact_id", "sent_on"),)
