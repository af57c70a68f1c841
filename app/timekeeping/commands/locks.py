"""What may not change any more: items on a draft, billed, written off or deleted."""

from __future__ import annotations

import sqlalchemy as sa

from app.core.db import db
from app.core.errors import NotFound, Refused
from app.timekeeping.models import Expense, ItemState, TimeEntry, WipItem

LOCKED = {
    ItemState.DRAFTED: "It is on a draft bill; take it off there first.",
    ItemState.BILLED: "It has been billed and stays as it is.",
    ItemState.WRITTEN_OFF: "It has been written off; take that back first.",
}


def refuse_locked(item: WipItem) -> None:
    """Billed, drafted and written-off items refuse every change."""
    if item.deleted_at:
        raise NotFound()
    if item.state in LOCKED:
        raise Refused(LOCKED[item.state])


def lock(item: TimeEntry | Expense) -> None:
    """Read the row as it is now and keep it until the transaction ends; what was loaded beside it is forgotten."""
    table = type(item)
    db.session.execute(
        sa.select(table).where(table.id == item.id).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()
