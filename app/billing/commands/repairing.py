"""Books that an older version left wrong: found as `verify` finds them, put right by what is posted today, or on the
first open day. Nothing that was posted is changed, and nothing in a currency but where it stood in the wrong books."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.commands.fees import take_turns
from app.billing.commands.items import items_by_id
from app.billing.commands.settling import close_in_base, lock_invoices, lock_payment
from app.billing.models import Invoice, Payment
from app.core import clock
from app.core.actors import SYSTEM, Actor
from app.core.db import db, transaction
from app.core.permissions import authorize
from app.ledger.books import Books, books_of_entity
from app.ledger.commands import hold_balances, post
from app.ledger.models import Account, TransactionKind
from app.ledger.policy import can_repair_books
from app.ledger.queries import Exchange
from app.timekeeping.commands.wip import Item, Place, close_wip_in_base, taken_out, wip_legs

REASON = "put right: books of an older version"

# Of each entry and expense: what stands in the books of another entity than its engagement's, or in base alone.
_WIP = sa.text("""
    SELECT DISTINCT p.item_id FROM posting p JOIN engagement e ON e.id = p.engagement_id
    WHERE p.account = 'wip' AND p.item_id IS NOT NULL GROUP BY p.item_id, e.id, p.entity_id, p.currency
    HAVING (sum(p.amount) <> 0 AND p.entity_id <> e.entity_id) OR (sum(p.amount) = 0 AND sum(p.base_amount) <> 0)
""")
_SIDES = sa.text("""
    SELECT account, coalesce(invoice_id, payment_id) AS id FROM (
        SELECT account, CASE account WHEN 'receivable' THEN invoice_id END AS invoice_id,
               CASE account WHEN 'receivable' THEN NULL ELSE payment_id END AS payment_id, amount, base_amount
        FROM posting WHERE account IN ('receivable', 'credit', 'bank')) side
    WHERE coalesce(invoice_id, payment_id) IS NOT NULL
    GROUP BY account, invoice_id, payment_id HAVING sum(amount) = 0 AND sum(base_amount) <> 0
    ORDER BY account, id
""")
_STAND = sa.text("""
    SELECT p.client_id, p.engagement_id, p.entity_id, p.currency, e.entity_id AS own_id, sum(p.amount) AS amount,
           sum(p.base_amount) AS base, max(p.aged_on) AS aged_on,
           (array_agg(p.base_rate ORDER BY r.from_on, t.id))[1] AS rate,
           (array_agg(r.id ORDER BY r.from_on, t.id))[1] AS rate_id
    FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id JOIN engagement e ON e.id = p.engagement_id
    LEFT JOIN exchange_rate r ON r.id = t.exchange_rate_id
    WHERE p.account = 'wip' AND p.item_id = :item_id GROUP BY 1, 2, 3, 4, 5 ORDER BY 2, 3
""")


@dataclass(frozen=True)
class Repair:
    """What is put right, or would be: of an entry, an expense, a bill or a payment, in words."""

    kind: str
    id: UUID
    words: str


def list_wrong(*, by: Actor) -> list[Repair]:
    """What `repair_books` would put right now; nothing is changed."""
    authorize(by, can_repair_books)
    return [*(Repair("wip", item_id, _said(item_id)) for item_id in sorted(db.session.scalars(_WIP))),
            *(Repair(row.account, row.id, f"{row.account} of {row.id}: closed, but not in base")
              for row in db.session.execute(_SIDES))]  # fmt: skip


def _said(item_id: UUID) -> str:
    rows = db.session.execute(_STAND, {"item_id": item_id}).all()
    parts = [f"{row.amount} {row.currency} ({row.base} in base) in the books of another entity"
             for row in rows if row.amount and row.entity_id != row.own_id]
    parts += [f"0 {row.currency} at {row.base} in base" for row in rows if not row.amount and row.base]
    return f"WIP of {item_id}: {', '.join(parts)}"


def repair_books(*, by: Actor) -> list[Repair]:
    """Put right what is wrong, each in a transaction and with an event of its own; a second time there is nothing."""
    authorize(by, can_repair_books)
    return [
        wrong for wrong in list_wrong(by=by)
        if (_repair_wip if wrong.kind == "wip" else _repair_side)(wrong, by=by)
    ]  # fmt: skip


def _repair_wip(wrong: Repair, *, by: Actor) -> bool:
    with transaction():
        [item] = items_by_id([wrong.id], seen_by=SYSTEM, lock=True).values()
        moved = _bring_home(item, by=by)
        closed = close_wip_in_base([item], by=by, reason=REASON)
        if moved or closed:
            record("billing.books.repair", item, by=by, found=wrong.words, reason=REASON, topics=("wip",))
        return bool(moved or closed)


def _bring_home(item: Item, *, by: Actor) -> bool:
    """Take WIP whole out of another entity's books, and put it into its engagement's."""
    rows = db.session.execute(_STAND, {"item_id": item.id}).all()
    strays = [row for row in rows if row.amount and row.entity_id != row.own_id]
    places = [(each, row.client_id, row.currency) for row in strays for each in (row.entity_id, row.own_id)]
    hold_balances(Account.WIP, places)
    for row in strays:
        place = Place(row.client_id, row.engagement_id, item.id, row.aged_on, row.amount, row.currency)
        there, home = books_of_entity(row.entity_id), books_of_entity(row.own_id)
        rate = Exchange(row.rate, row.rate_id)
        _move(item, replace(place, amount=-row.amount), there, -row.base, rate, by=by)
        taken = taken_out(place, -row.amount, books=home, on=clock.today())
        if taken is not None:  # it closes what stands open against it, at what that stands at in base
            _move(item, place, home, -taken.base, taken.rate, by=by)
        elif home.currency == there.currency:
            _move(item, place, home, row.base, rate, by=by)
        else:
            _move(item, place, home, None, None, by=by)
    return bool(strays)


def _move(
    item: Item, place: Place, books: Books, base: Decimal | None, rate: Exchange | None, *, by: Actor
) -> None:
    post(
        TransactionKind.TRANSFERRED, wip_legs(place, base), by=by, currency=place.currency, books=books, source=item,
        happened_on=clock.today(), reason=REASON, rate=rate,
    )  # fmt: skip


def _repair_side(wrong: Repair, *, by: Actor) -> bool:
    with transaction() as session:
        found: Invoice | Payment
        if wrong.kind == Account.RECEIVABLE:
            found = session.get_one(Invoice, wrong.id)
            take_turns(found.payer_id)
            lock_invoices(sa.select(Invoice.id).where(Invoice.id == found.id))
        else:
            found = session.get_one(Payment, wrong.id)
            take_turns(found.client_id)
            lock_payment(found)
        closed = close_in_base(found, Account(wrong.kind), by=by, reason=REASON)
        if closed:
            record("billing.books.repair", found, by=by, found=wrong.words, reason=REASON, topics=("invoices",))
        return closed
