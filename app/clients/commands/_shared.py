"""What the commands of this room share: making a thing once, locking what is edited, telling what changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa

from app.core.db import Base, HasVersion, check_version, db
from app.core.errors import Refused
from app.core.locking import lock_row
from app.people.models import Person

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


def check_people(**people: UUID | None) -> None:
    """Refuse an id that is nobody's, at its field."""
    asked = {person_id for person_id in people.values() if person_id}
    if not asked:
        return
    known = set(db.session.scalars(sa.select(Person.id).where(Person.id.in_(asked))))
    for field, person_id in people.items():
        if person_id and person_id not in known:
            raise Refused("Nobody of the firm is meant by that. Pick a name from the list.", field=field)
