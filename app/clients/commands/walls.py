"""Walls: keeping one person away from one client or engagement, at once and whatever their role."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.models import Client, Engagement, Wall
from app.clients.policy import can_edit_walls
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import transaction
from app.core.errors import Refused
from app.core.locking import to_lock
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.people.models import Person

LONGEST_REASON = 1000


def raise_wall(wall_id: UUID, person: Person, around: Client | Engagement, reason: str, *, by: Actor) -> Wall:
    """From their next request on, this person sees nothing of it. Naming them twice changes nothing."""
    authorize(by, can_edit_walls)
    reason = reason.strip()
    if not reason:
        raise Refused("Say why, for whoever asks later.", field="reason")
    if len(reason) > LONGEST_REASON:
        raise Refused(f"A reason is at most {LONGEST_REASON} characters long.", field="reason")
    side = {"client_id": around.id} if isinstance(around, Client) else {"engagement_id": around.id}
    with transaction() as session:
        said = digest_of(person.id, side, reason)
        if (existing := made_before(Wall, wall_id, said)) is not None:
            return existing
        session.execute(to_lock(sa.select(Person.id).where(Person.id == person.id), lightly=True))
        wall = session.scalar(sa.select(Wall).filter_by(person_id=person.id, **side))
        if wall is None:
            wall = Wall(id=wall_id, made_from=said, person_id=person.id, reason=reason, created_at=now(), **side)
            session.add(wall)
            record("clients.wall.create", wall, by=by, client_id=_client_id(around), person=person.name,
                   person_id=person.id, around=around.name, reason=reason)
        return wall


def lower_wall(wall: Wall, *, by: Actor) -> None:
    authorize(by, can_edit_walls)
    with transaction() as session:
        person = session.get(Person, wall.person_id)
        around = session.get(Client, wall.client_id) if wall.client_id else session.get(Engagement, wall.engagement_id)
        assert person is not None and around is not None
        record("clients.wall.delete", wall, by=by, client_id=_client_id(around), person=person.name,
               person_id=person.id, around=around.name, reason=wall.reason)
        session.delete(wall)


def _client_id(around: Client | Engagement) -> UUID:
    return around.id if isinstance(around, Client) else around.client_id


