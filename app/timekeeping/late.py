"""Time worked in books that are closed: whether it is still taken, and where it counts then."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Engagement
from app.core.clock import today
from app.core.db import db
from app.core.errors import Refused
from app.core.permissions import ROLES, Permission
from app.firm.models import Entity
from app.ledger.ageing import month_of
from app.ledger.commands import hold_open
from app.ledger.periods import closed_through
from app.people.models import Person, PersonState

MOST_NAMES = 3


def refuse_late(entity_id: UUID, day: dt.date, *, field: str) -> None:
    """Refuse work of a day in closed books where the entity takes none any more, saying whom to ask.

    Called before it is posted, with its rows locked: the books stay as they are until the transaction ends. The month
    that is running is never closed.
    """
    if day >= month_of(today()):
        return
    name, taken = db.session.execute(sa.select(Entity.name, Entity.late_time).where(Entity.id == entity_id)).one()
    if taken:
        return
    closed = hold_open(entity_id)
    if closed is not None and day <= closed:
        raise Refused(
            f"The books of {name} are closed through {closed:%-d %B %Y} and take nothing of earlier days any more. "
            f"Ask {_whom_to_ask()}.", field=field,
        )


def _whom_to_ask() -> str:
    """Who closes the books, by name: "Pat Hartwell or Ada Byron"."""
    roles = [role for role, granted in ROLES.items() if Permission.PERIOD_CLOSE in granted]
    names = db.session.scalars(
        sa.select(Person.name).where(Person.role.in_(roles), Person.state == PersonState.ACTIVE)
        .order_by(Person.name).limit(MOST_NAMES)
    ).all()
    return " or ".join(names) or "whoever closes the books"


def late_note(engagement_id: UUID, day: dt.date) -> str:
    """Where work of a day in closed books counts: "Books closed through 31 October 2026; posted on 1 November 2026".

    Empty for a day that is open.
    """
    if day >= month_of(today()):
        return ""
    entity_id = db.session.scalar(sa.select(Engagement.entity_id).where(Engagement.id == engagement_id))
    closed = closed_through(entity_id) if entity_id else None
    if closed is None or day > closed:
        return ""
    return f"Books closed through {closed:%-d %B %Y}; it is posted on {closed + dt.timedelta(days=1):%-d %B %Y}"


def closed_note(day: dt.date) -> str:
    """What a form that offers a day of a closed month says beside it; empty while every entity has it open.

    Which entity's work it will be shows only once the work is named, so it is said of each that differs.
    """
    if day >= month_of(today()):
        return ""
    said = []
    entities = db.session.scalars(sa.select(Entity).where(Entity.archived_at.is_(None)).order_by(Entity.name)).all()
    for entity in entities:
        closed = closed_through(entity.id)
        if closed is not None and day <= closed:
            whose = f"The books of {entity.name} are" if len(entities) > 1 else "The books are"
            first = closed + dt.timedelta(days=1)
            then = (
                f"time is posted on {first:%-d %B %Y} and keeps its date and age" if entity.late_time
                else f"ask {_whom_to_ask()} before you record it"
            )
            said.append(f"{whose} closed through {closed:%-d %B %Y}: {then}.")
    return " ".join(said)
