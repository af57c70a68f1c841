"""What would come late once a month is closed: it would count on the first day after it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Invoice, InvoiceKind, InvoiceLine
from app.clients.models import Engagement
from app.core.actors import Actor
from app.core.clock import zone
from app.core.db import db
from app.core.errors import NotFound
from app.ledger.policy import can_see_books
from app.timekeeping.models import Expense, TimeEntry, Timer


@dataclass(frozen=True)
class ComesLate:
    """How many entries and expenses wait for a rate, timers were begun and not stopped, and drafts bill work of the
    month or before."""

    waiting: int
    timers: int
    drafts: int

    @property
    def is_any(self) -> bool:
        return bool(self.waiting or self.timers or self.drafts)


def comes_late(through: dt.date, *, seen_by: Actor, entity_id: UUID | None = None) -> ComesLate:
    """What is worked or drafted through a day and not posted yet, of one entity or all. Across walls, as the books are.
    """
    if not can_see_books(seen_by):
        raise NotFound()
    whose = sa.true() if entity_id is None else Engagement.entity_id == entity_id
    begun_before = dt.datetime.combine(through + dt.timedelta(days=1), dt.time(), zone())

    def count(table: Any, *conditions: Any) -> sa.ScalarSelect[Any]:
        return (
            sa.select(sa.func.count()).select_from(table)
            .join(Engagement, Engagement.id == table.engagement_id).where(whose, *conditions).scalar_subquery()
        )

    waiting = [
        count(table, table.waiting, table.deleted_at.is_(None), table.worked_on <= through)
        for table in (TimeEntry, Expense)
    ]
    drafts = sa.select(sa.func.count()).select_from(Invoice).where(
        Invoice.number.is_(None), Invoice.kind == InvoiceKind.INVOICE,
        sa.exists().where(InvoiceLine.invoice_id == Invoice.id, InvoiceLine.supplied_on <= through),
        sa.true() if entity_id is None else Invoice.entity_id == entity_id,
    )
    timers = count(Timer, Timer.discarded_at.is_(None), Timer.started_at < begun_before)
    row = db.session.execute(sa.select(*waiting, timers, drafts.scalar_subquery())).one()
    return ComesLate(row[0] + row[1], row[2], row[3])
