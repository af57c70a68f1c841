"""WIP by client with its ageing: kept balances for today, the exact postings for a past day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.billing.policy import can_see_wip
from app.clients.models import Client, Engagement
from app.clients.names import sort_key
from app.clients.policy import sees_everything, within_sight
from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.ledger.models import Account, AccountBalance, Balance, ClientBalance, LedgerTransaction, Posting
from app.ledger.queries import age_columns
from app.ledger.remembered import remembered
from app.timekeeping.models import Expense, ItemState, TimeEntry

PER_PAGE = 30
UNBILLED = (ItemState.OPEN, ItemState.HELD, ItemState.DRAFTED)


@dataclass(frozen=True, kw_only=True)
class WipFilter:
    """What the WIP is narrowed to. `on` is the day it is told for; None is today."""

    text: str = ""
    partner_id: UUID | None = None
    manager_id: UUID | None = None
    office_id: UUID | None = None
    person_id: UUID | None = None
    on: dt.date | None = None

    @property
    def is_past(self) -> bool:
        return self.on is not None and self.on < clock.today()


@dataclass(frozen=True)
class AgedRow:
    """A client's (or an engagement's) amount by age, in one currency."""

    id: UUID
    name: str
    code: str
    currency: str
    ages: tuple[Decimal, ...]
    total: Decimal


@dataclass(frozen=True)
class AgedTotal:
    """The last row: everything in one currency, and how many rows it sums."""

    currency: str
    ages: tuple[Decimal, ...]
    total: Decimal
    rows: int


@dataclass(frozen=True)
class AgedPage:
    rows: Sequence[AgedRow]
    totals: Sequence[AgedTotal]
    page: int

    @property
    def total(self) -> int:
        return sum(total.rows for total in self.totals)

    @property
    def has_next(self) -> bool:
        return self.page * PER_PAGE < self.total


def wip_by_client(found: WipFilter, *, seen_by: Actor, page: int = 1) -> AgedPage:
    """Clients by unbilled amount, largest first; the totals are over all of them, not over the page."""
    if not can_see_wip(seen_by):
        raise NotFound()
    day = found.on or clock.today()
    if found == WipFilter():
        return kept_page(Account.WIP, seen_by=seen_by, page=page)
    if found.is_past:
        source = _postings(day, seen_by)
    else:
        source = _items(found.person_id, seen_by) if found.person_id else balances_of(Account.WIP, seen_by)
    return aged_page(source, day, client_conditions(found), seen_by=seen_by, page=page, key=("wip", found))


def kept_page(account: Account, *, seen_by: Actor, page: int) -> AgedPage:
    """Everybody, today: from the kept sums, in the same time however many clients there are.

    Those sums know of no walls, so that whoever stands behind one asks the balances themselves.
    """
    day = clock.today()
    if not sees_everything(seen_by):
        return aged_page(balances_of(account, seen_by), day, (), seen_by=seen_by, page=page, key=(account,))
    rows, totals = _kept(account, day)
    found = db.session.execute(rows, {"from": (page - 1) * PER_PAGE}).all()
    summed = db.session.execute(totals).all()
    return AgedPage(
        [AgedRow(r[0], r[1], r[2], r[3], tuple(r[4:9]), r[9]) for r in found],
        [AgedTotal(r.currency, tuple(r[1:6]), r.total, r.clients) for r in summed if r.clients],
        page,
    )


@lru_cache(maxsize=16)
def _kept(account: Account, day: dt.date) -> tuple[sa.Select[*tuple[Any, ...]], sa.Select[*tuple[Any, ...]]]:
    """The rows of a page and the totals, made once a day: making them costs more than asking them."""
    largest = (
        sa.select(ClientBalance.client_id, ClientBalance.currency, ClientBalance.amount)
        .where(ClientBalance.account == account, ClientBalance.amount != 0)
        .order_by(ClientBalance.amount.desc(), ClientBalance.client_id.desc(), ClientBalance.currency.desc())
        .limit(PER_PAGE)
        .offset(sa.bindparam("from", type_=sa.Integer))
        .cte("largest")
    )
    rows = (
        sa.select(
            Client.id,
            Client.name,
            Client.code,
            largest.c.currency,
            *age_columns(day, Balance.aged_on, Balance.amount),
            largest.c.amount,
        )
        .join(largest, largest.c.client_id == Client.id)
        .join(Balance, sa.and_(Balance.client_id == Client.id, Balance.currency == largest.c.currency))
        .where(Balance.account == account, Balance.amount != 0)
        .group_by(Client.id, largest.c.currency, largest.c.amount)
        .order_by(largest.c.amount.desc(), Client.id.desc(), largest.c.currency.desc())
    )
    clients = (
        sa.select(sa.func.count())
        .where(
            ClientBalance.account == account,
            ClientBalance.currency == AccountBalance.currency,
            ClientBalance.amount != 0,
        )
        .correlate(AccountBalance)
        .scalar_subquery()
        .label("clients")
    )
    total = sa.func.sum(AccountBalance.amount).label("total")
    totals = (
        sa.select(
            AccountBalance.currency,
            *age_columns(day, AccountBalance.aged_on, AccountBalance.amount),
            total,
            clients,
        )
        .where(AccountBalance.account == account)
        .group_by(AccountBalance.currency)
        .order_by(total.desc())
    )
    return rows, totals


def aged_page(
    source: sa.Subquery,
    day: dt.date,
    conditions: Sequence[sa.ColumnElement[bool]],
    *,
    seen_by: Actor,
    page: int,
    key: tuple[Any, ...],
) -> AgedPage:
    """One page of clients with their ages, and the totals: two grouped queries whatever they hold."""
    grouped = sa.select(
        source.c.client_id,
        source.c.currency,
        *age_columns(day, source.c.aged_on, source.c.amount),
        sa.func.sum(source.c.amount).label("total"),
    )
    if conditions:
        grouped = grouped.join(Client, Client.id == source.c.client_id).where(*conditions)
    per = grouped.group_by(source.c.client_id, source.c.currency).having(sa.func.sum(source.c.amount) != 0).cte("per")
    ages = [per.c[f"age_{i}"] for i in range(5)]

    def compute() -> AgedPage:
        rows = db.session.execute(
            sa.select(Client.id, Client.name, Client.code, per.c.currency, *ages, per.c.total)
            .join(per, per.c.client_id == Client.id)
            .order_by(per.c.total.desc(), Client.sort_key, Client.id, per.c.currency)
            .limit(PER_PAGE)
            .offset((page - 1) * PER_PAGE)
        ).all()
        totals = db.session.execute(
            sa.select(per.c.currency, *[sa.func.sum(age) for age in ages], sa.func.sum(per.c.total), sa.func.count())
            .group_by(per.c.currency)
            .order_by(sa.func.sum(per.c.total).desc())
        ).all()
        return AgedPage(
            [AgedRow(r[0], r[1], r[2], r[3], tuple(r[4:9]), r[9]) for r in rows],
            [AgedTotal(r[0], tuple(r[1:6]), r[6], r[7]) for r in totals],
            page,
        )

    walls = (seen_by.walled_clients, seen_by.walled_engagements)
    return remembered((*key, day, walls, page), compute)


def client_conditions(found: WipFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if found.text:
        like = sort_key(found.text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        conditions.append(
            sa.or_(Client.sort_key.like(f"%{like}%"), sa.func.lower(Client.code).like(f"{like.lower()}%"))
        )
    for column, value in (
        (Client.partner_id, found.partner_id),
        (Client.manager_id, found.manager_id),
        (Client.office_id, found.office_id),
    ):
        if value:
            conditions.append(column == value)
    return conditions


def balances_of(account: Account, seen_by: Actor) -> sa.Subquery:
    """The kept balances of an account, as a source of `aged_page`."""
    return (
        sa.select(Balance.client_id, Balance.engagement_id, Balance.currency, Balance.aged_on, Balance.amount)
        .where(
            Balance.account == account,
            Balance.amount != 0,
            *within_sight(seen_by, Balance.client_id, Balance.engagement_id),
        )
        .subquery()
    )


def _postings(day: dt.date, seen_by: Actor) -> sa.Subquery:
    return (
        sa.select(Posting.client_id, Posting.engagement_id, Posting.currency, Posting.aged_on, Posting.amount)
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(
            Posting.account == Account.WIP,
            LedgerTransaction.posted_on <= day,
            *within_sight(seen_by, Posting.client_id, Posting.engagement_id),
        )
        .subquery()
    )


def _items(person_id: UUID, seen_by: Actor) -> sa.Subquery:
    parts = [
        sa.select(
            table.client_id,
            table.engagement_id,
            table.currency,
            table.worked_on.label("aged_on"),
            table.open_value.label("amount"),
        ).where(
            table.person_id == person_id,
            table.state.in_(UNBILLED),
            table.open_value != 0,
            table.deleted_at.is_(None),
            *within_sight(seen_by, table.client_id, table.engagement_id),
        )
        for table in (TimeEntry, Expense)
    ]
    return sa.union_all(*parts).subquery()


def wip_by_engagement(client_id: UUID, *, seen_by: Actor) -> list[AgedRow]:
    """A client's engagements that have unbilled amounts, by number."""
    if not can_see_wip(seen_by):
        raise NotFound()
    source = balances_of(Account.WIP, seen_by)
    rows = db.session.execute(
        sa.select(
            Engagement.id,
            Engagement.name,
            Engagement.number,
            source.c.currency,
            *age_columns(clock.today(), source.c.aged_on, source.c.amount),
            sa.func.sum(source.c.amount),
        )
        .join(source, source.c.engagement_id == Engagement.id)
        .where(source.c.client_id == client_id)
        .group_by(Engagement.id, source.c.currency)
        .having(sa.func.sum(source.c.amount) != 0)
        .order_by(Engagement.number)
    ).all()
    return [AgedRow(r[0], r[1], r[2], r[3], tuple(r[4:9]), r[9]) for r in rows]


def find_engagement(text: str, *, seen_by: Actor) -> UUID | None:
    """The one open engagement of exactly this number or name, for forms sent without script."""
    wanted = text.strip().lower()
    found = db.session.scalars(
        sa.select(Engagement.id).where(
            sa.or_(sa.func.lower(Engagement.number) == wanted, sa.func.lower(Engagement.name) == wanted),
            *within_sight(seen_by, Engagement.client_id, Engagement.id),
        )
    ).all()
    return found[0] if wanted and len(found) == 1 else None
