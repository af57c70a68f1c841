"""Whose books a posting goes into."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Engagement
from app.core.db import db
from app.core.money import round_amount
from app.firm.models import Entity


@dataclass(frozen=True)
class Books:
    """An entity and its base currency: every posting keeps its amount in it too."""

    entity_id: UUID
    currency: str


def books_of_entity(entity_id: UUID) -> Books:
    entity = db.session.get_one(Entity, entity_id)
    return Books(entity.id, entity.currency)


def books_of_each(engagement_ids: Iterable[UUID]) -> dict[UUID, Books]:
    """The books that each engagement's work is kept in, in one query."""
    rows = db.session.execute(
        sa.select(Engagement.id, Entity.id, Entity.currency)
        .join(Entity, Entity.id == Engagement.entity_id)
        .where(Engagement.id.in_(set(engagement_ids)))
    )
    return {engagement_id: Books(entity_id, currency) for engagement_id, entity_id, currency in rows}


def books_of(engagement_id: UUID) -> Books:
    """The books that one engagement's work is kept in."""
    return books_of_each([engagement_id])[engagement_id]


def share_in_base(part: Decimal, whole: Decimal, whole_base: Decimal, base: str) -> Decimal:
    """What a part of an amount stands at in base; the whole of it, at exactly all that is left."""
    return whole_base if part == whole else round_amount(whole_base * part / whole, base)
