"""Who may see, answer and change requests."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from app.clients.policy import can_see, within_sight
from app.core.actors import Actor
from app.core.permissions import Permission
from app.requests.models import ANSWERABLE, UNSENT, ClientRequest, RequestItem


def requests_seen_by(actor: Actor) -> sa.Select[ClientRequest]:
    """A contact never sees a draft, and by a request's own link only that one."""
    statement = sa.select(ClientRequest).where(
        *within_sight(actor, ClientRequest.client_id, ClientRequest.engagement_id)
    )
    if actor.is_contact:
        statement = statement.where(ClientRequest.state.not_in(UNSENT))
        if actor.request_id is not None:
            statement = statement.where(ClientRequest.id == actor.request_id)
    return statement


def can_ask(by: Actor, client_id: UUID, engagement_id: UUID | None = None) -> bool:
    return by.may(Permission.REQUEST_EDIT) and can_see(by, client_id, engagement_id)


def can_edit_request(by: Actor, request: ClientRequest) -> bool:
    return can_ask(by, request.client_id, request.engagement_id)


def can_answer(by: Actor, request: ClientRequest) -> bool:
    """The client's contacts, and the firm on their behalf."""
    if request.state not in ANSWERABLE:
        return False
    if by.is_contact:
        return request.client_id in by.client_ids and by.request_id in (None, request.id)
    return can_edit_request(by, request)


def can_view_as_client(by: Actor, request: ClientRequest) -> bool:
    return by.is_contact and request.client_id in by.client_ids and by.request_id in (None, request.id)


def can_review(by: Actor, item: RequestItem) -> bool:
    return can_edit_request(by, item.request)


def is_system(by: Actor) -> bool:
    return by.is_system
