"""Loading whoever is at a door as an Actor: with a person's walls, with a contact's clients."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Client, ClientContact, Contact, Wall
from app.core.actors import Actor, ActorKind
from app.core.db import db
from app.core.permissions import ROLES
from app.people.models import Person


def actor_for(
    person: Person, *, address: str = "", walls: Sequence[tuple[UUID | None, UUID | None]] | None = None
) -> Actor:
    """A person of the firm as an actor: permissions of their role, and what walls hide from them.

    `walls` are (client, engagement) pairs of whoever has read them already.
    """
    if walls is None:
        of_person = sa.select(Wall.client_id, Wall.engagement_id).where(Wall.person_id == person.id)
        walls = [(client, engagement) for client, engagement in db.session.execute(of_person)]
    return Actor(
        kind=ActorKind.PERSON, id=person.id, name=person.name, role=person.role.value,
        permissions=frozenset(ROLES[person.role]), office_id=person.office_id, address=address,
        walled_clients=frozenset(client for client, _engagement in walls if client),
        walled_engagements=frozenset(engagement for _client, engagement in walls if engagement),
    )


def contact_actor(contact: Contact, *, request_id: UUID | None = None, request_client: UUID | None = None,
                  address: str = "") -> Actor:
    """A contact as an actor: signed in with all their clients, or by a request link with that request's client."""
    if request_id is not None:
        return Actor(
            kind=ActorKind.CONTACT, id=contact.id, name=contact.name, request_id=request_id, signed_in=False,
            client_ids=frozenset({request_client} if request_client else ()), address=address,
        )
    ids = db.session.scalars(
        sa.select(ClientContact.client_id).join(Client, Client.id == ClientContact.client_id)
        .where(ClientContact.contact_id == contact.id, ClientContact.portal_access, Client.archived_at.is_(None))
    ).all()
    return Actor(
        kind=ActorKind.CONTACT, id=contact.id, name=contact.name, client_ids=frozenset(ids), address=address
    )
