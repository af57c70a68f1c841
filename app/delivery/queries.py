"""Reading what was sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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


def mail_troubles(about_kind: str, ids: Collection[UUID], *, seen_by: Actor) -> dict[UUID, str]:
    """The same for the things of a page that is made already, of those with any: `failed` or `queued` by id."""
    if not ids or not (seen_by.is_person or seen_by.is_system):
        return {}
    rows = db.session.execute(
        sa.select(Delivery.about_id, sa.func.min(Delivery.state)).where(
            Delivery.about_kind == about_kind, Delivery.about_id.in_(ids), Delivery.settled_at.is_(None),
            Delivery.state.in_((DeliveryState.FAILED, DeliveryState.QUEUED)),
        ).group_by(Delivery.about_id)
    )
    return {row[0]: str(row[1]) for row in rows if row[0]}


def get_delivery(delivery_id: UUID, *, seen_by: Actor) -> Delivery:
    return get_or_404(sa.select(Delivery).where(Delivery.id == delivery_id, sa.literal(seen_by.is_system)))
