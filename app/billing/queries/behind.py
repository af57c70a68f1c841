"""What stands behind the lines of a draft or bill, and what has come in since."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.billing.amounts import needs_reason
from app.billing.models import Invoice, InvoiceItem, Treatment
from app.billing.open import TABLES, unbilled
from app.billing.policy import can_see_invoices
from app.clients.policy import within_sight
from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.marks.models import Comment
from app.marks.queries import how_many
from app.people.models import Person
from app.timekeeping.models import Expense, TimeEntry


@dataclass(frozen=True)
class BilledItem:
    """An entry on a draft or a bill: what it was worth, what is billed for it, and how it is treated."""

    id: UUID
    line_id: UUID | None
    kind: str
    worked_on: dt.date
    person: str
    narrative: str
    charged: dt.timedelta | None
    value: Decimal
    billed: Decimal
    treatment: Treatment


def items_behind(invoice: Invoice, *, seen_by: Actor, line_id: UUID | None = None) -> list[BilledItem]:
    """Every entry and expense of a bill, or of one of its lines, by date."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    charged: dict[Any, Any] = {TimeEntry: TimeEntry.charged, Expense: sa.cast(sa.null(), TimeEntry.charged.type)}
    parts: list[Any] = [
        sa.select(
            table.id,
            InvoiceItem.line_id,
            InvoiceItem.item_kind,
            table.worked_on,
            Person.name,
            table.narrative,
            charged[table].label("charged"),
            InvoiceItem.value,
            InvoiceItem.billed,
            InvoiceItem.treatment,
        )
        .join(InvoiceItem, sa.and_(InvoiceItem.item_id == table.id, InvoiceItem.item_kind == table.__tablename__))
        .join(Person, Person.id == table.person_id)
        .where(
            InvoiceItem.invoice_id == invoice.id,
            *([InvoiceItem.line_id == line_id] if line_id else []),
            *within_sight(seen_by, table.client_id, table.engagement_id),
        )
        for table in TABLES
    ]
    both = sa.union_all(*parts).subquery()
    rows = db.session.execute(sa.select(both).order_by(both.c.worked_on, both.c.id)).all()
    return [BilledItem(*row) for row in rows]


@dataclass(frozen=True)
class Beside:
    """Time recorded since on the engagements of a draft: asked about, never added by itself. And its comments."""

    count: int
    amount: Decimal
    comments: int


def beside(invoice: Invoice, *, seen_by: Actor) -> Beside:
    """Open entries on a draft's engagements that it neither bills nor has left for later, and how many comments."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    engagements = frozenset(line.engagement_id for line in invoice.lines if line.engagement_id)
    fees = frozenset(line.arrangement_id for line in invoice.lines if line.arrangement_id)
    row = db.session.execute(_beside(invoice.id, engagements, fees, clock.today(), seen_by)).one()
    return Beside(row[0], row[1], row[2])


@lru_cache(maxsize=512)
def _beside(
    invoice_id: UUID, engagements: frozenset[UUID], fees: frozenset[UUID], day: dt.date, seen_by: Actor
) -> sa.Select[*tuple[Any, ...]]:
    """Made once for a draft, which is drawn again after each change of it."""
    left = sa.select(InvoiceItem.item_id).where(InvoiceItem.invoice_id == invoice_id)
    parts = [
        sa.select(table.open_value).where(
            *unbilled(table, engagements, day, fees),
            table.id.not_in(left),
            *within_sight(seen_by, table.client_id, table.engagement_id),
        )
        for table in TABLES
    ]
    both = sa.union_all(*parts).subquery()
    said = how_many("invoice", invoice_id, within_sight(seen_by, Comment.client_id, Comment.engagement_id))
    amount = sa.func.coalesce(sa.func.sum(both.c.open_value), 0)
    return sa.select(sa.func.count(), amount, said).select_from(both)


def comments_on(invoice: Invoice, *, seen_by: Actor) -> int:
    """How many comments a bill has."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    said = how_many("invoice", invoice.id, within_sight(seen_by, Comment.client_id, Comment.engagement_id))
    return db.session.scalar(sa.select(said)) or 0


@dataclass(frozen=True)
class LineSum:
    """What stands behind a line: how many entries, their value and what is billed of it; those left for later apart."""

    count: int
    value: Decimal
    billed: Decimal


_DEALT = InvoiceItem.treatment != Treatment.LATER
_SUMS = (
    sa.select(
        InvoiceItem.line_id,
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(InvoiceItem.value).filter(_DEALT), 0),
        sa.func.coalesce(sa.func.sum(InvoiceItem.billed).filter(_DEALT), 0),
    )
    .where(InvoiceItem.invoice_id == sa.bindparam("invoice", type_=sa.Uuid()))
    .group_by(InvoiceItem.line_id)
)


def sums_of_lines(invoice: Invoice, *, seen_by: Actor) -> dict[UUID | None, LineSum]:
    """Per line of a draft or bill, in one query whatever its number of entries."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    rows = db.session.execute(_SUMS, {"invoice": invoice.id}).all()
    return {row[0]: LineSum(row[1], row[2], row[3]) for row in rows}


def asks_reason(invoice: Invoice, *, seen_by: Actor) -> bool:
    """Whether a draft cannot be issued before somebody says why it differs from the value of the time."""
    if invoice.reason or not can_see_invoices(seen_by):
        return False
    rows = db.session.scalars(sa.select(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id)).all()
    return needs_reason(invoice.lines, rows)
