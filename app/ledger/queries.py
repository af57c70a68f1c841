"""Reading the ledger: balances kept and exact, rates, periods."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.clients.policy import sees_everything, within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.core.errors import Refused
from app.core.wording import full_day
from app.ledger.ageing import ages_of, oldest_told_apart
from app.ledger.models import Account, AccountBalance, Balance, ExchangeRate, LedgerTransaction, Posting


@dataclass(frozen=True)
class Aged:
    """An amount by age, in one currency: a column for each of `ages_of` its account, and their total."""

    client_id: UUID
    engagement_id: UUID | None
    currency: str
    ages: tuple[Decimal, ...]

    @property
    def total(self) -> Decimal:
        return sum(self.ages, Decimal(0))


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
            f"There is no exchange rate from {currency} to {base} for {full_day(day)}. Add it under Settings."
        )
    return found


def of_age(account: Account, index: int, on: dt.date, day: Any) -> list[Any]:
    """The condition under which a day of origin stands in one of the account's ages: of a sum, and of the list behind
    it."""
    age = ages_of(account)[index]
    start, end = age.days(on)
    conditions = [day >= start] if start else []
    if end and (index or age.first != 0):  # the youngest column of work has all that is younger, too
        conditions.append(day <= end)
    return conditions


def age_columns(
    account: Account, on: dt.date, day: Any, amount: Any, whole: Any | None = None
) -> list[sa.Label[Decimal]]:
    """The sums of an account's ages, to put into any grouped select.

    With `whole`, the rows need not reach back further than `oldest_told_apart`: the last column is what is left of it.
    """
    columns: list[Any] = [
        sa.func.coalesce(sa.func.sum(amount).filter(*of_age(account, i, on, day)), 0)
        for i in range(len(ages_of(account)))
    ]
    if whole is not None:
        columns[-1] = whole - sa.func.coalesce(sa.func.sum(amount).filter(day >= oldest_told_apart(on)), 0)
    return [column.label(f"age_{i}") for i, column in enumerate(columns)]


def aged_total(account: Account, on: dt.date, *, seen_by: Actor) -> list[Aged]:
    """One ageing per currency over everything the viewer may see, today or on a past day."""
    if on < today():
        source = postings_until(account, on, seen_by)
    elif sees_everything(seen_by):
        source = kept_days(account)
    else:
        source = balances_of(account, seen_by)
    statement = (
        sa.select(source.c.currency, *age_columns(account, on, source.c.aged_on, source.c.amount))
        .group_by(source.c.currency)
        .order_by(source.c.currency)
    )
    return [Aged(UUID(int=0), None, row.currency, tuple(row[1:])) for row in db.session.execute(statement)]


def kept_days(account: Account) -> sa.Subquery:
    """The sums by day over everybody, what is long ago in one: for whoever stands behind no wall."""
    kept = AccountBalance
    return sa.select(kept.currency, kept.aged_on, kept.amount).where(kept.account == account).subquery()


HiddenBills = Callable[[Actor], "sa.Select[UUID] | None"]
_hidden: list[HiddenBills] = []


def hides_bills(which: HiddenBills) -> HiddenBills:
    """Let the room of bills say which of them walls hide from a person; None where there is no wall."""
    _hidden[:] = [which]
    return which


def _hidden_from(account: Account, seen_by: Actor) -> sa.Select[UUID] | None:
    """What is owed is seen by bill, as a whole or not at all; everything else by client and engagement."""
    return _hidden[0](seen_by) if _hidden and account is Account.RECEIVABLE else None


def balances_of(account: Account, seen_by: Actor) -> sa.Subquery:
    """The kept balances of an account that the viewer may see, by day; of what is owed, less the bills they may not."""
    hidden = _hidden_from(account, seen_by)
    engagement = Balance.engagement_id if hidden is None else None
    kept = sa.select(
        Balance.client_id, Balance.engagement_id, Balance.currency, Balance.aged_on, Balance.amount
    ).where(
        Balance.account == account, Balance.amount != 0, *within_sight(seen_by, Balance.client_id, engagement)
    )  # fmt: skip
    if hidden is None:
        return kept.subquery()
    theirs = sa.select(
        Posting.client_id, Posting.engagement_id, Posting.currency, Posting.aged_on, -Posting.amount
    ).where(
        Posting.account == account, Posting.invoice_id.in_(hidden), *within_sight(seen_by, Posting.client_id)
    )  # fmt: skip
    return sa.union_all(kept, theirs).subquery()


def postings_until(account: Account, day: dt.date, seen_by: Actor, *conditions: Any) -> sa.Subquery:
    """The same from the postings themselves, of all that was posted up to and including a day."""
    hidden = _hidden_from(account, seen_by)
    engagement = Posting.engagement_id if hidden is None else None
    unhidden = [] if hidden is None else [sa.or_(Posting.invoice_id.is_(None), Posting.invoice_id.not_in(hidden))]
    return (
        sa.select(Posting.client_id, Posting.engagement_id, Posting.currency, Posting.aged_on, Posting.amount)
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(
            Posting.account == account,
            LedgerTransaction.posted_on <= day,
            *conditions,
            *unhidden,
            *within_sight(seen_by, Posting.client_id, engagement),
        )
        .subquery()
    )


def balance_of(
    account: Account, *, seen_by: Actor, client_id: UUID, engagement_id: UUID | None = None
) -> dict[str, Decimal]:
    """The kept balance per currency of a client or one engagement."""
    kept = balances_of(account, seen_by)
    statement = (
        sa.select(kept.c.currency, sa.func.sum(kept.c.amount)).where(kept.c.client_id == client_id)
        .group_by(kept.c.currency)
    )
    if engagement_id:
        statement = statement.where(kept.c.engagement_id == engagement_id)
    return {currency: amount for currency, amount in db.session.execute(statement) if amount}


def sum_on(account: Account, day: dt.date, *, seen_by: Actor, client_id: UUID | None = None) -> dict[str, Decimal]:
    """The exact sum of postings up to and including a day, per currency: what a past date answers with."""
    posted = postings_until(account, day, seen_by, *([Posting.client_id == client_id] if client_id else []))
    statement = sa.select(posted.c.currency, sa.func.sum(posted.c.amount)).group_by(posted.c.currency)
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
