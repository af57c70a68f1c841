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


@dataclass(frozen=True)
class Month:
    """A month and when it was closed; `is_over` once it can be."""

    starts_on: dt.date
    closed_at: dt.datetime | None
    is_over: bool


@dataclass(frozen=True)
class Movement:
    """What moved on an account in a month, in one currency, by kind of act."""

    account: Account
    currency: str
    kind: TransactionKind
    is_reversal: bool
    debit: Decimal
    credit: Decimal

    @property
    def net(self) -> Decimal:
        return self.debit - self.credit


def list_months(*, seen_by: Actor) -> Sequence[Month]:
    """From the first month with a posting to this one, the newest first."""
    if not can_see_books(seen_by):
        raise NotFound()
    first = db.session.scalar(sa.select(sa.func.min(LedgerTransaction.posted_on)))
    latest = _closings()
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


def closed_through(entity_id: UUID) -> dt.date | None:
    """The day through which an entity's books are closed, None while none is."""
    return db.session.scalar(sa.select(sa.func.max(Closing.closed_through)).where(Closing.entity_id == entity_id))


def movements_of(month: dt.date, *, seen_by: Actor) -> Sequence[Movement]:
    """Everything posted in a month by account and kind; the net of all of it is zero in each currency."""
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
        )
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(LedgerTransaction.posted_on >= month, LedgerTransaction.posted_on < month + relativedelta(months=1))
        .group_by(Posting.account, Posting.currency, LedgerTransaction.kind, reversal)
        .order_by(Posting.currency, Posting.account, LedgerTransaction.kind, reversal)
    ).all()
    return [Movement(*row) for row in rows]
