"""Answering: saved as typed without a trace in the log, counted when submitted, taken back before review."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _

from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.permissions import authorize
from app.documents.commands.uploads import NewFile, start_plain_upload, start_upload, take_in
from app.documents.models import Document
from app.requests.answers import read_answer
from app.requests.commands.holding import hold
from app.requests.commands.sending import settle_waiting
from app.requests.models import (
    ANSWERABLE,
    ClientRequest,
    ItemDocument,
    ItemKind,
    ItemState,
    RequestItem,
    RequestState,
)
from app.requests.policy import can_answer, can_view_as_client

MOST_FILES = 50
LONGEST_REASON = 2_000


@dataclass(frozen=True)
class Typed:
    """What a form says of one item: its values, and why it does not apply."""

    item_id: UUID
    values: Sequence[str]
    because: str


def save_answer(item: RequestItem, typed: Sequence[str], *, by: Actor) -> dt.datetime:
    """Keep what was typed; nothing typed clears it. Returns the moment; raises Refused for what is no answer."""
    authorize(by, can_answer, item.request)
    if item.kind is ItemKind.UPLOAD:
        raise Refused(_("Choose a file for this."))
    with transaction():
        hold(item.request)
        return _keep_answer(item, typed)


def _keep_answer(item: RequestItem, typed: Sequence[str]) -> dt.datetime:
    _check_open(item)
    answer = read_answer(item, typed)
    item.answer = answer
    if answer is not None:
        item.not_applicable_because = ""
    return _saved(item)


def save_answers(request: ClientRequest, typed: Sequence[Typed], *, by: Actor) -> dict[UUID, str]:
    """Keep what was typed into several items at once; what is as it was stays untouched. Returns by item why one was
    refused; the others are kept.
    """
    authorize(by, can_answer, request)
    refused: dict[UUID, str] = {}
    with transaction():
        hold(request)
        items = {item.id: item for item in request.items if item.is_to_come}
        for one in typed:
            if (item := items.get(one.item_id)) is None:
                continue
            try:
                with transaction():
                    _save_typed(item, one, by)
            except Refused as refusal:
                refused[item.id] = refusal.message
    return refused


def _save_typed(item: RequestItem, one: Typed, by: Actor) -> None:
    """Into an item whose request is held."""
    because, before = one.because.strip()[:LONGEST_REASON], item.not_applicable_because
    if item.kind is not ItemKind.UPLOAD and read_answer(item, one.values) != item.answer:
        _keep_answer(item, one.values)
    if because != before:
        _keep_reason(item, because, by)


def set_not_applicable(item: RequestItem, because: str, *, by: Actor) -> dt.datetime:
    """Say why this does not apply; without a reason it applies again."""
    authorize(by, can_answer, item.request)
    with transaction():
        hold(item.request)
        return _keep_reason(item, because, by)


def _keep_reason(item: RequestItem, because: str, by: Actor) -> dt.datetime:
    _check_open(item)
    item.not_applicable_because = because.strip()[:LONGEST_REASON]
    saved_at = _saved(item)
    if by.is_person and item.not_applicable_because:
        _answered(item, by, saved_at)
        _record_for_client(item, by)
    return saved_at


def clear_answer(item: RequestItem, *, by: Actor) -> dt.datetime:
    authorize(by, can_answer, item.request)
    with transaction():
        _hold_open(item)
        item.answer, item.not_applicable_because = None, ""
        return _saved(item)


def _saved(item: RequestItem) -> dt.datetime:
    item.saved_at = now()
    _begin(item.request)
    return item.saved_at


def _begin(request: ClientRequest) -> None:
    if request.state in (RequestState.SENT, RequestState.VIEWED):
        request.move_to(RequestState.IN_PROGRESS)


def _hold_open(item: RequestItem) -> None:
    """Nobody else acts on its request meanwhile, and it may still be answered."""
    hold(item.request)
    _check_open(item)


def _check_open(item: RequestItem) -> None:
    if item.request.state not in ANSWERABLE:
        raise Refused(_("This request was closed in the meantime; it can no longer be changed."))
    if item.state is ItemState.ACCEPTED:
        raise Refused(_("This has been accepted already; it can no longer be changed."))
    if not item.is_to_come:
        raise Refused(_("You have sent this already. Press “Change” first if you want to send something else."))


def start_item_upload(item: RequestItem, file: NewFile, *, by: Actor) -> Document:
    """A file for an item, to be sent in parts."""
    authorize(by, can_answer, item.request)
    _check_takes_file(item, file.id)
    return start_upload(
        file, client_id=item.request.client_id, engagement_id=item.request.engagement_id, folder=item.request.name,
        client_sees=True, by=by, joined=lambda document: _join(item, document, by), about=item.id,
    )


def start_plain_item_upload(item: RequestItem, document_id: UUID, *, by: Actor) -> Document:
    """A file for an item by a plain form; it is called after the item, for storage does not tell its name."""
    authorize(by, can_answer, item.request)
    _check_takes_file(item, document_id)
    return start_plain_upload(
        NewFile(document_id, item.label, 0), client_id=item.request.client_id, by=by, client_sees=True,
        engagement_id=item.request.engagement_id, folder=item.request.name,
        joined=lambda document: _join(item, document, by), about=item.id,
    )


def give_item_file(item: RequestItem, file: NewFile, body: IO[bytes], *, by: Actor) -> Document:
    """A file for an item that came with the form itself; it keeps its own name."""
    authorize(by, can_answer, item.request)
    _check_takes_file(item, file.id)
    return take_in(
        file, body, client_id=item.request.client_id, by=by, client_sees=True,
        engagement_id=item.request.engagement_id, folder=item.request.name,
        joined=lambda document: _join(item, document, by), about=item.id,
    )


def _join(item: RequestItem, document: Document, by: Actor) -> None:
    hold(item.request)
    _check_open(item)
    item.files.append(ItemDocument(item_id=item.id, document_id=document.id, document=document, added_at=now()))
    item.not_applicable_because = ""
    _begin(item.request)
    db.session.flush()


def _check_takes_file(item: RequestItem, file_id: UUID) -> None:
    if item.kind is not ItemKind.UPLOAD:
        raise Refused(_("This question takes no file."))
    if any(link.document_id == file_id for link in item.files):
        return
    _check_open(item)
    if len(item.good_files) >= MOST_FILES:
        raise Refused(_("There are %(n)s files here already. Remove one first.", n=MOST_FILES))


def remove_file(item: RequestItem, document_id: UUID, *, by: Actor) -> None:
    """Take a file back before it was reviewed."""
    authorize(by, can_answer, item.request)
    with transaction() as session:
        _hold_open(item)
        if any(link.document_id == document_id for link in item.files):
            session.execute(
                sa.delete(ItemDocument)
                .where(ItemDocument.item_id == item.id, ItemDocument.document_id == document_id)
            )
            record("requests.file.removed", item, by=by, document_id=document_id, request=item.request.name)
            session.expire(item, ["files"])


def change_answer(item: RequestItem, *, by: Actor) -> None:
    """Open again what was submitted and not yet reviewed."""
    authorize(by, can_answer, item.request)
    with transaction():
        hold(item.request)
        if item.is_to_come:
            return
        if item.state is ItemState.ACCEPTED or item.request.state not in ANSWERABLE:
            raise Refused(_("This has been accepted already; it can no longer be changed."))
        item.state = ItemState.OPEN
        item.answered_at = None
        if item.request.state is RequestState.SUBMITTED:
            item.request.move_to(RequestState.IN_PROGRESS)
        record("requests.item.reopened", item, by=by, topics=_topics(item.request), job_id=item.request.job_id,
               label=item.label, request=item.request.name)


def submit_answers(request: ClientRequest, *, by: Actor) -> list[RequestItem]:
    """Hand over what has been answered so far; once nothing required is missing the request is submitted."""
    authorize(by, can_answer, request)
    with transaction():
        hold(request)
        if request.state not in ANSWERABLE:
            raise Refused(_("This request was closed in the meantime; it can no longer be changed."))
        items = [item for item in request.items if item.is_to_come and item.has_something]
        if not items:
            raise Refused(_("There is nothing new to send yet. Answer something or add a file first."))
        for item in items:
            _answered(item, by, now())
        missing = [item for item in request.items if item.required and item.is_to_come]
        if not missing and request.state is not RequestState.SUBMITTED:
            request.move_to(RequestState.SUBMITTED)
            request.next_reminder_on = None
        elif missing:
            if request.state is RequestState.RETURNED and not any(i.state is ItemState.RETURNED for i in request.items):
                request.move_to(RequestState.IN_PROGRESS)
            _begin(request)
        request.submitted_at = now()
        request.version += 1
        record("requests.request.submitted", request, by=by, topics=_topics(request), name=request.name,
               items=len(items), missing=len(missing), labels=[item.label for item in items][:20])
    return items


def _answered(item: RequestItem, by: Actor, at: dt.datetime) -> None:
    item.state = ItemState.NOT_APPLICABLE if item.not_applicable_because else ItemState.ANSWERED
    if not item.has_something:
        item.state = ItemState.OPEN
    item.answered_at, item.answered_kind, item.answered_by = at, by.kind, by.id


def _topics(request: ClientRequest) -> tuple[str, ...]:
    return ("requests", f"client_request:{request.id}")


def answer_for_client(item: RequestItem, typed: Sequence[str], *, by: Actor) -> None:
    """What the client said by telephone or sent by post; the record says who entered it."""
    authorize(by, can_answer, item.request)
    with transaction():
        hold(item.request)
        if item.state is ItemState.ACCEPTED:
            raise Refused("It has been accepted already.")
        answer = read_answer(item, typed)
        if answer is None:
            raise Refused("Enter what the client said.", field="value")
        item.answer, item.not_applicable_because, item.saved_at = answer, "", now()
        _begin(item.request)
        _answered(item, by, now())
        _record_for_client(item, by)


def add_document_for_client(item: RequestItem, document: Document, *, by: Actor) -> None:
    """A file of theirs that came some other way counts as the client's. Raises NotFound for another client's."""
    authorize(by, can_answer, item.request)
    if document.client_id != item.request.client_id:
        raise NotFound()
    with transaction() as session:
        hold(item.request)
        if item.state is ItemState.ACCEPTED:
            raise Refused("It has been accepted already.")
        if not any(link.document_id == document.id for link in item.files):
            session.add(ItemDocument(item_id=item.id, document_id=document.id, added_at=now()))
        _begin(item.request)
        item.state, item.saved_at = ItemState.ANSWERED, now()
        item.answered_at, item.answered_kind, item.answered_by = now(), by.kind, by.id
        _record_for_client(item, by)


def _record_for_client(item: RequestItem, by: Actor) -> None:
    """Its job is told at once: unlike a contact, whoever enters it may see what the job waits for."""
    settle_waiting(item.request, by=by)
    record("requests.item.answered_for_client", item, by=by, topics=_topics(item.request),
           job_id=item.request.job_id, label=item.label, request=item.request.name)


def mark_viewed(request: ClientRequest, *, by: Actor) -> None:
    """The client has looked at it for the first time."""
    authorize(by, can_view_as_client, request)
    if request.viewed_at is not None or request.closed_at is not None:
        return
    with transaction():
        hold(request)
        if request.viewed_at is not None:
            return
        request.viewed_at = now()
        if request.state is RequestState.SENT:
            request.move_to(RequestState.VIEWED)
        record("requests.request.viewed", request, by=by, topics=_topics(request), name=request.name)
