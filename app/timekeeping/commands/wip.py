"""Moving WIP in the ledger as items are recorded, changed, moved, billed or written off."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Engagement
from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.money import round_amount
from app.core.permissions import authorize
from app.ledger.books import Books, books_of_each, books_of_entity, share_in_base
from app.ledger.commands import Leg, hold_balances, post
from app.ledger.models import Account, TransactionKind
from app.ledger.policy import can_post
from app.ledger.queries import Exchange
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


@dataclass(frozen=True)
class Worth:
    """What an amount that was posted comes to in base, and an exchange rate that it was posted with, of which day."""

    base: Decimal
    rate: Exchange
    since: dt.date | None

    def holds_on(self, day: dt.date) -> bool:
        return self.since is None or self.since <= day


def wip_legs(place: Place, base: Decimal | None = None) -> list[Leg]:
    """WIP against its memo contra for one item's value; what it comes to in base, where no rate decides that."""
    key: dict[str, Any] = {"client_id": place.client_id, "engagement_id": place.engagement_id, "item_id": place.item_id}
    memo = None if base is None else -base
    return [
        Leg(account=Account.WIP, amount=place.amount, aged_on=place.worked_on, base_amount=base, **key),
        Leg(account=Account.WIP_MEMO, amount=-place.amount, aged_on=place.worked_on, base_amount=memo, **key),
    ]


# Of the rates that brought an item to where it stands, the oldest: it held on each day that the item was of.
_STANDS = sa.text("""
    SELECT sum(p.amount) AS amount, sum(p.base_amount) AS base, min(r.from_on) AS since,
           (array_agg(p.base_rate ORDER BY r.from_on, t.id))[1] AS rate,
           (array_agg(r.id ORDER BY r.from_on, t.id))[1] AS rate_id
    FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
    LEFT JOIN exchange_rate r ON r.id = t.exchange_rate_id
    WHERE p.account = 'wip' AND p.item_id = :item_id AND p.engagement_id = :engagement_id AND p.currency = :currency
      AND p.entity_id = :entity_id
    HAVING sum(p.amount) <> 0
""")
_TAKEN_LAST = sa.text("""
    SELECT p.amount, -p.base_amount AS base, p.currency, p.entity_id, p.base_rate AS rate, r.id AS rate_id,
           r.from_on AS since
    FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
    LEFT JOIN exchange_rate r ON r.id = t.exchange_rate_id
    WHERE p.account = 'wip' AND p.item_id = :item_id AND p.amount <> 0
    ORDER BY p.transaction_id DESC, p.line DESC LIMIT 1
""")


_STAND_EACH = sa.text("""
    SELECT p.item_id, sum(p.amount) AS amount, sum(p.base_amount) AS base
    FROM unnest(CAST(:items AS uuid[]), CAST(:engagements AS uuid[])) AS item (id, engagement_id)
    JOIN posting p ON p.item_id = item.id AND p.engagement_id = item.engagement_id
    WHERE p.account = 'wip' AND p.entity_id = :entity_id GROUP BY 1
""")
_RESTS = sa.text("""
    SELECT p.item_id, p.engagement_id, p.client_id, p.entity_id, p.currency, sum(p.base_amount) AS base,
           max(p.aged_on) AS aged_on, (array_agg(p.base_rate ORDER BY r.from_on, t.id))[1] AS rate,
           (array_agg(r.id ORDER BY r.from_on, t.id))[1] AS rate_id
    FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
    LEFT JOIN exchange_rate r ON r.id = t.exchange_rate_id
    WHERE p.account = 'wip' AND p.item_id = ANY (CAST(:items AS uuid[]))
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(p.amount) = 0 AND sum(p.base_amount) <> 0 ORDER BY 3, 1, 2
""")


def taken_out(place: Place, part: Decimal, *, books: Books, on: dt.date) -> Worth | None:
    """What a part of an item's value comes to in base where it stands; of the whole, exactly all that is left.

    None in base currency, where that is the same, and for what does not stand there: the rate of the day decides then.
    """
    if place.currency == books.currency or not part:
        return None
    stands = db.session.execute(
        _STANDS,
        {"item_id": place.item_id, "engagement_id": place.engagement_id, "currency": place.currency,
         "entity_id": books.entity_id},
    ).one_or_none()  # fmt: skip
    if stands is None or not 0 < part / stands.amount <= 1:
        return None
    base = share_in_base(part, stands.amount, stands.base, books.currency)
    worth = Worth(base, Exchange(stands.rate, stands.rate_id), stands.since)
    return worth if worth.holds_on(on) else None


