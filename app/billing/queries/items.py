"""The entries and expenses behind a figure of WIP."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.approvals.models import Approval
from app.billing.models import InvoiceItem
from app.billing.policy import can_see_wip
from app.billing.queries.aged import UNBILLED, WipFilter, of_column
from app.clients.models import Client, Engagement
from app.clients.policy import within_sight
from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.jobs.models import Job, JobStatus
from app.ledger.models import Account, LedgerTransaction, Posting
from app.people.models import Person
from app.timekeeping.models import Expense, ItemState, TimeEntry, WriteOffItem

PER_PAGE = 60


@dataclass(frozen=True)
class ItemRow:
    """An entry or expense as a row shows it. `charged` is None for an expense."""

    id: UUID
    kind: str
    engagement_id: UUID
    engagement: str
    job_id: UUID | None
    job: str
    worked_on: dt.date
    person: str
    narrative: str
    charged: dt.timedelta | None
    value: Decimal
    written: Decimal
    open_value: Decimal
    currency: str
    state: ItemState
    waiting: bool
    hold_reason: str
    invoice_id: UUID | None

    @property
    def is_expense(self) -> bool:
        return self.kind == Expense.__tablename__


@dataclass(frozen=True)
class ItemPage:
    """`total` and `sums` (what is open, by currency) are over all pages."""

    rows: Sequence[ItemRow]
    total: int
    page: int
    sums: Mapping[str, Decimal]

    @property
    def has_next(self) -> bool:
        return self.page * PER_PAGE < self.total


def _columns(table: Any) -> list[Any]:
    charged = TimeEntry.charged if table is TimeEntry else sa.cast(sa.null(), TimeEntry.charged.type)
    return [
        table.id,
        sa.literal(table.__tablename__).label("kind"),
        table.client_id,
        table.engagement_id,
        table.job_id,
        table.worked_on,
        table.person_id,
        table.narrative,
        charged.label("charged"),
        table.value,
        table.written,
        table.open_value,
        table.currency,
        table.state,
        table.waiting,
        table.hold_reason,
    ]


def _unbilled(conditions: Any, seen_by: Actor, states: Sequence[ItemState] = UNBILLED) -> sa.Subquery:
    """Entries and expenses that are WIP, narrowed by `conditions(table)`; or those in other `states`."""
    parts = [
        sa.select(*_columns(table)).where(
            table.state.in_(states),
            table.billable,
            table.deleted_at.is_(None),
            *conditions(table),
            *within_sight(seen_by, table.client_id, table.engagement_id),
        )
        for table in (TimeEntry, Expense)
    ]
    return sa.union_all(*parts).subquery()


def list_wip_items(
    client_id: UUID | None = None,
    *,
    seen_by: Actor,
    engagement_id: UUID | None = None,
    job_id: UUID | None = None,
    person_id: UUID | None = None,
    on: dt.date | None = None,
    written_off: bool = False,
    currency: str = "",
    age: int | None = None,
    page: int = 1,
) -> ItemPage:
    """The unbilled items of a client, an engagement or a job, by engagement and date; today, or as a past day ended.
    Or those that are written off whole. `currency` and `age` narrow to one column of the ageing."""
    if not can_see_wip(seen_by):
        raise NotFound()
    of_item = {"job_id": job_id, "person_id": person_id}
    if on is not None and on < clock.today():
        source = _posted(on, {"client_id": client_id, "engagement_id": engagement_id}, of_item, seen_by)
    else:
        named = _named({"client_id": client_id, "engagement_id": engagement_id, **of_item})
        states = (ItemState.WRITTEN_OFF,) if written_off else UNBILLED
        source = _unbilled(
            lambda table: [getattr(table, name) == value for name, value in named.items()], seen_by, states
        )
        on = None
    column = WipFilter(on=on, currency=currency, age=age)
    source = of_column(source, Account.WIP, column, source.c.worked_on)
    open_value = sa.case((source.c.waiting, 0), else_=source.c.open_value)
    summed = db.session.execute(
        sa.select(source.c.currency, sa.func.count(), sa.func.sum(open_value))
        .group_by(source.c.currency).order_by(source.c.currency)
    ).all()
    total, sums = sum(row[1] for row in summed), {row[0]: Decimal(row[2]) for row in summed}
    return ItemPage(_rows(source, page, past=on is not None), total, page, sums)


def _named(wanted: dict[str, UUID | None]) -> dict[str, UUID]:
    return {name: value for name, value in wanted.items() if value}


def _posted(
    day: dt.date, place: dict[str, UUID | None], of_item: dict[str, UUID | None], seen_by: Actor
) -> sa.Subquery:
    """What was open when a day ended, by the postings through it: where each item stood and for how much."""
    open_value = sa.func.sum(Posting.amount)
    posted = (
        sa.select(Posting.item_id, Posting.engagement_id, Posting.currency, Posting.aged_on, open_value.label("open"))
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(
            Posting.account == Account.WIP,
            LedgerTransaction.posted_on <= day,
            *[getattr(Posting, name) == value for name, value in _named(place).items()],
            *within_sight(seen_by, Posting.client_id, Posting.engagement_id),
        )
        .group_by(Posting.item_id, Posting.engagement_id, Posting.currency, Posting.aged_on)
        .having(open_value != 0)
        .cte("posted")
    )
    then = {
        "engagement_id": posted.c.engagement_id, "worked_on": posted.c.aged_on, "open_value": posted.c.open,
        "currency": posted.c.currency, "state": sa.literal(ItemState.OPEN.value), "hold_reason": sa.literal(""),
        "waiting": sa.false(),
    }  # fmt: skip
    parts = [
        sa.select(*[then[c.name].label(c.name) if c.name in then else c for c in _columns(table)])
        .join(posted, posted.c.item_id == table.id)
        .where(*[getattr(table, name) == value for name, value in _named(of_item).items()])
        for table in (TimeEntry, Expense)
    ]
    return sa.union_all(*parts).subquery()


def _rows(source: sa.Subquery, page: int, *, past: bool = False) -> list[ItemRow]:
    rows = db.session.execute(
        sa.select(
            source,
            Engagement.name.label("engagement"),
            sa.func.coalesce(Job.title, "").label("job"),
            Person.name.label("person"),
            InvoiceItem.invoice_id,
        )
        .join(Engagement, Engagement.id == source.c.engagement_id)
        .join(Person, Person.id == source.c.person_id)
        .outerjoin(Job, Job.id == source.c.job_id)
        .outerjoin(
            InvoiceItem,
            sa.and_(
                InvoiceItem.item_id == source.c.id,
                InvoiceItem.live,
                ~InvoiceItem.issued,
                InvoiceItem.treatment != "later",
                sa.literal(not past),
            ),
        )
        .order_by(Engagement.number, source.c.worked_on, source.c.id)
        .limit(PER_PAGE)
        .offset((page - 1) * PER_PAGE)
    ).all()
    return [
        ItemRow(
            r.id,
            r.kind,
            r.engagement_id,
            r.engagement,
            r.job_id,
            r.job,
            r.worked_on,
            r.person,
            r.narrative,
            r.charged,
            r.value,
            r.written,
            r.open_value,
            r.currency,
            ItemState(r.state),
            r.waiting,
            r.hold_reason,
            r.invoice_id,
        )
        for r in rows
    ]


@dataclass(frozen=True)
class FinishedJob:
    """A job that is done while some of its time is not billed."""

    id: UUID
    title: str
    client_id: UUID
    client: str
    completed_at: dt.datetime
    currency: str
    amount: Decimal


def unbilled_though_finished(*, seen_by: Actor, page: int = 1) -> tuple[list[FinishedJob], bool]:
    """Finished jobs with open WIP, the longest finished first; and whether there are more."""
    if not can_see_wip(seen_by):
        raise NotFound()
    source = _unbilled(lambda table: [table.job_id.is_not(None), table.open_value != 0], seen_by)
    rows = db.session.execute(
        sa.select(
            Job.id,
            Job.title,
            Client.id,
            Client.name,
            Job.completed_at,
            source.c.currency,
            sa.func.sum(source.c.open_value),
        )
        .join(Job, Job.id == source.c.job_id)
        .join(Client, Client.id == Job.client_id)
        .where(Job.status == JobStatus.COMPLETED)
        .group_by(Job.id, Client.id, source.c.currency)
        .order_by(Job.completed_at, Job.id)
        .limit(PER_PAGE + 1)
        .offset((page - 1) * PER_PAGE)
    ).all()
    return [FinishedJob(*row) for row in rows[:PER_PAGE]], len(rows) > PER_PAGE


@dataclass(frozen=True)
class WriteOffEntry:
    """An entry or expense of a write-off that was asked for: what was open of it, and how much is written off."""

    id: UUID
    kind: str
    worked_on: dt.date
    person: str
    narrative: str
    open_value: Decimal
    amount: Decimal


def entries_of_write_off(approval: Approval, *, seen_by: Actor) -> list[WriteOffEntry]:
    """What a write-off takes, by date."""
    if not can_see_wip(seen_by):
        raise NotFound()
    parts: list[Any] = [
        sa.select(
            table.id, WriteOffItem.item_kind, table.worked_on, Person.name, table.narrative, WriteOffItem.open_value,
            WriteOffItem.amount,
        )
        .join(WriteOffItem, WriteOffItem.item_id == table.id)
        .join(Person, Person.id == table.person_id)
        .where(WriteOffItem.approval_id == approval.id, *within_sight(seen_by, table.client_id, table.engagement_id))
        for table in (TimeEntry, Expense)
    ]
    both = sa.union_all(*parts).subquery()
    rows = db.session.execute(sa.select(both).order_by(both.c.worked_on, both.c.id)).all()
    return [WriteOffEntry(*row) for row in rows]
