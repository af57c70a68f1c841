"""Clients by what they owe or what is unbilled, with its ageing: kept balances today, exact postings on a past day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, reduce
from operator import add
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Client
from app.clients.policy import sees_everything, within_sight
from app.clients.queries import client_named
from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.firm.queries import own_currency_value
from app.ledger.ageing import ages_of, oldest_told_apart
from app.ledger.models import Account, Balance, ClientBalance, Posting
from app.ledger.queries import age_columns, balances_of, kept_days, of_age, postings_until
from app.ledger.remembered import remembered
from app.timekeeping.models import Expense, ItemState, TimeEntry

PER_PAGE = 30
UNBILLED = (ItemState.OPEN, ItemState.HELD, ItemState.DRAFTED)


@dataclass(frozen=True, kw_only=True)
class WipFilter:
    """What the WIP is narrowed to. `on` is the day it is told for; None is today. `age` is the number of a column."""

    text: str = ""
    partner_id: UUID | None = None
    manager_id: UUID | None = None
    office_id: UUID | None = None
    person_id: UUID | None = None
    on: dt.date | None = None
    currency: str = ""
    age: int | None = None

    @property
    def day(self) -> dt.date:
        return self.on or clock.today()

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
    own_currency: str

    @property
    def total(self) -> int:
        return sum(total.rows for total in self.totals)

    @property
    def has_next(self) -> bool:
        return self.page * PER_PAGE < self.total

    @property
    def names_currency(self) -> bool:
        """Whether each row says its currency: unless all of them are in the firm's own."""
        return any(total.currency != self.own_currency for total in self.totals)


def aged_clients(account: Account, found: WipFilter, *, seen_by: Actor, page: int) -> AgedPage:
    """The clients of an account as the filter wants them, on its day."""
    if found == WipFilter() and sees_everything(seen_by):
        return _kept_page(account, page)
    return _aged_page(account, found, seen_by=seen_by, page=page)


def every_aged(account: Account, found: WipFilter, *, seen_by: Actor) -> Iterator[AgedRow]:
    """The rows of all pages, largest first, for an export: one query, whatever there is."""
    per = _by_client(account, found, seen_by)
    statement = _named(per, account).order_by(*_largest_first(per))
    for row in db.session.execute(statement):
        row_id, name, code, currency, *ages, total = row
        yield AgedRow(row_id, name, code, currency, tuple(ages), total)


def _kept_page(account: Account, page: int) -> AgedPage:
    """Everybody, today: from the kept sums, in the same time however many clients there are.

    Those sums know of no walls, so that whoever stands behind one asks the balances themselves.
    """
    rows, totals = _kept(account, clock.today())
    found = db.session.execute(rows, {"from": (page - 1) * PER_PAGE}).all()
    summed = db.session.execute(totals).all()
    return AgedPage(
        [AgedRow(r[0], r[1], r[2], r[3], tuple(r[4:-1]), r[-1]) for r in found],
        [AgedTotal(r.currency, tuple(r[1:-3]), r.total, r.clients) for r in summed],
        page,
        summed[0].own if summed else "",
    )


@lru_cache(maxsize=16)
def _kept(account: Account, day: dt.date) -> tuple[sa.Select[*tuple[Any, ...]], sa.Select[*tuple[Any, ...]]]:
    """The rows of a page and the totals, made once a day: making them costs more than asking them.

    Neither reads days that are not told apart: the last column is the kept whole less the others.
    """
    whole = ClientBalance.amount
    largest = (
        sa.select(ClientBalance.client_id, ClientBalance.currency, whole)
        .where(ClientBalance.account == account, whole != 0)
        .order_by(whole.desc(), ClientBalance.client_id.desc(), ClientBalance.currency.desc())
        .limit(PER_PAGE)
        .offset(sa.bindparam("from", type_=sa.Integer))
        .cte("largest")
    )
    young = sa.and_(
        Balance.client_id == largest.c.client_id,
        Balance.currency == largest.c.currency,
        Balance.account == account,
        Balance.amount != 0,
        Balance.aged_on >= oldest_told_apart(day),
    )
    rows = (
        sa.select(
            Client.id,
            Client.name,
            Client.code,
            largest.c.currency,
            *age_columns(account, day, Balance.aged_on, Balance.amount, largest.c.amount),
            largest.c.amount,
        )
        .join(largest, largest.c.client_id == Client.id)
        .outerjoin(Balance, young)
        .group_by(Client.id, largest.c.currency, largest.c.amount)
        .order_by(largest.c.amount.desc(), Client.id.desc(), largest.c.currency.desc())
    )
    days = kept_days(account)
    ages = age_columns(account, day, days.c.aged_on, days.c.amount)
    summed = sa.select(days.c.currency, *ages, sa.func.sum(days.c.amount).label("total"))
    summed = summed.group_by(days.c.currency).having(sa.func.sum(days.c.amount) != 0)
    by_currency = summed.subquery()
    clients = (
        sa.select(sa.func.count())
        .where(ClientBalance.account == account, ClientBalance.currency == by_currency.c.currency, whole != 0)
        .scalar_subquery()
        .label("clients")
    )
    own = own_currency_value().label("own")
    return rows, sa.select(by_currency, clients, own).order_by(by_currency.c.total.desc())


