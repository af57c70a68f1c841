"""Reading what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.delivery.models import Delivery, DeliveryState


def list_deliveries(*, seen_by: Actor, to: str = "", limit: int = 200) -> Sequence[Delivery]:
    """The newest mails first; only for the system itself and the development page."""
    if not seen_by.is_system:
        return []
    statement = sa.select(Delivery).order_by(Delivery.created_at.desc(), Delivery.id.desc()).limit(limit)
    return db.session.scalars(statement.where(Delivery.recipient.ilike(to)) if to else statement).all()


def list_mails_about(about_kind: str, about_id: UUID, *, seen_by: Actor, limit: int = 30) -> Sequence[Delivery]:
    """The mails about one thing, newest first, for whoever sees the thing; what was sent again is left out."""
    if not (seen_by.is_person or seen_by.is_system):
        return []
    return db.session.scalars(
        sa.select(Delivery).where(
            Delivery.about_kind == about_kind, Delivery.about_id == about_id,
            sa.or_(Delivery.settled_at.is_(None), Delivery.state == DeliveryState.SENT),
        ).order_by(Delivery.created_at.desc(), Delivery.id.desc()).limit(limit)
    ).all()


def mail_trouble(about_kind: str, about_id: sa.ColumnElement[UUID] | Any) -> sa.ScalarSelect[str]:
    """For lists: how the mails about the thing in this column stand: `failed`, else `queued`, else nothing."""
    return (
        sa.select(sa.func.min(Delivery.state)).where(
            Delivery.about_kind == about_kind, Delivery.about_id == about_id, Delivery.settled_at.is_(None),
            Delivery.state.in_((DeliveryState.FAILED, DeliveryState.QUEUED)),
        ).scalar_subquery()
    )


def get_delivery(delivery_id: UUID, *, seen_by: Actor) -> Delivery:
    return get_or_404(sa.select(Delivery).where(Delivery.id == delivery_id, sa.literal(seen_by.is_system)))
