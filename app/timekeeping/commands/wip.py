"""Moving WIP in the ledger as items are recorded, changed, moved, billed or written off."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.clients.models import Engagement
from app.core.actors import Actor
from app.ledger.books import Books, books_of_each
from app.ledger.commands import Leg, hold_balances, post
from app.ledger.models import Account, TransactionKind
from app.timekeeping.models import Expense, TimeEntry
from app.timekeeping.written import Movement

Item = TimeEntry | Expense


@dataclass(frozen=True)
class Place:
    """Where an item's open value stands: whose, of which day, how much."""

    client_id: UUID
    engagement_id: UUID
    item_id: UUID
    worked_on: dt.date
    amount: Decimal
    currency: str


def place_of(item: Item) -> Place:
    return Place(item.client_id, item.engagement_id, item.id, item.worked_on, item.open_value, item.currency)


def wip_legs(place: Place, sign: int = 1) -> list[Leg]:
    """WIP against its memo contra for one item's value."""
    amount = place.amount * sign
    key: dict[str, Any] = {"client_id": place.client_id, "engagement_id": place.engagement_id, "item_id": place.item_id}
    return [
        Leg(account=Account.WIP, amount=amount, aged_on=place.worked_on, **key),
        Leg(account=Account.WIP_MEMO, amount=-amount, aged_on=place.worked_on, **key),
    ]


def hold_wip(
    items: Collection[Item], *, also: Engagement | None = None, undoing: Collection[Movement] = ()
) -> None:
    """Hold the balances of these items' clients, of where they go and of where they were when what is undone was
    posted, before any of them is posted."""
    all_of = (*items, *undoing)
    books = books_of_each(each.engagement_id for each in all_of)
    places = [(books[each.engagement_id].entity_id, each.client_id, each.currency) for each in all_of]
    if also is not None:
        places.append((also.entity_id, also.client_id, also.currency))
    hold_balances(Account.WIP, places)


def move_wip(
    kind: TransactionKind,
    item: Item,
    before: Place | None,
    after: Place | None,
    *,
    by: Actor,
    books: Books,
    books_before: Books | None = None,
    on: dt.date | None = None,
    reason: str = "",
) -> None:
    """Post the difference between two places of an item, dated on its work date unless `on` is given (or in the open
    period).

    `books_before` are those of where it stood, when that may be another entity's.
    """
    if (
        before
        and after
        and (before.engagement_id, before.worked_on, before.currency)
        == (after.engagement_id, after.worked_on, after.currency)
    ):
        change = Place(
            after.client_id,
            after.engagement_id,
            after.item_id,
            after.worked_on,
            after.amount - before.amount,
            after.currency,
        )
        post(
            kind,
            wip_legs(change),
            by=by,
            currency=change.currency,
            books=books,
            source=item,
            happened_on=on or item.worked_on,
            reason=reason,
        )
        return
    sides = ((before, -1, books_before or books), (after, 1, books))
    hold_balances(
        Account.WIP, [(its.entity_id, place.client_id, place.currency) for place, _, its in sides if place is not None]
    )
    for place, sign, its_books in sides:
        if place is not None:
            post(
                kind,
                wip_legs(place, sign),
                by=by,
                currency=place.currency,
                books=its_books,
                source=item,
                happened_on=on or place.worked_on,
                reason=reason,
            )
