"""Clients and engagements that somebody answers for, and what must not be given to whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.access import actor_for
from app.clients.commands._shared import apply_changes, lock_version
from app.clients.models import Client, Engagement
from app.clients.policy import can_see
from app.core.actors import Actor
from app.core.db import db
from app.core.locking import to_lock
from app.people.holdings import Holding, Kind, Scope, hides, register_holdings
from app.people.models import Person

PARTS = {"partner_id": "Partner", "manager_id": "Manager"}


@hides
def behind_a_wall(person: Person, held: Sequence[Holding]) -> list[Holding]:
    actor = actor_for(person)
    return [each for each in held if not can_see(actor, each.client_id, each.engagement_id)]


def _clients(person_id: UUID, scope: Scope) -> list[Holding]:
    """The clients whose partner or manager they are; an engagement's wall leaves its client to them."""
    if scope.engagement_id is not None:
        return []
    rows = _answered_for(Client, person_id, Client.id == scope.client_id if scope.client_id else None)
    return [
        Holding("clients", row.id, f"{PARTS[part]} of the client", row.name, row.id, row.name, part=part)
        for row in rows for part in PARTS if getattr(row, part) == person_id
    ]


def _engagements(person_id: UUID, scope: Scope) -> list[Holding]:
    rows = _answered_for(
        Engagement, person_id, Engagement.client_id == scope.client_id if scope.client_id else None,
        Engagement.id == scope.engagement_id if scope.engagement_id else None,
    )
    found = sa.select(Client.id, Client.name).where(Client.id.in_({row.client_id for row in rows}))
    names: dict[UUID, str] = {client_id: name for client_id, name in db.session.execute(found)}
    return [
        Holding("engagements", row.id, f"{PARTS[part]} of the engagement", row.name, row.client_id,
                names[row.client_id], row.id, part)
        for row in rows for part in PARTS if getattr(row, part) == person_id
    ]


def _answered_for(table: Any, person_id: UUID, *conditions: Any) -> Sequence[Any]:
    theirs = sa.or_(*(getattr(table, part) == person_id for part in PARTS))
    wanted = [each for each in conditions if each is not None]
    return db.session.scalars(sa.select(table).where(theirs, *wanted).order_by(table.id)).all()


def _lock(held: Sequence[Holding], person: Person) -> None:
    if held:
        table: Any = Client if held[0].kind == "clients" else Engagement
        db.session.execute(to_lock(sa.select(table.id).where(table.id.in_({each.id for each in held})), of=table))


def _give(held: Sequence[Holding], person: Person, to: Person | None, by: Actor) -> None:
    """One event for each client or engagement, as when somebody edits it."""
    parts: dict[UUID, list[str]] = {}
    for each in held:
        parts.setdefault(each.id, []).append(each.part)
    table: Any = Client if held[0].kind == "clients" else Engagement
    for row_id in sorted(parts):
        row = db.session.get_one(table, row_id)
        lock_version(row, None)
        changes = apply_changes(row, dict.fromkeys(parts[row_id], to.id if to else None))
        record(f"clients.{table.__tablename__}.update", row, by=by, name=row.name, changes=changes)


register_holdings(Kind("clients", 10, _clients, _give, _lock))
register_holdings(Kind("engagements", 20, _engagements, _give, _lock))
