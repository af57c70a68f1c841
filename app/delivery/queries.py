"""Reading what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.delivery.models import Delivery


def list_deliveries(*, seen_by: Actor, to: str = "", limit: int = 200) -> Sequence[Delivery]:
    """The newest mails first; only for the system itself and the development page."""
    if not seen_by.is_system:
        return []
    statement = sa.select(Delivery).order_by(Delivery.created_at.desc(), Delivery.id.desc()).limit(limit)
    return db.session.scalars(statement.where(Delivery.recipient.ilike(to)) if to else statement).all()


def get_delivery(delivery_id: UUID, *, seen_by: Actor) -> Delivery:
    return get_or_404(sa.select(Delivery).where(Delivery.id == delivery_id, sa.literal(seen_by.is_system)))
