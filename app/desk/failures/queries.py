"""Mails that do not get through and work that failed, as far as walls and role let somebody see them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from app.billing.sight import hidden_bills
from app.clients.models import Client
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.core.permissions import Permission
from app.delivery.models import Delivery, DeliveryState
from app.requests.models import ClientRequest
from app.requests.policy import requests_seen_by

PAGE = 50


def mails_seen_by(seen_by: Actor) -> list[sa.ColumnElement[bool]]:
    """One's own, those of clients and bills that no wall hides; the firm's own for whoever may change the settings."""
    if not seen_by.is_person:
        return [sa.false()]
    whose = [Delivery.client_id.is_not(None), Delivery.sent_by == seen_by.id]
    if seen_by.may(Permission.SETTINGS_EDIT):
        whose.append(sa.true())
    conditions = [sa.or_(*whose), *within_sight(seen_by, Delivery.client_id)]
    if seen_by.walled_clients or seen_by.walled_engagements:
        conditions.append(sa.or_(
            Delivery.about_kind != ClientRequest.__tablename__,
            Delivery.about_id.in_(requests_seen_by(seen_by).with_only_columns(ClientRequest.id)),
        ))
    hidden = hidden_bills(seen_by)
    if hidden is not None:
        conditions.append(sa.or_(Delivery.about_kind != "invoice", Delivery.about_id.not_in(hidden)))
    return conditions


def list_stuck_mails(*, seen_by: Actor, page: int = 1) -> tuple[Sequence[tuple[Delivery, str]], bool]:
    """A page of mails that do not get through, the latest first, each with its client's name; whether more follow."""
    rows = db.session.execute(
        sa.select(Delivery, sa.func.coalesce(Client.name, "")).outerjoin(Client, Client.id == Delivery.client_id)
        .where(*_stuck(), *mails_seen_by(seen_by)).order_by(Delivery.failed_at.desc(), Delivery.id.desc())
        .limit(PAGE + 1).offset((page - 1) * PAGE)
    ).all()
    return [(row[0], row[1]) for row in rows[:PAGE]], len(rows) > PAGE


def count_stuck_mails(*, seen_by: Actor) -> int:
    """How many that list holds over all its pages."""
    return db.session.scalar(sa.select(sa.func.count()).where(*_stuck(), *mails_seen_by(seen_by))) or 0


def get_mail(delivery_id: UUID, *, seen_by: Actor) -> Delivery:
    return get_or_404(sa.select(Delivery).where(Delivery.id == delivery_id, *mails_seen_by(seen_by)))


def _stuck() -> list[sa.ColumnElement[bool]]:
    return [Delivery.failed_at.is_not(None), Delivery.settled_at.is_(None),
            Delivery.state.in_((DeliveryState.QUEUED, DeliveryState.FAILED, DeliveryState.DROPPED))]
