"""The months of the books: which are closed, what moved in one, whether it ties out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa
from dateutil.relativedelta import relativedelta

from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.ledger.ageing import month_of
from app.ledger.models import Account, LedgerPeriod, LedgerTransaction, Posting, TransactionKind
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
    closed = {period.starts_on: period.closed_at for period in db.session.scalars(sa.select(LedgerPeriod))}
    latest = max((month for month, at in closed.items() if at), default=None)
    this, month, months = month_of(clock.today()), month_of(first or clock.today()), []
    while month <= this:
        at = closed.get(month) or (closed[latest] if latest and month < latest else None)
        months.append(Month(month, at, month < this))
        month += relativedelta(months=1)
    return months[::-1]


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