def _given_back(place: Place, *, books: Books, on: dt.date) -> Worth | None:
    """What an item that stands again comes to in base: what was taken out when it was deleted."""
    if place.currency == books.currency or not place.amount:
        return None
    taken = db.session.execute(_TAKEN_LAST, {"item_id": place.item_id}).one_or_none()
    if taken is None or (taken.amount, taken.currency, taken.entity_id) != (
        -place.amount, place.currency, books.entity_id
    ):
        return None
    worth = Worth(taken.base, Exchange(taken.rate, taken.rate_id), taken.since)
    return worth if worth.holds_on(on) else None


@dataclass
class Standing:
    """What an item's WIP comes to, in its currency and in base, as one movement after the other is planned."""

    amount: Decimal = Decimal(0)
    base: Decimal = Decimal(0)

    def move(self, change: Decimal, rate: Decimal, base: str) -> Decimal:
        """What a change comes to in base: what goes out, at what stands there; what comes, at the exchange rate."""
        leaves = change * self.amount < 0 and abs(change) <= abs(self.amount)
        moved = (
            -share_in_base(-change, self.amount, self.base, base) if leaves else round_amount(change * rate, base)
        )
        self.amount += change
        self.base += moved
        return moved


def standings(items: Collection[Item], books: Books) -> dict[UUID, Standing]:
    """What each item of one currency comes to where it stands, in one query; of base currency none, nobody need ask."""
    if all(item.currency == books.currency for item in items):
        return {}
    found = {item.id: Standing() for item in items}
    rows = db.session.execute(
        _STAND_EACH, {"items": list(found), "engagements": [item.engagement_id for item in items],
                      "entity_id": books.entity_id}
    )  # fmt: skip
    return found | {row.item_id: Standing(row.amount, row.base) for row in rows}


def close_wip_in_base(items: Collection[Item], *, by: Actor, reason: str) -> list[Item]:
    """Where an item's WIP has come to nothing in its currency but not in base, take the rest out, today.

    What came in at one exchange rate and is reversed after it went out at another leaves such a rest. Answers the
    items that had one.
    """
    authorize(by, can_post)
    db.session.flush()
    known, closed = {item.id: item for item in items}, {}
    rows = db.session.execute(_RESTS, {"items": sorted(known)}).all()
    hold_balances(Account.WIP, [(row.entity_id, row.client_id, row.currency) for row in rows])
    for row in rows:
        item = closed[row.item_id] = known[row.item_id]
        place = Place(row.client_id, row.engagement_id, item.id, row.aged_on, Decimal(0), row.currency)
        post(
            TransactionKind.REPRICED, wip_legs(place, -row.base), by=by, currency=row.currency,
            books=books_of_entity(row.entity_id), source=item, happened_on=clock.today(), reason=reason,
            rate=Exchange(row.rate, row.rate_id),
        )  # fmt: skip
    return list(closed.values())


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

    What leaves a place goes out at what it stands at in base, and what stands again comes back at that; what comes
    to a place is worth what the exchange rate of its day makes of it, unless it only moves within an entity's books.
    `books_before` are those of where it stood, when that may be another entity's.
    """
    books_before = books_before or books

    def posted(place: Place, its_books: Books, worth: Worth | None, sign: int = 1) -> None:
        post(
            kind,
            wip_legs(place, worth.base * sign if worth else None),
            by=by,
            currency=place.currency,
            books=its_books,
            source=item,
            happened_on=on or place.worked_on,
            reason=reason,
            rate=worth.rate if worth else None,
        )

    if before and after and _same_place(before, after):
        change = after.amount - before.amount
        lowers = change * before.amount < 0 and abs(change) <= abs(before.amount)
        worth = taken_out(before, -change, books=books, on=on or before.worked_on) if lowers else None
        posted(replace(after, amount=change), books, worth, -1)
        return
    sides = ((before, books_before), (after, books))
    hold_balances(
        Account.WIP, [(its.entity_id, place.client_id, place.currency) for place, its in sides if place is not None]
    )
    worth = None
    if before:
        worth = taken_out(before, before.amount, books=books_before, on=on or before.worked_on)
        posted(replace(before, amount=-before.amount), books_before, worth, -1)
    if after:
        day = on or after.worked_on
        if before is None and kind is not TransactionKind.RECORDED:
            worth = _given_back(after, books=books, on=day)
        carried = before is None or (before.amount, before.currency, books_before) == (
            after.amount, after.currency, books
        )
        posted(after, books, worth if worth and carried and worth.holds_on(day) else None)


def _same_place(one: Place, other: Place) -> bool:
    return (one.engagement_id, one.worked_on, one.currency) == (other.engagement_id, other.worked_on, other.currency)
