"""Who may see and change clients and engagements."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Client, ClientContact, ClientStatus, Contact, Engagement
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import Refused
from app.core.permissions import Permission


def within_sight(seen_by: Actor, client_id: Any, engagement_id: Any | None = None) -> list[sa.ColumnElement[bool]]:
    """The conditions under which a row of a client (and engagement) may be seen; add them to any select.

    People see everything but what a wall hides from them; a contact sees their clients. Deny beats allow.
    """
    if seen_by.is_system:
        return []
    if seen_by.is_contact:
        return [client_id.in_(seen_by.client_ids)]
    conditions: list[sa.ColumnElement[bool]] = []
    if seen_by.walled_clients:
        conditions.append(sa.or_(client_id.is_(None), client_id.not_in(seen_by.walled_clients)))
    if seen_by.walled_engagements and engagement_id is not None:
        conditions.append(sa.or_(engagement_id.is_(None), engagement_id.not_in(seen_by.walled_engagements)))
    return conditions


def sees_everything(by: Actor) -> bool:
    """Whether sums over the whole firm are this actor's to see: nobody's at the portal, nor behind a wall."""
    return not (by.is_contact or by.walled_clients or by.walled_engagements)


def can_see(by: Actor, client_id: UUID | None, engagement_id: UUID | None = None) -> bool:
    """The same rule for one row that is already loaded."""
    if by.is_contact:
        return client_id in by.client_ids
    return client_id not in by.walled_clients and engagement_id not in by.walled_engagements


def clients_seen_by(actor: Actor) -> sa.Select[Client]:
    return sa.select(Client).where(*within_sight(actor, Client.id))


def engagements_seen_by(actor: Actor) -> sa.Select[Engagement]:
    return sa.select(Engagement).where(*within_sight(actor, Engagement.client_id, Engagement.id))


def reachable(seen_by: Actor) -> sa.ColumnElement[bool]:
    """A contact is seen by whoever sees one of their clients; a contact sees only themselves."""
    if seen_by.is_contact:
        return Contact.id == seen_by.id
    walls = within_sight(seen_by, ClientContact.client_id)
    if not walls:
        return sa.true()
    mine = sa.select(ClientContact.id).where(ClientContact.contact_id == Contact.id)
    return sa.or_(mine.where(*walls).exists(), ~mine.exists())


def can_edit_client(by: Actor, client: Client | None = None) -> bool:
    return by.may(Permission.CLIENT_EDIT) and (client is None or can_see(by, client.id))


def can_edit_engagement(by: Actor, engagement: Engagement | None = None) -> bool:
    return by.may(Permission.ENGAGEMENT_EDIT) and (
        engagement is None or can_see(by, engagement.client_id, engagement.id)
    )


def can_import(by: Actor) -> bool:
    return by.may(Permission.CLIENT_IMPORT)


def can_edit_walls(by: Actor, around: Client | Engagement | None = None) -> bool:
    """Nobody takes down what stands before themselves."""
    if isinstance(around, Engagement):
        return by.may(Permission.WALL_EDIT) and can_see(by, around.client_id, around.id)
    return by.may(Permission.WALL_EDIT) and (around is None or can_see(by, around.id))


def is_served() -> sa.ColumnElement[bool]:
    """Clients whom the firm works for at present: they alone get new jobs, requests and reminders by themselves."""
    return sa.and_(Client.status == ClientStatus.ACTIVE, Client.archived_at.is_(None))


def check_served(client_id: UUID) -> None:
    """Refuse recurring and applied work for a client who is dormant, former, a prospect or archived."""
    client = db.session.execute(
        sa.select(Client.name, Client.status, Client.archived_at).where(Client.id == client_id)
    ).one()
    if client.archived_at is not None or client.status is not ClientStatus.ACTIVE:
        state = "archived" if client.archived_at else client.status.value
        raise Refused(f"{client.name} is {state}: no job is made of a service. Make the client active first.")
