"""Accounts, transactions, postings, periods and kept balances."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, Currency, HasId, MadeOnce
from app.people.models import Person

# One yen is 0.0051668123 pounds: with six decimals a bill over ten million yen would be out by two pounds.
ExchangeRateNumber = sa.Numeric(20, 10)

# Stands for every day that no ageing tells apart any more.
LONG_AGO = dt.date.min


class Account(enum.StrEnum):
    """The fixed chart. WIP stands at selling value against a memo contra and leaves the house in no export.

    What exchange rates make a payment worth more or less than its bill goes to GAIN_LOSS, in base currency alone.
    Clients' own money lies in CLIENT_BANK and is owed to them in CLIENT_LEDGER: a book apart.
    """

    WIP = "wip"
    WIP_MEMO = "wip_memo"
    RECEIVABLE = "receivable"
    REVENUE = "revenue"
    RECOVERED = "recovered"
    TAX = "tax"
    BANK = "bank"
    CREDIT = "credit"
    EXPENSE = "expense"
    GAIN_LOSS = "gain_loss"
    CLIENT_BANK = "client_bank"
    CLIENT_LEDGER = "client_ledger"

    @property
    def book(self) -> Book:
        return Book.CLIENT_MONEY if self in (Account.CLIENT_BANK, Account.CLIENT_LEDGER) else Book.OFFICE


class Book(enum.StrEnum):
    """The firm's own money, and that of its clients: an entity's transaction balances in each by itself."""

    OFFICE = "office"
    CLIENT_MONEY = "client_money"


class TransactionKind(enum.StrEnum):
    """Why money moved. The first six are the WIP movements of DECISIONS' equation."""

    RECORDED = "recorded"
    REPRICED = "repriced"
    TRANSFERRED = "transferred"
    WRITTEN_ON = "written_on"
    WRITTEN_OFF = "written_off"
    BILLED = "billed"
    ISSUED = "issued"
    PAID = "paid"
    ALLOCATED = "allocated"
    REFUNDED = "refunded"
    REDATED = "redated"


class LedgerTransaction(Base):
    """One balanced act, dated in an open period. A correction is a reversal, never a change."""

    __tablename__ = "ledger_transaction"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    kind: Mapped[TransactionKind]
    posted_on: Mapped[dt.date]
    happened_on: Mapped[dt.date]
    source_kind: Mapped[str]
    source_id: Mapped[UUID]
    reason: Mapped[str] = mapped_column(default="")
    by_id: Mapped[UUID | None]
    reverses_id: Mapped[int | None] = mapped_column(sa.BigInteger, sa.ForeignKey("ledger_transaction.id"), unique=True)
    exchange_rate_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("exchange_rate.id"))
    made_at: Mapped[dt.datetime] = mapped_column(server_default=sa.func.now())
    xid: Mapped[int] = mapped_column(sa.BigInteger, server_default=sa.text("(pg_current_xact_id()::text)::bigint"))

    __table_args__ = (
        sa.Index("ix_ledger_transaction_posted_on", "posted_on"),
        sa.Index("ix_ledger_transaction_source", "source_kind", "source_id"),
    )


class Posting(Base):
    """One side of a transaction: debit positive, credit negative. `item_id` is a time entry or an expense.

    `aged_on` is the day that the amount ages from: of the work for WIP, due for receivables, received for credit.
    A receivable names the engagement that it was billed for. A base amount may stand without an amount.
    """

    __tablename__ = "posting"

    transaction_id: Mapped[int] = mapped_column(
        sa.BigInteger, sa.ForeignKey("ledger_transaction.id"), primary_key=True, autoincrement=False
    )
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entity_id: Mapped[UUID] = mapped_column(sa.ForeignKey("entity.id"))
    book: Mapped[Book] = mapped_column(default=Book.OFFICE, server_default=Book.OFFICE.value)
    account: Mapped[Account]
    amount: Mapped[Decimal]
    currency: Mapped[Currency]
    base_amount: Mapped[Decimal]
    base_rate: Mapped[Decimal] = mapped_column(ExchangeRateNumber, default=Decimal(1))
    client_id: Mapped[UUID | None]
    engagement_id: Mapped[UUID | None]
    invoice_id: Mapped[UUID | None]
    payment_id: Mapped[UUID | None]
    item_id: Mapped[UUID | None]
    aged_on: Mapped[dt.date]

    __table_args__ = (
        sa.Index("ix_posting_engagement_account", "engagement_id", "account"),
        sa.Index("ix_posting_item_id", "item_id", postgresql_where=sa.text("item_id IS NOT NULL")),
        sa.Index("ix_posting_invoice_id", "invoice_id", postgresql_where=sa.text("invoice_id IS NOT NULL")),
        sa.Index("ix_posting_payment_id", "payment_id", postgresql_where=sa.text("payment_id IS NOT NULL")),
        sa.CheckConstraint("amount <> 0 OR base_amount <> 0", name="amount"),
        sa.CheckConstraint(
            "(account IN ('client_bank', 'client_ledger')) = (book = 'client_money')", name="book_of_account"
        ),
    )