def _source(account: Account, found: WipFilter, seen_by: Actor) -> sa.Subquery:
    """The amounts by client and day of origin, as they stand on the filter's day."""
    person_id = found.person_id if account is Account.WIP else None
    if found.is_past:
        return postings_until(account, found.day, seen_by, *_of_person(person_id))
    return _items(person_id, seen_by) if person_id else balances_of(account, seen_by)


def of_column(
    source: sa.Subquery, account: Account, found: WipFilter, aged_on: sa.ColumnElement[dt.date]
) -> sa.Subquery:
    """Of these rows those that one cell of an ageing sums: a currency, an age, or both."""
    conditions = [source.c.currency == found.currency] if found.currency else []
    if found.age is not None and found.age < len(ages_of(account)):
        conditions += of_age(account, found.age, found.day, aged_on)
    return sa.select(source).where(*conditions).subquery() if conditions else source


def _by_client(account: Account, found: WipFilter, seen_by: Actor) -> sa.CTE:
    """What each client of the filter comes to in each currency, by age."""
    source = _source(account, found, seen_by)
    source = of_column(source, account, found, source.c.aged_on)
    ages = age_columns(account, found.day, source.c.aged_on, source.c.amount)
    # Why not a sum of its own: over 60,000 rows it takes a third of the time of the whole question.
    total: Any = reduce(add, (age.element for age in ages))
    grouped = sa.select(source.c.client_id, source.c.currency, *ages, total.label("total"))
    conditions = client_conditions(found)
    if conditions:
        grouped = grouped.join(Client, Client.id == source.c.client_id).where(*conditions)
    return grouped.group_by(source.c.client_id, source.c.currency).having(total != 0).cte("per")


def _ages(per: sa.CTE, account: Account) -> list[sa.ColumnElement[Decimal]]:
    return [per.c[f"age_{i}"] for i in range(len(ages_of(account)))]


def _named(per: sa.CTE, account: Account) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(
        Client.id, Client.name, Client.code, per.c.currency, *_ages(per, account), per.c.total
    ).join(per, per.c.client_id == Client.id)


def _largest_first(per: sa.CTE) -> tuple[Any, ...]:
    return per.c.total.desc(), Client.sort_key, Client.id, per.c.currency


def _aged_page(account: Account, found: WipFilter, *, seen_by: Actor, page: int) -> AgedPage:
    """One page of clients with their ages, and the totals: one grouped query whatever they hold."""
    per = _by_client(account, found, seen_by)
    order = _largest_first(per)
    rows = (
        _named(per, account)
        .add_columns(
            sa.literal(0).label("rows"),
            sa.literal("").label("own"),
            sa.func.row_number().over(order_by=order).label("place"),
        )
        .order_by(*order)
        .limit(PER_PAGE)
        .offset((page - 1) * PER_PAGE)
    )
    totals = sa.select(
        sa.null().label("id"),
        sa.null().label("name"),
        sa.null().label("code"),
        per.c.currency,
        *[sa.func.sum(age).label(age.name) for age in _ages(per, account)],
        sa.func.sum(per.c.total).label("total"),
        sa.func.count().label("rows"),
        own_currency_value().label("own"),
        sa.literal(0).label("place"),
    ).group_by(per.c.currency)

    def compute() -> AgedPage:
        drawn: list[tuple[int, AgedRow]] = []
        summed, its_own = [], ""
        for row in db.session.execute(sa.union_all(sa.select(rows.subquery()), totals)).all():
            row_id, name, code, currency, *amounts, total, clients, own, place = row
            if row_id is None:
                its_own = own
                summed.append(AgedTotal(currency, tuple(amounts), total, clients))
            else:
                drawn.append((place, AgedRow(row_id, name, code, currency, tuple(amounts), total)))
        drawn.sort(key=lambda placed: placed[0])
        summed.sort(key=lambda each: (-each.total, each.currency))
        return AgedPage([row for _, row in drawn], summed, page, its_own)

    walls = (seen_by.walled_clients, seen_by.walled_engagements)
    return remembered((account, found, found.day, walls, page), compute)


def client_conditions(found: WipFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if found.text:
        conditions.append(client_named(found.text))
    for column, value in (
        (Client.partner_id, found.partner_id),
        (Client.manager_id, found.manager_id),
        (Client.office_id, found.office_id),
    ):
        if value:
            conditions.append(column == value)
    return conditions


def _of_person(person_id: UUID | None) -> list[sa.ColumnElement[bool]]:
    """Postings of what one person has worked."""
    if person_id is None:
        return []
    theirs = [sa.select(table.id).where(table.person_id == person_id) for table in (TimeEntry, Expense)]
    return [Posting.item_id.in_(sa.union_all(*theirs))]


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
