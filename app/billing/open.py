"""What counts as open, for commands and queries alike: WIP that a bill may take, bills that a payment may settle."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Invoice, InvoiceKind, InvoiceState
from app.clients.arrangements import fee_all_taken
from app.core.db import among
from app.timekeeping.models import Expense, ItemState, TimeEntry

Table = type[TimeEntry] | type[Expense]
# Spelled out and no parameter: a plan that is kept for all parameters else cannot use the index of what is unbilled.
_OPEN: sa.ColumnElement[str] = sa.literal_column(f"'{ItemState.OPEN.value}'")
TABLES: tuple[Table, ...] = (TimeEntry, Expense)


def unbilled(
    table: Table, engagement_ids: Any, until: Any, fees: Any = ()
) -> list[Any]:
    """Billable, open and valued, worked up to and including a day: what waits for a rate is not billed unseen.

    Time under a fixed fee that is taken whole is not: nothing can be billed for it. `fees` are those of the draft that
    asks, which takes them itself. Ids may be the parameter of a kept statement.
    """
    return [
        among(table.engagement_id, engagement_ids),
        table.worked_on <= until,
        table.state == _OPEN,
        table.billable,
        ~table.waiting,
        table.deleted_at.is_(None),
        *([~fee_all_taken(table.engagement_id, table.worked_on, fees)] if table is TimeEntry else []),
    ]


def owed(payer_id: UUID, currency: str, entity_id: UUID | None = None) -> list[Any]:
    """Issued, standing and not settled yet."""
    conditions: list[Any] = [
        Invoice.payer_id == payer_id,
        Invoice.currency == currency,
        Invoice.open_amount > 0,
        Invoice.kind == InvoiceKind.INVOICE,
        Invoice.state.in_((InvoiceState.APPROVED, InvoiceState.SENT)),
    ]
    return conditions + ([Invoice.entity_id == entity_id] if entity_id else [])