class Closing(Base):
    """An act of closing: an entity's books through a month's last day. The latest one is where they are closed to.

    Rows are only ever added, forward in time; nothing is posted, numbered or received on a closed day.
    """

    __tablename__ = "closing"

    entity_id: Mapped[UUID] = mapped_column(sa.ForeignKey("entity.id"), primary_key=True)
    closed_through: Mapped[dt.date] = mapped_column(primary_key=True)
    closed_at: Mapped[dt.datetime]
    closed_by: Mapped[UUID | None]

    __table_args__ = (
        sa.CheckConstraint(
            "closed_through = (date_trunc('month', closed_through) + interval '1 month - 1 day')::date",
            name="month_end",
        ),
    )


class Balance(Base):
    """A kept copy: the sum of postings by engagement (or client), account and day of origin. `verify` proves it."""

    __tablename__ = "balance"

    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    engagement_id: Mapped[UUID] = mapped_column(primary_key=True)
    account: Mapped[Account] = mapped_column(primary_key=True)
    currency: Mapped[Currency] = mapped_column(primary_key=True)
    aged_on: Mapped[dt.date] = mapped_column(primary_key=True)
    amount: Mapped[Decimal]

    __table_args__ = (
        sa.Index("ix_balance_account", "account", "client_id", "aged_on", postgresql_where=sa.text("amount <> 0")),
        sa.Index("ix_balance_nothing", "client_id", postgresql_where=sa.text("amount = 0")),
    )


class ClientBalance(Base):
    """A kept copy: the sum of a client's balances, in the order in which the largest are asked for."""

    __tablename__ = "client_balance"

    account: Mapped[Account] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[Currency] = mapped_column(primary_key=True)
    amount: Mapped[Decimal]

    __table_args__ = (
        sa.Index(
            "ix_client_balance_largest", "account", "amount", "client_id", "currency",
            postgresql_where=sa.text("amount <> 0"),
        ),
    )  # fmt: skip


class AccountBalance(Base):
    """A kept copy: an account's sum by day of origin, over everybody. Its rows are changes that add up.

    Whoever posts appends a change and so waits for nobody; now and then the changes are gathered into one row a day,
    those of days that no ageing tells apart any more into one row of `LONG_AGO`.
    """

    __tablename__ = "account_balance"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    account: Mapped[Account]
    currency: Mapped[Currency]
    aged_on: Mapped[dt.date]
    amount: Mapped[Decimal]


class RateSource(enum.StrEnum):
    """Who says so: somebody of the firm, or the European Central Bank in a file that it published."""

    TYPED = "typed"
    ECB = "ecb"


class ExchangeRate(MadeOnce, Base):
    """Units of `base` for one unit of `currency`, from a day on; written onto each posting, never looked up again.

    What was said of a rate never changes; a mistaken one is withdrawn and counts for nothing that is posted after.
    `via` is the currency that a cross rate went through, both legs being of that same day.
    """

    __tablename__ = "exchange_rate"

    currency: Mapped[Currency]
    base: Mapped[Currency]
    from_on: Mapped[dt.date]
    rate: Mapped[Decimal] = mapped_column(ExchangeRateNumber)
    source: Mapped[RateSource] = mapped_column(default=RateSource.TYPED, server_default=RateSource.TYPED.value)
    via: Mapped[Currency | None]
    file_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("rate_file.id"))
    entered_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    withdrawn_at: Mapped[dt.datetime | None]
    withdrawn_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))

    person: Mapped[Person | None] = relationship(lazy="raise", foreign_keys=[entered_by])

    @property
    def said_by(self) -> str:
        """`ECB, 2026-11-25, via EUR`, `entered by Pat Hartwell`."""
        if self.source is RateSource.TYPED:
            return f"entered by {self.person.name if self.person else 'hand'}"
        return ", ".join(filter(None, (self.source.value.upper(), str(self.from_on), self.via and f"via {self.via}")))

    __table_args__ = (
        sa.Index(
            "uq_exchange_rate_currency_base_from_on", "currency", "base", "from_on", unique=True,
            postgresql_where=sa.text("withdrawn_at IS NULL"),
        ),
        sa.Index("ix_exchange_rate_file_id", "file_id", postgresql_where=sa.text("file_id IS NOT NULL")),
        sa.CheckConstraint("rate > 0", name="rate"),
        sa.CheckConstraint("currency <> base", name="of_another_currency"),
        sa.CheckConstraint("(source = 'typed') = (file_id IS NULL)", name="from_its_file"),
        sa.CheckConstraint("via IS NULL OR (source <> 'typed' AND via NOT IN (currency, base))", name="via_a_third"),
    )  # fmt: skip


class RateFile(HasId, Base):
    """A file of rates as it was sent, so that what is shown of it first is what is taken from it after."""

    __tablename__ = "rate_file"

    file_name: Mapped[str]
    content: Mapped[str]
    sent_at: Mapped[dt.datetime]
    sent_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    taken_at: Mapped[dt.datetime | None]
    wanted: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    added: Mapped[int | None]

    __table_args__ = (sa.Index("ix_rate_file_sent_at", "sent_at"),)
