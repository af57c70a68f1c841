"""WIP by client and by engagement, with its ageing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

import sqlalchemy as sa

from app.billing.policy import can_see_wip
from app.billing.queries.aged import AgedPage, AgedRow, WipFilter, aged_clients, every_aged
from app.clients.models import Engagement
from app.clients.policy import within_sight
from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.ledger.models import Account, Posting
from app.ledger.queries import age_columns, balances_of, postings_until


def wip_by_client(found: WipFilter, *, seen_by: Actor, page: int = 1) -> AgedPage:
    """Clients by unbilled amount, largest first; the totals are over all of them, not over the page."""
    if not can_see_wip(seen_by):
        raise NotFound()
    return aged_clients(Account.WIP, found, seen_by=seen_by, page=page)


def every_wip(found: WipFilter, *, seen_by: Actor) -> Iterator[AgedRow]:
    """All rows of the list, for an export."""
    if not can_see_wip(seen_by):
        raise NotFound()
    return every_aged(Account.WIP, found, seen_by=seen_by)


def wip_by_engagement(client_id: UUID, *, seen_by: Actor, on: dt.date | None = None) -> list[AgedRow]:
    """A client's engagements that have unbilled amounts, by number; today, or as a past day ended."""
    if not can_see_wip(seen_by):
        raise NotFound()
    day, account = on or clock.today(), Account.WIP
    if day < clock.today():
        source = postings_until(account, day, seen_by, Posting.client_id == client_id)
    else:
        source = balances_of(account, seen_by)
    rows = db.session.execute(
        sa.select(
            Engagement.id,
            Engagement.name,
            Engagement.number,
            source.c.currency,
            *age_columns(account, day, source.c.aged_on, source.c.amount),
            sa.func.sum(source.c.amount),
        )
        .join(source, source.c.engagement_id == Engagement.id)
        .where(source.c.client_id == client_id)
        .group_by(Engagement.id, source.c.currency)
        .having(sa.func.sum(source.c.amount) != 0)
        .order_by(Engagement.number)
    ).all()
    return [AgedRow(r[0], r[1], r[2], r[3], tuple(r[4:-1]), r[-1]) for r in rows]


def find_engagement(text: str, *, seen_by: Actor) -> UUID | None:
    """The one open engagement of exactly this number or name, for forms sent without script."""
    wanted = text.strip().lower()
    found = db.session.scalars(
        sa.select(Engagement.id).where(
            sa.or_(sa.func.lower(Engagement.number) == wanted, sa.func.lower(Engagement.name) == wanted),
            *within_sight(seen_by, Engagement.client_id, Engagement.id),
        )
    ).all()
    return found[0] if wanted and len(found) == 1 else None
