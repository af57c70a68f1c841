"""Invoices with their lines and the WIP items behind them, payments and allocations."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.clients.models import Client
from app.core.db import Base, Currency, HasId, HasVersion, MadeOnce
from app.core.db import Rate as RateColumn
from app.core.stored import stored
from app.firm.models import CATEGORIES, Entity, Grouping, TaxTreatment


class InvoiceKind(enum.StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class InvoiceState(enum.StrEnum):
    """Approved = issued = numbered, in one act. Part paid and paid are read from the postings."""

    DRAFT = "draft"
    AWAITING = "awaiting_approval"
    APPROVED = "approved"
    SENT = "sent"
    VOID = "void"


ISSUED = (InvoiceState.APPROVED, InvoiceState.SENT, InvoiceState.VOID)


class TaxMode(enum.StrEnum):
    LINE = "line"
    TOTAL = "total"


class Invoice(MadeOnce, HasVersion, Base):
    """From draft on. Once numbered the database refuses to change what it says.

    `open_amount` is a kept copy: the sum of its receivable postings, written by `settle_invoice` alone.
    The sum of its lines less `allowance` plus `charge` is `net`; `gross` less `prepaid` is what is to be paid
    (BT-107, BT-108 and BT-113 of EN 16931). An allowance or charge of the whole bill falls on each rate of tax in
    proportion to its lines. `until_on` is the day up to which a draft takes work.
    """

    __tablename__ = "invoice"

    kind: Mapped[InvoiceKind] = mapped_column(default=InvoiceKind.INVOICE)
    state: Mapped[InvoiceState] = mapped_column(default=InvoiceState.DRAFT)
    number: Mapped[str | None]
    entity_id: Mapped[UUID] = mapped_column(sa.ForeignKey("entity.id"))
    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    payer_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    credits_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("invoice.id"))
    currency: Mapped[Currency]
    tax_mode: Mapped[TaxMode] = mapped_column(default=TaxMode.LINE)
    issued_on: Mapped[dt.date | None]
    due_on: Mapped[dt.date | None]
    terms_days: Mapped[int] = mapped_column(default=14)
    until_on: Mapped[dt.date | None]
    grouping: Mapped[Grouping] = mapped_column(default=Grouping.ENGAGEMENT, server_default="engagement")
    allowance: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    allowance_reason: Mapped[str] = mapped_column(default="", server_default="")
    charge: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    charge_reason: Mapped[str] = mapped_column(default="", server_default="")
    prepaid: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    net: Mapped[Decimal] = mapped_column(default=Decimal(0))
    tax: Mapped[Decimal] = mapped_column(default=Decimal(0))
    gross: Mapped[Decimal] = mapped_column(default=Decimal(0))
    open_amount: Mapped[Decimal] = mapped_column(default=Decimal(0))
    note: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")
    facts: Mapped[dict[str, Any] | None]
    pdf_key: Mapped[str | None]
    pdf_sha256: Mapped[bytes | None]
    drafted_by: Mapped[UUID | None]
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[dt.datetime | None]
    sent_at: Mapped[dt.datetime | None]
    send_wanted_by: Mapped[UUID | None]
    paper_failed_at: Mapped[dt.datetime | None]
    paper_error: Mapped[str] = mapped_column(default="", server_default="")
    viewed_at: Mapped[dt.datetime | None]
    run_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("run.id"))

    entity: Mapped[Entity] = relationship(lazy="raise")
    client: Mapped[Client] = relationship(foreign_keys=[client_id], lazy="raise")
    payer: Mapped[Client] = relationship(foreign_keys=[payer_id], lazy="raise")
    lines: Mapped[list[InvoiceLine]] = relationship(
        primaryjoin="InvoiceLine.invoice_id == Invoice.id", foreign_keys="InvoiceLine.invoice_id",
        back_populates="invoice", order_by="InvoiceLine.position", lazy="raise", cascade="all, delete-orphan",
    )

    __table_args__ = (
        sa.UniqueConstraint("entity_id", "number"),
        sa.UniqueConstraint("id", "client_id", "currency"),
        sa.Index("ix_invoice_client_id", "client_id", "issued_on"),
        sa.Index("ix_invoice_state", "state", "issued_on", "id"),
        sa.CheckConstraint("(state IN ('draft', 'awaiting_approval')) = (number IS NULL)", name="number_when_approved"),
        sa.CheckConstraint("(kind = 'credit_note') = (credits_id IS NOT NULL)", name="credit_note_credits"),
        sa.CheckConstraint("open_amount >= 0", name="open_amount"),
        sa.CheckConstraint("due_on >= issued_on", name="due_on"),
        sa.CheckConstraint("gross = net + tax", name="gross"),
        # Until their screens come, and totals with them (EN 16931, BR-CO-13 to 16): no total counts them yet.
        sa.CheckConstraint("allowance = 0 AND charge = 0 AND prepaid = 0", name="adjustments"),
        sa.Index("ix_invoice_issued", "entity_id", "kind", "issued_on", postgresql_where=sa.text("number IS NOT NULL")),
        sa.Index("ix_invoice_payer_id", "payer_id", "issued_on"),
        sa.Index("ix_invoice_unkept", "id", postgresql_where=sa.text("number IS NOT NULL AND pdf_key IS NULL")),
        sa.Index("ix_invoice_failed", "paper_failed_at", postgresql_where=sa.text("paper_failed_at IS NOT NULL")),
        sa.Index("ix_invoice_unsent", "id", postgresql_where=sa.text("send_wanted_by IS NOT NULL")),
        sa.Index("ix_invoice_open", "client_id", "due_on", postgresql_where=sa.text("open_amount > 0")),
        sa.Index("uq_invoice_credits", "credits_id", unique=True, postgresql_where=sa.text("state <> 'draft'")),
    )


class LineKind(enum.StrEnum):
    FEE = "fee"
    EXPENSE = "expense"
    FIXED = "fixed"
    TEXT = "text"


class LineUnit(enum.StrEnum):
    """What a quantity counts (UN/ECE recommendation 20)."""

    HOUR = "HUR"
    ONE = "C62"


class Rest(enum.StrEnum):
    """What happens with what a line does not bill: written off (of a fee: a rebate), or carried to a later bill."""

    WRITE_OFF = "write_off"
    CARRY = "carry"


class InvoiceLine(MadeOnce, Base):
    """One printed line; its tax facts are copied, so that a later change of a rate changes no invoice.

    `supplied_on` is when it was supplied: the last day of the work behind it, or for a fee the day that its draft
    states. `net` is quantity × price, rounded to `decimals`, less `allowance` plus `charge`, by the database's word.
    A line of a credit note says which line it credits.

    The line of a fixed fee takes `drawn` of its arrangement. A line is of its bill's client and currency, and its
    engagement and arrangement are too, by the database's word.
    """

    __tablename__ = "invoice_line"

    invoice_id: Mapped[UUID]
    client_id: Mapped[UUID]
    engagement_id: Mapped[UUID | None]
    currency: Mapped[Currency]
    arrangement_id: Mapped[UUID | None]
    drawn: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    rest: Mapped[Rest] = mapped_column(default=Rest.WRITE_OFF, server_default="write_off")
    position: Mapped[int]
    kind: Mapped[LineKind]
    description: Mapped[str]
    supplied_on: Mapped[dt.date]
    quantity: Mapped[Decimal] = mapped_column(sa.Numeric(18, 6), default=Decimal(1))
    unit: Mapped[LineUnit] = mapped_column(default=LineUnit.ONE, server_default="C62")
    unit_price: Mapped[RateColumn]
    decimals: Mapped[int] = mapped_column(sa.SmallInteger, default=2, server_default="2")
    allowance: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    allowance_reason: Mapped[str] = mapped_column(default="", server_default="")
    charge: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    charge_reason: Mapped[str] = mapped_column(default="", server_default="")
    net: Mapped[Decimal]
    credited_line_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("invoice_line.id"), index=True)
    tax_code: Mapped[str] = mapped_column(sa.ForeignKey("tax_code.code"))
    tax_treatment: Mapped[TaxTreatment]
    tax_category: Mapped[str]
    tax_percent: Mapped[Decimal] = mapped_column(sa.Numeric(7, 4))
    tax_legend: Mapped[str] = mapped_column(default="")
    tax: Mapped[Decimal] = mapped_column(default=Decimal(0))

    invoice: Mapped[Invoice] = relationship(
        primaryjoin="InvoiceLine.invoice_id == Invoice.id", foreign_keys="InvoiceLine.invoice_id",
        back_populates="lines", lazy="raise",
    )

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["invoice_id", "client_id", "currency"], ["invoice.id", "invoice.client_id", "invoice.currency"]
        ),
        sa.ForeignKeyConstraint(
            ["engagement_id", "client_id", "currency"],
            ["engagement.id", "engagement.client_id", "engagement.currency"],
        ),
        sa.ForeignKeyConstraint(
            ["arrangement_id", "engagement_id"], ["arrangement.id", "arrangement.engagement_id"]
        ),
        sa.UniqueConstraint(
            "id", "invoice_id", "client_id", "engagement_id", "currency", name="uq_invoice_line_items"
        ),
        sa.Index("ix_invoice_line_invoice_id", "invoice_id", "position"),
        sa.Index(
            "ix_invoice_line_arrangement_id", "arrangement_id", postgresql_where=sa.text("arrangement_id IS NOT NULL")
        ),
        sa.CheckConstraint("(kind = 'fixed') = (arrangement_id IS NOT NULL)", name="arrangement_when_fixed"),
        sa.CheckConstraint(
            "net = round(quantity * unit_price, decimals) - allowance + charge", name="quantity_times_price"
        ),
        sa.CheckConstraint("quantity >= 0 AND allowance >= 0 AND charge >= 0", name="adjustments"),
        sa.CheckConstraint("tax_treatment = 'standard' OR tax_percent = 0", name="only_standard_has_a_percent"),
        sa.CheckConstraint(
            "(tax_treatment, tax_category) IN ("
            + ", ".join(f"('{treatment.value}', '{category}')" for treatment, category in CATEGORIES.items())
            + ")",
            name="tax_category",
        ),
        sa.CheckConstraint("drawn >= 0 AND (drawn = 0 OR arrangement_id IS NOT NULL)", name="drawn"),
    )


class Treatment(enum.StrEnum):
    """What a draft does with an entry: bill it (or a part of it), write it off, or leave it for later."""

    BILL = "bill"
    WRITE_OFF = "write_off"
    LATER = "later"


class InvoiceItem(Base):
    """A time entry or expense on a draft or bill: what this bill does with what was open of it when it was taken.

    `value` is what was open, `billed` what is billed of it, `written` what is written on (+) or off (−) with the bill,
    `carried` what stays open for a later one: billed + carried = value + written. An entry lies on one draft at a time
    and, over time, on any number of bills; what standing ones (`issued` and `live`) bill of it is the entry's `billed`.
    It is of its line's client, engagement and currency, and the entry is too, by the database's word.
    """

    __tablename__ = "invoice_item"

    invoice_id: Mapped[UUID] = mapped_column(primary_key=True)
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    item_kind: Mapped[str]
    line_id: Mapped[UUID]
    client_id: Mapped[UUID]
    engagement_id: Mapped[UUID]
    currency: Mapped[Currency]
    treatment: Mapped[Treatment] = mapped_column(default=Treatment.BILL)
    value: Mapped[Decimal]
    billed: Mapped[Decimal]
    written: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    carried: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    issued: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    live: Mapped[bool] = mapped_column(default=True)

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["line_id", "invoice_id", "client_id", "engagement_id", "currency"],
            [f"invoice_line.{name}" for name in ("id", "invoice_id", "client_id", "engagement_id", "currency")],
            name="fk_invoice_item_line",
        ),
        sa.Index(
            "uq_invoice_item_drafted", "item_id", unique=True,
            postgresql_where=sa.text("live AND NOT issued AND treatment <> 'later'"),
        ),
        sa.Index("ix_invoice_item_item_id", "item_id"),
        sa.Index("ix_invoice_item_line_id", "line_id"),
        sa.CheckConstraint("billed + carried = value + written", name="amounts"),
        sa.CheckConstraint("billed >= 0 AND carried >= 0 AND carried <= value", name="not_below_nothing"),
        sa.CheckConstraint(
            "CASE treatment WHEN 'later' THEN billed = 0 AND written = 0 AND NOT issued "
            "WHEN 'write_off' THEN billed = 0 AND carried = 0 ELSE true END",
            name="treatment_amounts",
        ),
        # What a bill only leaves open is no part of it, so that such an entry is as free as any other.
        sa.CheckConstraint("NOT issued OR carried = 0 OR billed > 0", name="carried_of_what_is_billed"),
        sa.CheckConstraint("item_kind IN ('time_entry', 'expense')", name="item_kind"),
    )


class PaymentMethod(enum.StrEnum):
    TRANSFER = "transfer"
    CARD = "card"
    CASH = "cash"
    CHEQUE = "cheque"
    DIRECT_DEBIT = "direct_debit"
    OTHER = "other"


class Payment(MadeOnce, HasVersion, Base):
    """Money received from a payer. What is not allocated is credit. Undone by reversing its transaction."""

    __tablename__ = "payment"

    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    entity_id: Mapped[UUID] = mapped_column(sa.ForeignKey("entity.id"))
    received_on: Mapped[dt.date]
    amount: Mapped[Decimal]
    currency: Mapped[Currency]
    method: Mapped[PaymentMethod] = mapped_column(default=PaymentMethod.TRANSFER)
    reference: Mapped[str] = mapped_column(default="")
    recorded_by: Mapped[UUID | None]
    reversed_at: Mapped[dt.datetime | None]
    reversed_reason: Mapped[str] = mapped_column(default="")
    transaction_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ledger_transaction.id"), unique=True)

    client: Mapped[Client] = relationship(lazy="raise")

    __table_args__ = (
        sa.Index("ix_payment_client_id", "client_id", "received_on"),
        sa.CheckConstraint("amount > 0", name="amount"),
    )


class Allocation(HasId, Base):
    """How much of a payment went to which invoice, and when. Undone by reversing its transaction."""

    __tablename__ = "allocation"

    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payment.id"))
    invoice_id: Mapped[UUID] = mapped_column(sa.ForeignKey("invoice.id"))
    amount: Mapped[Decimal]
    allocated_on: Mapped[dt.date]
    reversed_at: Mapped[dt.datetime | None]
    transaction_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ledger_transaction.id"), unique=True)

    __table_args__ = (
        sa.Index("ix_allocation_invoice_id", "invoice_id"),
        sa.Index("ix_allocation_payment_id", "payment_id"),
        sa.CheckConstraint("amount > 0", name="amount"),
    )


stored("PDF of bill", Invoice.pdf_key, name=sa.func.coalesce(Invoice.number, ""), sha256=Invoice.pdf_sha256)
