"""Everything that could be billed now: what a bill run offers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.billing.open import TABLES
from app.billing.policy import can_draft
from app.billing.queries.aged import WipFilter, client_conditions
from app.clients.arrangements import fee_all_taken
from app.clients.models import Client, Engagement
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.timekeeping.models import ItemState, TimeEntry


@dataclass(frozen=True)
class Billable:
    """What one draft of the run would take: a client's open time in one currency and entity, for one payer."""

    client_id: UUID
    client: str
    code: str
    entity_id: UUID
    currency: str
    amount: Decimal
    entries: int
    oldest: dt.date
    engagement_ids: tuple[UUID, ...]
    payer_id: UUID
    payer: str

    @property
    def key(self) -> str:
        """What the form sends for a row."""
        mine = f"{self.client_id}:{self.entity_id}:{self.currency}"
        return mine if self.payer_id == self.client_id else f"{mine}:{self.payer_id}"


def list_billable(until: dt.date, *, seen_by: Actor, found: WipFilter | None = None) -> Sequence[Billable]:
    """Clients with open time and expenses up to a day, largest first. Held and drafted entries are not in it."""
    if not can_draft(seen_by):
        raise NotFound()
    parts: list[Any] = [
        sa.select(table.engagement_id, table.worked_on, table.open_value).where(
            table.state == ItemState.OPEN,
            table.billable,
            ~table.waiting,
            table.deleted_at.is_(None),
            table.worked_on <= until,
            *([~fee_all_taken(table.engagement_id, table.worked_on)] if table is TimeEntry else []),
            *within_sight(seen_by, table.client_id, table.engagement_id),
        )
        for table in TABLES
    ]
    items = sa.union_all(*parts).subquery()
    per = (
        sa.select(
            items.c.engagement_id,
            sa.func.sum(items.c.open_value).label("amount"),
            sa.func.count().label("entries"),
            sa.func.min(items.c.worked_on).label("oldest"),
        )
        .group_by(items.c.engagement_id)
        .subquery()
    )
    payer = sa.orm.aliased(Client)
    rows = db.session.execute(
        sa.select(
            Client.id,
            Client.name,
            Client.code,
            Engagement.entity_id,
            Engagement.currency,
            sa.func.sum(per.c.amount),
            sa.func.sum(per.c.entries),
            sa.func.min(per.c.oldest),
            sa.func.array_agg(aggregate_order_by(Engagement.id, Engagement.number)),
            payer.id,
            payer.name,
        )
        .join(Engagement, Engagement.id == per.c.engagement_id)
        .join(Client, Client.id == Engagement.client_id)
        .join(payer, payer.id == sa.func.coalesce(Engagement.payer_id, Client.payer_id, Client.id))
        .where(*client_conditions(found or WipFilter()), *within_sight(seen_by, payer.id))
        .group_by(Client.id, Engagement.entity_id, Engagement.currency, payer.id)
        .having(sa.func.sum(per.c.amount) > 0)
        .order_by(sa.func.sum(per.c.amount).desc(), Client.sort_key)
    ).all()
    return [
        Billable(row[0], row[1], row[2], row[3], row[4], row[5], int(row[6]), row[7], tuple(row[8]), row[9], row[10])
        for row in rows
    ]
