"""What may not change any more: items on a draft, billed, written off or deleted."""

from __future__ import annotations

from app.core.errors import NotFound, Refused
from app.timekeeping.models import ItemState, WipItem

LOCKED = {
    ItemState.DRAFTED: "It is on a draft bill; take it off there first.",
    ItemState.BILLED: "It has been billed and stays as it is.",
    ItemState.WRITTEN_OFF: "It has been written off and stays as it is.",
}


def refuse_locked(item: WipItem) -> None:
    """Billed, drafted and written-off items refuse every change."""
    if item.deleted_at:
        raise NotFound()
    if item.state in LOCKED:
        raise Refused(LOCKED[item.state])
