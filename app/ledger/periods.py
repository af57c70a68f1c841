"""The months of the books: which are closed, what moved in one, whether it ties out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from dateutil.relativedelta import relativedelta

from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.firm.models import Entity
from app.ledger.ageing import month_of
from app.ledger.models import Account, Closing, LedgerTransaction, Posting, TransactionKind
from app.ledger.policy import can_see_books
from app.people.models import Person

MOST_CLOSINGS = 36


@dataclass(frozen=True)
class Month:
    """A month and when it was closed; `is_over` once it can be."""

    starts_on: dt.date
    closed_at: dt.datetime | None
    is_over: bool


@dataclass(frozen=True)
class Movement:
    """What moved on an account in a month, in one currency, by kind of act; `base` is its net in the currency of the
    books. What exchange rates made of an amount moves in that alone."""

    account: Account
    currency: str
    kind: TransactionKind
    is_reversal: bool
    debit: Decimal
    credit: Decimal
    base: Decimal
    base_currency: str

    @property
    def net(self) -> Decimal:
        return self.debit - self.credit


def list_months(*, seen_by: Actor, entity_id: UUID | None = None) -> Sequence[Month]:
    """From the first month with a posting to this one, the newest first; closed for one entity, or for all of them."""
    if not can_see_books(seen_by):
        raise NotFound()
    first = db.session.scalar(sa.select(sa.func.min(LedgerTransaction.posted_on)))
    latest = _closings()
    if entity_id is not None:
        latest = {entity_id: latest[entity_id]} if entity_id in latest else {}
    this, month, months = month_of(clock.today()), month_of(first or clock.today()), []
    while month <= this:
        end = month + relativedelta(months=1, days=-1)
        # Closed once it is for every entity: by the last of those acts that reached it first.
        reached = [next((c.closed_at for c in its if c.closed_through >= end), None) for its in latest.values()]
        at = max((each for each in reached if each), default=None) if all(reached) else None
        months.append(Month(month, at, month < this))
        month += relativedelta(months=1)
    return months[::-1]


def _closings() -> dict[UUID, list[Closing]]:
    """Each entity's acts of closing, the earliest first."""
    found: dict[UUID, list[Closing]] = {entity_id: [] for entity_id in db.session.scalars(sa.select(Entity.id))}
    for each in db.session.scalars(sa.select(Closing).order_by(Closing.closed_through)):
        found[each.entity_id].append(each)
    return found


@dataclass(frozen=True)
class Closed:
    """An act of closing: whose books, through which day, when and by whom."""

    entity_id: UUID
    entity: str
    through: dt.date
    at: dt.datetime
    by: str | None


def list_closings(*, seen_by: Actor, entity_id: UUID | None = None) -> Sequence[Closed]:
    """Who closed whose books through which day, the latest first."""
    if not can_see_books(seen_by):
        raise NotFound()
    rows = db.session.execute(
        sa.select(Closing.entity_id, Entity.name, Closing.closed_through, Closing.closed_at, Person.name)
        .join(Entity, Entity.id == Closing.entity_id)
        .outerjoin(Person, Person.id == Closing.closed_by)
        .where(sa.true() if entity_id is None else Closing.entity_id == entity_id)
        .order_by(Closing.closed_through.desc(), Closing.closed_at.desc(), Entity.name)
        .limit(MOST_CLOSINGS)
    ).all()
    return [Closed(*row) for row in rows]


def closed_through(entity_id: UUID) -> dt.date | None:
    """The day through which an entity's books are closed, None while none is."""
    return db.session.scalar(sa.select(sa.func.max(Closing.closed_through)).where(Closing.entity_id == entity_id))


def movements_of(month: dt.date, *, seen_by: Actor, entity_id: UUID | None = None) -> Sequence[Movement]:
    """Everything posted in a month by account and kind, of one entity or of all; the net of all of it is zero in each
    currency, and so it is in base."""
    if not can_see_books(seen_by):
        raise NotFound()
    reversal = LedgerTransaction.reverses_id.is_not(None)
    rows = db.session.execute(
        sa.select(
            Posting.account,
            Posting.currency,
            LedgerTransaction.kind,
            reversal,
            sa.func.coalesce(sa.func.sum(Posting.amount).filter(Posting.amount > 0), 0),
            sa.func.coalesce(-sa.func.sum(Posting.amount).filter(Posting.amount < 0), 0),
            sa.func.sum(Posting.base_amount),
            Entity.currency,
        )
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .join(Entity, Entity.id == Posting.entity_id)
        .where(sa.true() if entity_id is None else Posting.entity_id == entity_id)
        .where(LedgerTransaction.posted_on >= month, LedgerTransaction.posted_on < month + relativedelta(months=1))
        .group_by(Posting.account, Posting.currency, LedgerTransaction.kind, reversal, Entity.currency)
        .order_by(Posting.currency, Posting.account, LedgerTransaction.kind, reversal, Entity.currency)
    ).all()
    return [Movement(*row) for row in rows]
