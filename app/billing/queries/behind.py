"""What stands behind the lines of a draft or bill, and what has come in since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Invoice, InvoiceItem, InvoiceLine, LineKind, Treatment
from app.billing.open import TABLES, unbilled
from app.billing.policy import can_see_invoices
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.marks.models import Comment
from app.marks.queries import how_many
from app.people.models import Person
from app.timekeeping.models import Expense, TimeEntry

_DEALT = InvoiceItem.treatment != Treatment.LATER


@dataclass(frozen=True)
class BilledItem:
    """An entry on a draft or a bill: what was open of it, and what the bill does with that.

    What a draft has left for later is shown at what is open of it now.
    """

    id: UUID
    line_id: UUID | None
    kind: str
    worked_on: dt.date
    person: str
    narrative: str
    charged: dt.timedelta | None
    value: Decimal
    billed: Decimal
    written: Decimal
    carried: Decimal
    treatment: Treatment

    @property
    def does(self) -> str:
        """The treatment, and for a part what becomes of the rest."""
        if self.treatment is not Treatment.BILL or self.billed == self.value:
            return self.treatment.value
        return "part_carry" if self.carried else "part_write_off"


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
            sa.case((_DEALT, InvoiceItem.value), else_=table.open_value).label("value"),
            InvoiceItem.billed,
            InvoiceItem.written,
            InvoiceItem.carried,
            InvoiceItem.treatment,
        )
        .join(InvoiceItem, sa.and_(InvoiceItem.item_id == table.id, InvoiceItem.item_kind == table.__tablename__))
        .join(Person, Person.id == table.person_id)
        .where(
            InvoiceItem.invoice_id == invoice.id,
            sa.or_(InvoiceItem.treatment != Treatment.LATER, table.deleted_at.is_(None)),
            *([InvoiceItem.line_id == line_id] if line_id else []),
            *within_sight(seen_by, table.client_id, table.engagement_id),
        )
        for table in TABLES
    ]
    both = sa.union_all(*parts).subquery()
    rows = db.session.execute(sa.select(both).order_by(both.c.worked_on, both.c.id)).all()
    return [BilledItem(*row) for row in rows]


def expenses_on(invoice: Invoice, *, seen_by: Actor) -> dict[UUID, Expense]:
    """The expense behind each line that passes one on."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    rows = db.session.execute(
        sa.select(InvoiceItem.line_id, Expense)
        .join(Expense, Expense.id == InvoiceItem.item_id)
        .where(
            InvoiceItem.invoice_id == invoice.id, InvoiceItem.item_kind == Expense.__tablename__,
            *within_sight(seen_by, Expense.client_id, Expense.engagement_id),
        )
    ).all()
    return {line_id: expense for line_id, expense in rows}


def come_since(invoice_id: Any, *, seen_by: Actor) -> sa.Subquery:
    """Open entries on the engagements of a draft that it neither bills nor has left for later, up to `today`, as one
    row: how many, and their amount."""
    left = sa.select(InvoiceItem.item_id).where(InvoiceItem.invoice_id == invoice_id)
    # Asked of the lines and not given as a list: so the database plans it once and not each time, which took 0.7 ms.
    engagements, fees = (
        sa.func.array(sa.select(each).where(InvoiceLine.invoice_id == invoice_id, each.is_not(None)).scalar_subquery())
        for each in (InvoiceLine.engagement_id, InvoiceLine.arrangement_id)
    )
    day = sa.bindparam("today", type_=sa.Date())
    parts = [
        sa.select(table.open_value).where(
            *unbilled(table, engagements, day, fees),
            table.id.not_in(left),
            *within_sight(seen_by, table.client_id, table.engagement_id),
        )
        for table in TABLES
    ]
    both = sa.union_all(*parts).subquery()
    amount = sa.func.coalesce(sa.func.sum(both.c.open_value), 0).label("amount")
    return sa.select(sa.func.count().label("number"), amount).select_from(both).subquery("since")


def comments_on(invoice: Invoice, *, seen_by: Actor) -> int:
    """How many comments a bill has."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    said = how_many("invoice", invoice.id, within_sight(seen_by, Comment.client_id, Comment.engagement_id))
    return db.session.scalar(sa.select(said)) or 0


@dataclass(frozen=True)
class LineSum:
    """What stands behind a line: how many entries, their value, and what becomes of it; those left for later apart.

    `written_off` and `written` count the entries that are written off as a whole, and those written on or off at all.
    """

    count: int
    value: Decimal
    billed: Decimal
    carried: Decimal
    written_off: int
    written: int

    @property
    def worth(self) -> Decimal:
        """The value that the bill deals with: what it carries is left to a later one."""
        return self.value - self.carried

    def asks_reason(self, line: InvoiceLine) -> bool:
        """The same rule as `needs_reason`, from the sums."""
        return bool(self.written_off if line.kind is LineKind.FIXED else self.written)


_SUMS = (
    sa.select(
        InvoiceItem.line_id,
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(InvoiceItem.value).filter(_DEALT), 0),
        sa.func.coalesce(sa.func.sum(InvoiceItem.billed).filter(_DEALT), 0),
        sa.func.coalesce(sa.func.sum(InvoiceItem.carried).filter(_DEALT), 0),
        sa.func.count().filter(InvoiceItem.treatment == Treatment.WRITE_OFF),
        sa.func.count().filter(sa.or_(InvoiceItem.treatment == Treatment.WRITE_OFF, InvoiceItem.written != 0)),
    )
    .where(InvoiceItem.invoice_id == sa.bindparam("invoice", type_=sa.Uuid()))
    .group_by(InvoiceItem.line_id)
)


def sums_of_lines(invoice: Invoice, *, seen_by: Actor) -> dict[UUID, LineSum]:
    """Per line of a draft or bill, in one query whatever its number of entries."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    rows = db.session.execute(_SUMS, {"invoice": invoice.id}).all()
    return {row[0]: LineSum(*row[1:]) for row in rows}


def asks_reason(invoice: Invoice, sums: Mapping[UUID, LineSum]) -> bool:
    """Whether a draft cannot be issued before somebody says why it is not the time's value or the fee as agreed."""
    return not invoice.reason and any(
        (line.kind is LineKind.FIXED and line.net != line.drawn)
        or (line.id in sums and sums[line.id].asks_reason(line))
        for line in invoice.lines
    )
