"""Timers, entries with what was recorded beside what is charged, rates by date, expenses."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.catalogue.models import WorkRole
from app.clients.models import Client, Engagement
from app.core.db import Base, Currency, HasVersion, MadeOnce
from app.core.db import Rate as RateColumn
from app.documents.models import Document
from app.jobs.models import Job, Task
from app.people.models import Person


class Timer(MadeOnce, Base):
    """A clock on a task, job or engagement; one runs per person, by the database's word. Server time.

    `overran` stays when one that was forgotten is paused: it never becomes an entry without being asked about.
    `by_day` is what was gathered by the day (ISO) of its work, in seconds.
    """

    __tablename__ = "timer"

    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("person.id"))
    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    engagement_id: Mapped[UUID] = mapped_column(sa.ForeignKey("engagement.id"))
    job_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("job.id"))
    task_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("task.id"))
    note: Mapped[str] = mapped_column(default="")
    started_at: Mapped[dt.datetime]
    running_since: Mapped[dt.datetime | None]
    gathered: Mapped[dt.timedelta] = mapped_column(default=dt.timedelta(0))
    by_day: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    overran: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    discarded_at: Mapped[dt.datetime | None]

    client: Mapped[Client] = relationship(lazy="raise")
    engagement: Mapped[Engagement] = relationship(lazy="raise")
    job: Mapped[Job | None] = relationship(lazy="raise")
    task: Mapped[Task | None] = relationship(lazy="raise")

    __table_args__ = (
        sa.Index("uq_timer_running", "person_id", unique=True, postgresql_where=sa.text("running_since IS NOT NULL")),
        sa.Index("ix_timer_person_id", "person_id"),
    )


class ItemState(enum.StrEnum):
    """Where an entry or expense stands on its way into a bill."""

    OPEN = "open"
    HELD = "held"
    DRAFTED = "drafted"
    BILLED = "billed"
    WRITTEN_OFF = "written_off"


def item_state(
    open_value: Decimal,
    written: Decimal,
    billed: Decimal,
    *,
    counts: bool = True,
    held: bool = False,
    drafted: bool = False,
    on_bill: bool = False,
) -> ItemState:
    """Where an item stands by its figures; nobody sets it by hand.

    `counts` is whether it is billable and not deleted, `on_bill` whether a standing bill names it, be it at nothing.
    """
    if drafted:
        return ItemState.DRAFTED
    if counts and open_value == 0 and (billed or on_bill):
        return ItemState.BILLED
    if counts and open_value == 0 and written < 0:
        return ItemState.WRITTEN_OFF
    return ItemState.HELD if held else ItemState.OPEN


class WipItem(MadeOnce, HasVersion):
    """What a time entry and an expense share: both are WIP, valued when recorded.

    `value` is what it is worth at its recorded rate while it is billable, `written` what was written on less what was
    written off (its postings of those kinds), `billed` what standing bills took. What is open follows from the three;
    the database holds every row to it. One that waits for a rate is worth nothing yet: `waiting` says so.
    """

    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    engagement_id: Mapped[UUID] = mapped_column(sa.ForeignKey("engagement.id"))
    job_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("job.id"))
    task_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("task.id"))
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("person.id"))
    worked_on: Mapped[dt.date]
    billable: Mapped[bool] = mapped_column(default=True)
    narrative: Mapped[str] = mapped_column(default="")
    currency: Mapped[Currency]
    value: Mapped[Decimal] = mapped_column(default=Decimal(0))
    written: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    billed: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    open_value: Mapped[Decimal] = mapped_column(default=Decimal(0))
    state: Mapped[ItemState] = mapped_column(default=ItemState.OPEN)
    waiting: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    hold_reason: Mapped[str] = mapped_column(default="")
    deleted_at: Mapped[dt.datetime | None]

    @property
    def left(self) -> Decimal:
        """What is open by its figures; below zero where more is written off or billed than it is worth."""
        if not self.billable or self.deleted_at is not None:
            return Decimal(0)
        return self.value + (self.written or 0) - (self.billed or 0)

    @property
    def standing(self) -> ItemState:
        """The state that follows from its figures while it is on no draft and on no bill over nothing."""
        return item_state(
            self.open_value,
            self.written or Decimal(0),
            self.billed or Decimal(0),
            counts=self.billable and self.deleted_at is None,
            held=bool(self.hold_reason),
        )


OPEN_VALUE = (
    "open_value = CASE WHEN billable AND deleted_at IS NULL THEN value + written - billed ELSE 0 END"
    " AND open_value >= 0"
)
WAITING = "NOT waiting OR billable AND value = 0 AND written = 0 AND billed = 0 AND state IN ('open', 'held')"
NOTHING_OPEN_WHEN_DONE = "state NOT IN ('billed', 'written_off') OR open_value = 0"


class TimeEntry(WipItem, Base):
    """Time worked. `recorded` is what the clock said, `charged` what the rounding made of it; both stay.

    No `rate` is not a rate of 0: while no rate card or no exchange rate covers the day, billable time waits for one.
    """

    __tablename__ = "time_entry"

    recorded: Mapped[dt.timedelta]
    charged: Mapped[dt.timedelta]
    rounding: Mapped[dict[str, Any]] = mapped_column(default=dict)
    rate: Mapped[RateColumn | None]
    rate_source: Mapped[str]
    rate_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("rate.id"))
    work_role: Mapped[WorkRole | None]
    activity: Mapped[str] = mapped_column(default="")
    split_from_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("time_entry.id"))
    rejoined_at: Mapped[dt.datetime | None]
    timer_id: Mapped[UUID | None] = mapped_column(unique=True)

    client: Mapped[Client] = relationship(lazy="raise")
    engagement: Mapped[Engagement] = relationship(lazy="raise")
    job: Mapped[Job | None] = relationship(lazy="raise")
    task: Mapped[Task | None] = relationship(lazy="raise")
    person: Mapped[Person] = relationship(lazy="raise")

    __table_args__ = (
        sa.Index("ix_time_entry_person_id", "person_id", "worked_on"),
        sa.Index("ix_time_entry_job_id", "job_id", "worked_on"),
        sa.Index(
            "ix_time_entry_unbilled",
            "engagement_id",
            "worked_on",
            postgresql_where=sa.text("state IN ('open', 'held', 'drafted') AND billable AND deleted_at IS NULL"),
        ),
        sa.CheckConstraint("recorded > 0 AND recorded <= 86400", name="recorded"),
        sa.CheckConstraint("charged >= 0 AND rate >= 0", name="charged"),
        sa.CheckConstraint("rejoined_at IS NULL OR deleted_at IS NOT NULL AND value = 0", name="rejoined"),
        sa.CheckConstraint("waiting = (billable AND rate IS NULL)", name="waits_without_a_rate"),
        sa.CheckConstraint(WAITING, name="waiting"),
        sa.Index("ix_time_entry_waiting", "client_id", "worked_on", postgresql_where=sa.text("waiting")),
        sa.CheckConstraint(OPEN_VALUE, name="open_value"),
        sa.CheckConstraint(NOTHING_OPEN_WHEN_DONE, name="nothing_open_when_done"),
    )


class BillTax(enum.StrEnum):
    """How the bill that passes an expense on taxes it."""

    ENGAGEMENT = "engagement"
    CODE = "code"
    DISBURSEMENT = "disbursement"


class Expense(WipItem, Base):
    """Money laid out for a client: net with its tax, marked up or not, billed or not.

    `bill_tax` says how its bill taxes it: as its engagement, by a tax code of its own, or outside the scope of tax as
    a disbursement. `tax_code` is the code that follows from that; none where it is taxed as its engagement.

    A disbursement is money paid for the client's own debt to somebody else. HMRC (VAT Notice 700, section 25.1) leaves
    it outside the scope of VAT only where the client is the one who owed it, exactly what was paid is passed on, it
    stands apart on the invoice, and there is evidence of it. So it has no mark-up, is worth its net and its tax
    together (the firm cannot reclaim that tax), and names whom the receipt is made out to, with a note or a document.
    """

    __tablename__ = "expense"

    category: Mapped[str] = mapped_column(default="")
    net: Mapped[Decimal]
    tax: Mapped[Decimal] = mapped_column(default=Decimal(0))
    mark_up_percent: Mapped[Decimal] = mapped_column(sa.Numeric(7, 4), default=Decimal(0))
    bill_tax: Mapped[BillTax] = mapped_column(default=BillTax.ENGAGEMENT, server_default="engagement")
    tax_code: Mapped[str | None] = mapped_column(sa.ForeignKey("tax_code.code"))
    receipt_name: Mapped[str] = mapped_column(default="", server_default="")
    evidence: Mapped[str] = mapped_column(default="", server_default="")
    document_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("document.id"))

    document: Mapped[Document | None] = relationship(lazy="raise")
    client: Mapped[Client] = relationship(lazy="raise")
    engagement: Mapped[Engagement] = relationship(lazy="raise")
    job: Mapped[Job | None] = relationship(lazy="raise")
    task: Mapped[Task | None] = relationship(lazy="raise")
    person: Mapped[Person] = relationship(lazy="raise")

    __table_args__ = (
        sa.Index("ix_expense_person_id", "person_id", "worked_on"),
        sa.Index(
            "ix_expense_unbilled",
            "engagement_id",
            "worked_on",
            postgresql_where=sa.text("state IN ('open', 'held', 'drafted') AND billable AND deleted_at IS NULL"),
        ),
        sa.CheckConstraint("net > 0 AND tax >= 0", name="net"),
        sa.CheckConstraint("(bill_tax = 'engagement') = (tax_code IS NULL)", name="tax_code_when_told"),
        sa.CheckConstraint(
            "bill_tax <> 'disbursement' OR mark_up_percent = 0 AND receipt_name <> '' "
            "AND (evidence <> '' OR document_id IS NOT NULL)",
            name="evidence_of_a_disbursement",
        ),
        sa.CheckConstraint(WAITING, name="waiting"),
        sa.Index("ix_expense_waiting", "client_id", "worked_on", postgresql_where=sa.text("waiting")),
        sa.CheckConstraint(OPEN_VALUE, name="open_value"),
        sa.CheckConstraint(NOTHING_OPEN_WHEN_DONE, name="nothing_open_when_done"),
    )


# What makes two cards be for exactly the same people and work.
_NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"
RATE_KEY = (
    *(f"coalesce({column}, {_NOBODY})" for column in ("person_id", "client_id", "engagement_id")),
    *(f"coalesce({column}, '')" for column in ("grade", "work_role", "activity")),
    "currency::text",
)


class Rate(MadeOnce, HasVersion, Base):
    """An hourly rate from a date on, for whatever of its columns is filled; the most specific one wins.

    Of those in use for exactly the same people and work no two hold on one day. `ended_by` is the card that ended this
    one by beginning: when that is taken out of use, this one goes on.
    """

    __tablename__ = "rate"

    from_on: Mapped[dt.date]
    to_on: Mapped[dt.date | None]
    ended_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("rate.id", deferrable=True, initially="DEFERRED"))
    amount: Mapped[RateColumn]
    currency: Mapped[Currency]
    person_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    grade: Mapped[str | None]
    work_role: Mapped[WorkRole | None]
    activity: Mapped[str | None]
    client_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("client.id"))
    engagement_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("engagement.id"))
    archived_at: Mapped[dt.datetime | None]

    __table_args__ = (
        sa.CheckConstraint("amount >= 0", name="amount"),
        sa.CheckConstraint("to_on > from_on", name="ends_after_start"),
        sa.CheckConstraint("ended_by IS NULL OR to_on IS NOT NULL", name="ended_by"),
        ExcludeConstraint(
            *[(sa.text(f"({key})"), "=") for key in RATE_KEY],
            (sa.text("daterange(from_on, to_on)"), "&&"),
            name="ex_rate_one_a_day",
            where=sa.text("archived_at IS NULL"),
            using="gist",
        ),
    )


class WriteOffItem(Base):
    """A time entry or expense of an approval for a write-off: what was open of it when that was asked, and how much of
    it is written off. `transaction_id` is the posting that did it, None while nothing is posted."""

    __tablename__ = "write_off_item"

    approval_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("approval.id", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    item_kind: Mapped[str]
    client_id: Mapped[UUID]
    engagement_id: Mapped[UUID]
    open_value: Mapped[Decimal]
    amount: Mapped[Decimal]
    transaction_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ledger_transaction.id"), unique=True)

    __table_args__ = (
        sa.Index("ix_write_off_item_item_id", "item_id"),
        sa.CheckConstraint("amount > 0 AND amount <= open_value", name="amount"),
        sa.CheckConstraint("item_kind IN ('time_entry', 'expense')", name="item_kind"),
    )
