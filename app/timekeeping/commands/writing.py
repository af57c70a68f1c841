"""Writing on and off in the ledger, and taking it back: by reversing the very transaction, wherever the item is now."""

from __future__ import annotations

from decimal import Decimal

from app.core import clock
from app.core.actors import Actor
from app.ledger.books import Books, books_of
from app.ledger.commands import post, reverse
from app.ledger.models import TransactionKind
from app.timekeeping.commands.wip import Item, Place, move_wip, place_of, taken_out, wip_legs
from app.timekeeping.written import Movement


def write(item: Item, change: Decimal, reason: str, *, by: Actor, books: Books) -> int | None:
    """Post an amount as written on, or off when below zero. The caller counts it to the item's figures afterwards.
    Answers the id of what it posted.

    Dated today: writing off says something about today, not about the day of the work. What is written off goes out
    at what it stands at in base.
    """
    here = _of(item, change)
    worth = taken_out(here, -change, books=books, on=clock.today())
    return post(
        TransactionKind.WRITTEN_OFF if change < 0 else TransactionKind.WRITTEN_ON,
        wip_legs(here, -worth.base if worth else None),
        by=by,
        currency=item.currency,
        books=books,
        source=item,
        happened_on=clock.today(),
        reason=reason,
        rate=worth.rate if worth else None,
    )


def undo_write(item: Item, written: Movement, reason: str, *, by: Actor, books: Books) -> None:
    """Reverse what was written on or off, in the open period. An item that has moved since takes the amount along;
    the caller counts it to the item's figures afterwards."""
    reverse(written.transaction_id, by=by, source=item, reason=reason)
    there = Place(
        written.client_id, written.engagement_id, item.id, written.aged_on, -written.amount, written.currency
    )  # fmt: skip
    here = _of(item, -written.amount)
    if there != here:
        moved = there.engagement_id != here.engagement_id
        kind = TransactionKind.TRANSFERRED if moved else TransactionKind.REPRICED
        books_before = books_of(written.engagement_id) if moved else None
        move_wip(
            kind, item, there, here, by=by, books=books, books_before=books_before, on=clock.today(), reason=reason
        )


def _of(item: Item, amount: Decimal) -> Place:
    place = place_of(item)
    return Place(place.client_id, place.engagement_id, item.id, place.worked_on, amount, place.currency)
