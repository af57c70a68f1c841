"""Walls: keeping one person away from one client or engagement, at once and whatever their role."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.models import Client, Engagement, Wall
from app.clients.policy import can_edit_walls
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.people.commands.handing import begin_hand_over, hand_over, lock_first
from app.people.holdings import Scope
from app.people.models import Person

LONGEST_REASON = 1000


Kept = Callable[[Person, Scope], None]
_on_wall: list[Kept] = []


def on_wall(hook: Kept) -> Kept:
    """Register what a room does in the same transaction when somebody is kept from a client: hook(person, scope)."""
    if hook not in _on_wall:
        _on_wall.append(hook)
    return hook


def scope_of(around: Client | Engagement) -> Scope:
    return Scope(client_id=around.id) if isinstance(around, Client) else Scope(engagement_id=around.id)


def raise_wall(
    wall_id: UUID, person: Person, around: Client | Engagement, reason: str, *, by: Actor, to: Person | None = None
) -> Wall:
    """From their next request on, this person sees nothing of it; what they hold there goes to `to`, or to nobody.

    Naming them twice changes nothing. Refused where nobody would be left who can take the wall down.
    """
    authorize(by, can_edit_walls, around)
    reason = reason.strip()
    if not reason:
        raise Refused("Say why, for whoever asks later.", field="reason")
    if len(reason) > LONGEST_REASON:
        raise Refused(f"A reason is at most {LONGEST_REASON} characters long.", field="reason")
    side = {"client_id": around.id} if isinstance(around, Client) else {"engagement_id": around.id}
    with transaction() as session:
        lock_first(person)
        said = digest_of(person.id, side, reason)
        if (existing := made_before(Wall, wall_id, said)) is not None:
            return existing
        begin_hand_over(person)
        wall = session.scalar(sa.select(Wall).filter_by(person_id=person.id, **side))
        if wall is None:
            wall = Wall(id=wall_id, made_from=said, person_id=person.id, reason=reason, created_at=now(), **side)
            session.add(wall)
            session.flush()
            _check_way_through(person, around)
            handed = hand_over(person, by=by, to=to, scope=scope_of(around))
            for hook in _on_wall:
                hook(person, scope_of(around))
            record("clients.wall.create", wall, by=by, client_id=_client_id(around), person=person.name,
                   person_id=person.id, around=around.name, reason=reason, to=to.id if to else None,
                   given=handed.given, left=handed.left)
        return wall


def _check_way_through(person: Person, around: Client | Engagement) -> None:
    """The database holds to it as well, at the commit."""
    stuck = sa.select(sa.literal(1)).select_from(sa.func.walls_for_good(_client_id(around)))
    if db.session.scalar(stuck.limit(1)) is not None:
        raise Refused(
            f"Nobody would be left who can take this wall down: {person.name} is the last who may. "
            "Make a colleague partner or administrator first.", field="person_id",
        )


def lower_wall(wall: Wall, *, by: Actor) -> None:
    around: Client | Engagement | None = db.session.get(Client, wall.client_id) if wall.client_id else None
    around = around or db.session.get(Engagement, wall.engagement_id)
    authorize(by, can_edit_walls, around)
    with transaction() as session:
        person = session.get(Person, wall.person_id)
        assert person is not None and around is not None
        record("clients.wall.delete", wall, by=by, client_id=_client_id(around), person=person.name,
               person_id=person.id, around=around.name, reason=wall.reason)
        session.delete(wall)


def _client_id(around: Client | Engagement) -> UUID:
    return around.id if isinstance(around, Client) else around.client_id


