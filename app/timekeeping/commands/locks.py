"""What may not change any more: items on a draft, billed, written off or deleted."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from app.core.db import db
from app.core.errors import NotFound, Refused
from app.core.locking import to_lock
from app.timekeeping.models import Expense, ItemState, TimeEntry, WipItem

LOCKED = {
    ItemState.DRAFTED: "It is on a draft bill; take it off there first.",
    ItemState.BILLED: "It has been billed and stays as it is.",
    ItemState.WRITTEN_OFF: "It has been written off; take that back first.",
}


_guards: list[Callable[[WipItem], None]] = []


def guards(check: Callable[[WipItem], None]) -> Callable[[WipItem], None]:
    """Let a room above refuse what would change an item that it counts on: it raises Refused."""
    if check not in _guards:
        _guards.append(check)
    return check


def refuse_closed(item: WipItem) -> None:
    """Billed, drafted and written-off items refuse to be held, written on or off, or taken again."""
    if item.deleted_at:
        raise NotFound()
    if item.state in LOCKED:
        raise Refused(LOCKED[item.state])


def refuse_locked(item: WipItem) -> None:
    """Items that are billed, also in part, drafted or written off refuse every change of what they are."""
    refuse_closed(item)
    for check in _guards:
        check(item)


def lock(item: TimeEntry | Expense) -> None:
    """Read the row as it is now and keep it until the transaction ends; what was loaded beside it is forgotten."""
    table = type(item)
    db.session.execute(to_lock(sa.select(table).where(table.id == item.id))).scalar_one()
