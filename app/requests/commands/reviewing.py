"""Reviewing: single things accepted or sent back with a reason; all required ones accepted opens the waiting task."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from app.activity.commands import record
from app.core.actors import SYSTEM, Actor, ActorKind
from app.core.clock import now, today
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.delivery.again import why_not
from app.delivery.models import Delivery
from app.delivery.policy import can_see_to
from app.documents.models import Document
from app.requests.commands.holding import hold
from app.requests.commands.sending import close, mail_request, recipients_reachable, settle_waiting
from app.requests.models import (
    ANSWERABLE,
    TO_REVIEW,
    ClientRequest,
    ItemDocument,
    ItemKind,
    ItemState,
    RequestItem,
    RequestState,
)
from app.requests.policy import can_edit_request, can_review, is_system
from app.requests.queries import get_request

TELL_AFTER = dt.timedelta(minutes=5)


def accept_item(item: RequestItem, *, by: Actor) -> None:
    """This is what we needed. With the last required one the request closes and its task opens."""
    authorize(by, can_review, item)
    with transaction():
        hold(item.request)
        if _accept(item, by):
            _tell_accepted(item, by)
            _finish_if_all_accepted(item.request, by=by)


def accept_all(request: ClientRequest, *, by: Actor) -> int:
    """Everything that waits for review; returns how many."""
    authorize(by, can_edit_request, request)
    with transaction():
        hold(request)
        accepted = [item for item in request.items if item.is_to_review and _accept(item, by)]
        for item in accepted:
            _tell_accepted(item, by)
        if accepted:
            _finish_if_all_accepted(request, by=by)
    return len(accepted)


def _accept(item: RequestItem, by: Actor) -> bool:
    if item.state is ItemState.ACCEPTED:
        return False
    _check_open(item.request)
    if not item.is_to_review:
        raise Refused("There is no answer here yet that could be accepted.")
    if item.kind is ItemKind.UPLOAD and any(not f.document.is_available for f in item.good_files):
        raise Refused("A file here is still being checked. Try again in a moment.")
    item.state, item.return_reason = ItemState.ACCEPTED, ""
    item.reviewed_at, item.reviewed_by = now(), by.person_id
    return True


def _tell_accepted(item: RequestItem, by: Actor) -> None:
    record("requests.item.accepted", item, by=by, topics=_topics(item.request), job_id=item.request.job_id,
           label=item.label, request=item.request.name)


def return_item(item: RequestItem, reason: str, *, by: Actor) -> None:
    """Send one thing back with the reason; the client is told a few minutes later, once for all that was sent back."""
    authorize(by, can_review, item)
    if not reason.strip():
        raise Refused("Say what is wrong or missing; the client reads it.", field="reason")
    with transaction():
        hold(item.request)
        _check_open(item.request)
        if item.state is ItemState.OPEN:
            raise Refused("The client has not answered this yet.")
        _return(item, reason.strip(), by)
        item.request.tell_returned_at = now() + TELL_AFTER
        settle_waiting(item.request, by=by)


def _return(item: RequestItem, reason: str, by: Actor) -> None:
    request = item.request
    item.state, item.return_reason = ItemState.RETURNED, reason
    item.reviewed_at, item.reviewed_by = now(), by.person_id
    if request.state is not RequestState.RETURNED:
        request.move_to(RequestState.RETURNED)
    if request.next_reminder_on is None and request.reminders_sent < request.remind_at_most:
        request.next_reminder_on = today() + dt.timedelta(days=max(request.remind_every_days, 1))
    record("requests.item.returned", item, by=by, topics=_topics(request), job_id=request.job_id, label=item.label,
           reason=reason, request=request.name)


def returned_things(request: ClientRequest) -> list[tuple[str, str]]:
    """What was sent back, each with why."""
    return [(item.label, item.return_reason) for item in request.items if item.state is ItemState.RETURNED]


def mail_again(delivery: Delivery, *, by: Actor) -> None:
    """A mail about one request that did not get through, once more: to the same contact, at the address that they have
    now, with a link of its own."""
    authorize(by, can_see_to, delivery)
    if delivery.about_id is None:
        raise Refused("This mail is about no request.")
    request = get_request(delivery.about_id, seen_by=by)
    authorize(by, can_edit_request, request)
    if because := why_not(delivery):
        raise Refused(because)
    to = next((r for r in recipients_reachable(request, by=by) if r.contact_id == delivery.contact_id), None)
    if to is None:
        raise Refused("This contact has no address any more, or does not see the client in the portal.")
    template = delivery.kind.removeprefix("requests.")
    more = {"things": returned_things(request)} if template == "request_returned" else {}
    mail_request(request, to, template, f"again:{delivery.id}", by=by, **more)


def tell_returned(request: ClientRequest, *, by: Actor) -> None:
    """One mail for everything that was sent back since the last one."""
    authorize(by, can_edit_request, request)
    with transaction():
        hold(request)
        if request.tell_returned_at is None:
            return
        things = returned_things(request)
        stamp = request.tell_returned_at.isoformat()
        request.tell_returned_at = None
        if things and request.closed_at is None:
            for recipient in recipients_reachable(request, by=by):
                mail_request(request, recipient, "request_returned", f"returned:{request.id}:{stamp}", things=things)
            record("requests.request.returned", request, by=by, name=request.name, items=len(things))


def return_refused_file(document_id: UUID, *, by: Actor) -> None:
    """A file that was submitted turned out to be unacceptable: its item goes back to the client with the reason."""
    authorize(by, is_system)
    items = db.session.scalars(
        sa.select(RequestItem).join(ItemDocument, ItemDocument.item_id == RequestItem.id)
        .where(ItemDocument.document_id == document_id, RequestItem.state == ItemState.ANSWERED)
        .options(
            joinedload(RequestItem.request),
            selectinload(RequestItem.files).joinedload(ItemDocument.document),
        )
    ).all()
    with transaction():
        for item in sorted(items, key=lambda item: item.request_id):
            hold(item.request)
            if item.state is not ItemState.ANSWERED or item.request.state not in ANSWERABLE or item.good_files:
                continue
            refused = db.session.get_one(Document, document_id)
            _return(item, refused.rejected_because, by)
            item.request.tell_returned_at = now() + TELL_AFTER
            settle_waiting(item.request, by=by)


def forget_removed_file(document_id: UUID, *, by: Actor) -> None:
    """A file that the client took back, and that belongs to nothing else, is put away; what the firm brought stays."""
    authorize(by, is_system)
    with transaction() as session:
        session.execute(
            sa.update(Document).where(
                Document.id == document_id, Document.archived_at.is_(None),
                Document.added_kind == ActorKind.CONTACT,
                ~sa.exists().where(ItemDocument.document_id == Document.id),
            ).values(archived_at=now())
        )


def recount(request_id: UUID, *, by: Actor = SYSTEM) -> None:
    """After the client has handed something over: what the job still waits for."""
    authorize(by, is_system)
    with transaction() as session:
        request = session.get(ClientRequest, request_id)
        if request is not None and request.job_id is not None:
            settle_waiting(request, by=by)


def _finish_if_all_accepted(request: ClientRequest, *, by: Actor) -> None:
    """All required things accepted (or all, where none is required): closed, links dead, the waiting task open."""
    db.session.flush()
    required, left = db.session.execute(
        sa.select(
            sa.func.count().filter(RequestItem.required),
            sa.func.count().filter(RequestItem.required, RequestItem.state != ItemState.ACCEPTED),
        ).where(RequestItem.request_id == request.id)
    ).one()
    optional_left = 0 if required else db.session.scalar(
        sa.select(sa.func.count()).where(
            RequestItem.request_id == request.id, RequestItem.state != ItemState.ACCEPTED
        )
    )
    if left or optional_left:
        to_review = db.session.scalar(sa.select(sa.exists().where(
            RequestItem.request_id == request.id, RequestItem.state.in_(TO_REVIEW)
        )))
        if request.state is RequestState.SUBMITTED and not to_review:
            request.move_to(RequestState.IN_PROGRESS)
        return settle_waiting(request, by=by)
    request.move_to(RequestState.ACCEPTED)
    close(request)
    record("requests.request.accepted", request, by=by, topics=("requests",), name=request.name)
    settle_waiting(request, by=by)


def _check_open(request: ClientRequest) -> None:
    if request.state not in ANSWERABLE:
        raise Refused("This request is closed. Open it again first.")


def _topics(request: ClientRequest) -> tuple[str, ...]:
    return ("requests", f"client_request:{request.id}")
