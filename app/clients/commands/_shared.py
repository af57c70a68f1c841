"""What the commands of this room share: making a thing once, locking what is edited, telling what changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Client, Engagement, Wall
from app.clients.policy import can_see
from app.core.actors import Actor
from app.core.db import Base, HasVersion, check_version, db
from app.core.errors import Refused
from app.core.locking import lock_row
from app.people.models import Person, PersonState

Row = TypeVar("Row", bound=Base)


def lock_version(row: HasVersion, version: int | None) -> None:
    """Lock the row, refuse a stale edit, count its version up."""
    lock_row(row, "version")
    check_version(row, version)


def apply_changes(row: Any, values: dict[str, Any]) -> dict[str, list[Any]]:
    """Set the attributes that differ; returns {name: [before, after]} for the event."""
    changes: dict[str, list[Any]] = {}
    for name, value in values.items():
        before = getattr(row, name)
        if before != value:
            changes[name] = [before, value]
            setattr(row, name, value)
    return changes


def positions(values: Iterable[str]) -> list[str]:
    """Addresses in order, each once whatever its case, blanks left out."""
    kept: dict[str, str] = {}
    for value in values:
        if value:
            kept.setdefault(value.casefold(), value)
    return list(kept.values())


def check_payer(payer_id: UUID | None, before: UUID | None, *, by: Actor) -> None:
    """Refuse somebody who cannot pay another's bills; who was chosen before is not asked again."""
    if payer_id is None or payer_id == before:
        return
    payer = db.session.get(Client, payer_id)
    if payer is None or not can_see(by, payer_id):
        raise Refused("No client is meant by that. Pick one from the list.", field="payer_id")
    if payer.is_firm:
        raise Refused("The firm does not bill itself.", field="payer_id")
    if payer.archived_at is not None:
        raise Refused(f"{payer.name} is archived. Restore it first, or name another payer.", field="payer_id")


def check_people(
    of: Client | Engagement | None = None, *, client_id: UUID | None = None, **people: UUID | None
) -> None:
    """Refuse an id that is nobody's, or somebody who is gone or must not see it, at its field.

    Who stands in `of` already is not asked again; `client_id` is of what is new.
    """
    asked = {person_id for field, person_id in people.items() if person_id and person_id != getattr(of, field, None)}
    if not asked:
        return
    known = {person.id: person for person in db.session.scalars(sa.select(Person).where(Person.id.in_(asked)))}
    around = [of.client_id, of.id] if isinstance(of, Engagement) else [of.id if of else client_id]
    either = sa.or_(Wall.client_id.in_(around), Wall.engagement_id.in_(around))
    walled = set(db.session.scalars(sa.select(Wall.person_id).where(Wall.person_id.in_(asked), either)))
    for field, person_id in people.items():
        if person_id not in asked:
            continue
        person = known.get(person_id)
        if person is None:
            raise Refused("Nobody of the firm is meant by that. Pick a name from the list.", field=field)
        if person.state is PersonState.DEACTIVATED:
            raise Refused(f"{person.name} does not work here any more.", field=field)
        if person_id in walled:
            raise Refused(f"{person.name} cannot be given this client.", field=field)
