"""Reading the ledger: balances kept and exact, rates, periods."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.clients.policy import sees_everything, within_sight
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import Refused
from app.ledger.ageing import BUCKETS, bucket_starts
from app.ledger.models import Account, AccountBalance, Balance, ExchangeRate, LedgerTransaction, Posting


@dataclass(frozen=True)
class Aged:
    """An amount by age, in one currency: the five columns of BUCKETS and their total."""

    client_id: UUID
    engagement_id: UUID | None
    currency: str
    columns: tuple[Decimal, ...]

    @property
    def total(self) -> Decimal:
        return sum(self.columns, Decimal(0))


@dataclass(frozen=True)
class Exchange:
    """Units of base for one unit of a currency, and the rate that says so; none where both are the same."""

    rate: Decimal
    rate_id: UUID | None = None


SAME = Exchange(Decimal(1))


def find_rate_on(currency: str, base: str, day: dt.date) -> Exchange | None:
    """What one unit of currency is worth in base on a day: the latest rate on or before it, None without one."""
    if currency == base:
        return SAME
    row = db.session.execute(
        sa.select(ExchangeRate.rate, ExchangeRate.id)
        .where(
            ExchangeRate.currency == currency, ExchangeRate.base == base, ExchangeRate.from_on <= day,
            ExchangeRate.withdrawn_at.is_(None),
        )
        .order_by(ExchangeRate.from_on.desc())
        .limit(1)
    ).one_or_none()
    return Exchange(row.rate, row.id) if row else None


def rate_on(currency: str, base: str, day: dt.date) -> Exchange:
    """The same; raises Refused without one."""
    found = find_rate_on(currency, base, day)
    if found is None:
        raise Refused(
            f"There is no exchange rate from {currency} to {base} for {day:%-d %B %Y}. Add it under Settings."
        )
    return found


def age_columns(on: dt.date, day: Any, amount: Any) -> list[sa.Label[Decimal]]:
    """The five sums of an ageing, to put into any grouped select."""
    starts = bucket_starts(on)
    conditions = [day >= starts[0]]
    conditions += [sa.and_(day >= start, day < newer) for newer, start in zip(starts, starts[1:], strict=False)]
    conditions.append(day < starts[-1])
    return [
        sa.func.coalesce(sa.func.sum(amount).filter(condition), 0).label(f"age_{i}")
        for i, condition in enumerate(conditions)
    ]


def aged_total(account: Account, on: dt.date, *, seen_by: Actor) -> list[Aged]:
    """One ageing per currency over everything the viewer may see: for whoever stands behind no wall, the kept sums."""
    whole = sees_everything(seen_by)
    source: Any = AccountBalance if whole else Balance
    sight = [] if whole else within_sight(seen_by, Balance.client_id, Balance.engagement_id)
    statement = (
        sa.select(source.currency, *age_columns(on, source.aged_on, source.amount))
        .where(source.account == account, source.amount != 0, *sight)
        .group_by(source.currency)
        .order_by(source.currency)
    )
    return [Aged(UUID(int=0), None, row.currency, tuple(row[1:])) for row in db.session.execute(statement)]


def balance_of(
    account: Account, *, seen_by: Actor, client_id: UUID, engagement_id: UUID | None = None
) -> dict[str, Decimal]:
    """The kept balance per currency of a client or one engagement."""
    statement = (
        sa.select(Balance.currency, sa.func.sum(Balance.amount))
        .where(
            Balance.account == account,
            Balance.client_id == client_id,
            *within_sight(seen_by, Balance.client_id, Balance.engagement_id),
        )
        .group_by(Balance.currency)
    )
    if engagement_id:
        statement = statement.where(Balance.engagement_id == engagement_id)
    return {currency: amount for currency, amount in db.session.execute(statement) if amount}


def sum_on(account: Account, day: dt.date, *, seen_by: Actor, client_id: UUID | None = None) -> dict[str, Decimal]:
    """The exact sum of postings up to and including a day, per currency: what a past date answers with."""
    statement = (
        sa.select(Posting.currency, sa.func.sum(Posting.amount))
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(
            Posting.account == account,
            LedgerTransaction.posted_on <= day,
            *within_sight(seen_by, Posting.client_id, Posting.engagement_id),
        )
        .group_by(Posting.currency)
    )
    if client_id:
        statement = statement.where(Posting.client_id == client_id)
    return dict(db.session.execute(statement).all())


def list_postings(
    *,
    seen_by: Actor,
    account: Account | None = None,
    client_id: UUID | None = None,
    invoice_id: UUID | None = None,
    item_id: UUID | None = None,
    limit: int = 200,
) -> Sequence[sa.Row[Posting, LedgerTransaction]]:
    """The rows behind a figure, newest first."""
    statement = (
        sa.select(Posting, LedgerTransaction)
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(*within_sight(seen_by, Posting.client_id, Posting.engagement_id))
        .order_by(Posting.transaction_id.desc(), Posting.line)
        .limit(limit)
    )
    filters = {
        Posting.account: account,
        Posting.client_id: client_id,
        Posting.invoice_id: invoice_id,
        Posting.item_id: item_id,
    }
    for column, value in filters.items():
        if value is not None:
            statement = statement.where(column == value)
    return db.session.execute(statement).all()


def bucket_names() -> tuple[str, ...]:
    return tuple(bucket.name for bucket in BUCKETS)
