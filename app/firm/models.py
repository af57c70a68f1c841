"""The firm, its entities and offices, and the settings that the law makes of them."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, Currency, HasId, HasVersion, MadeOnce
from app.core.stored import stored


class Firm(HasId, HasVersion, Base):
    """The one firm of this database: what it calls itself and what it looks like."""

    __tablename__ = "firm"

    name: Mapped[str]
    zone: Mapped[str] = mapped_column(default="UTC")
    accent: Mapped[str] = mapped_column(default="#2f5d8a")
    logo_key: Mapped[str | None]
    logo_type: Mapped[str | None]
    require_totp: Mapped[bool] = mapped_column(default=False)
    rounding: Mapped[dict[str, Any]] = mapped_column(default=dict)
    hold_above: Mapped[Decimal | None]
    set_up_at: Mapped[dt.datetime | None]
    one: Mapped[bool] = mapped_column(default=True, unique=True)

    __table_args__ = (sa.CheckConstraint("one", name="one"),)


class Filling(Base):
    """How far a firm to look at has been made: which day of its year is over, and what the next day needs to know."""

    __tablename__ = "filling"

    one: Mapped[bool] = mapped_column(default=True, primary_key=True)
    since: Mapped[dt.date]
    through: Mapped[dt.date | None]
    known: Mapped[dict[str, Any]] = mapped_column(default=dict)
    finished_at: Mapped[dt.datetime | None]

    __table_args__ = (sa.CheckConstraint("one", name="one"),)


class TaxPoint(enum.StrEnum):
    """Which date decides the rate: when the work was done, or when the bill is issued."""

    SUPPLY = "supply"
    ISSUE = "issue"


class Grouping(enum.StrEnum):
    """How entries become the lines of a bill."""

    ENGAGEMENT = "engagement"
    JOB = "job"
    ENTRY = "entry"


class Entity(MadeOnce, HasVersion, Base):
    """A legal person of the firm: it issues invoices under its own numbers, in its base currency."""

    __tablename__ = "entity"

    name: Mapped[str]
    country: Mapped[str] = mapped_column(sa.CHAR(2))
    currency: Mapped[Currency]
    year_end_month: Mapped[int] = mapped_column(sa.SmallInteger, default=12)
    year_end_day: Mapped[int] = mapped_column(sa.SmallInteger, default=31)
    address: Mapped[str] = mapped_column(default="")
    tax_number: Mapped[str] = mapped_column(default="")
    registration_number: Mapped[str] = mapped_column(default="")
    bank_name: Mapped[str] = mapped_column(default="")
    iban: Mapped[str] = mapped_column(default="")
    bic: Mapped[str] = mapped_column(default="")
    account_number: Mapped[str] = mapped_column(default="")
    sort_code: Mapped[str] = mapped_column(default="")
    terms_days: Mapped[int] = mapped_column(default=14)
    invoice_note: Mapped[str] = mapped_column(default="")
    tax_code: Mapped[str | None] = mapped_column(sa.ForeignKey("tax_code.code"))
    tax_point: Mapped[TaxPoint] = mapped_column(default=TaxPoint.SUPPLY, server_default="supply")
    line_grouping: Mapped[Grouping] = mapped_column(default=Grouping.ENGAGEMENT, server_default="engagement")
    # Whether time worked in closed books may still be recorded; it is posted on the first day that is open.
    late_time: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    archived_at: Mapped[dt.datetime | None]


class Office(MadeOnce, HasVersion, Base):
    """A place of the firm with its zone and its calendar of holidays (`GB-ENG`, `US-DC`, `DE-BY`).

    Its clients read in mails and portal how it is reached; without an address of its own, at its entity's.
    """

    __tablename__ = "office"

    entity_id: Mapped[UUID] = mapped_column(sa.ForeignKey("entity.id"))
    name: Mapped[str]
    zone: Mapped[str]
    calendar: Mapped[str] = mapped_column(default="GB-ENG")
    phone: Mapped[str] = mapped_column(default="", server_default="")
    email: Mapped[str] = mapped_column(default="", server_default="")
    address: Mapped[str] = mapped_column(default="", server_default="")
    archived_at: Mapped[dt.datetime | None]

    entity: Mapped[Entity] = relationship(lazy="joined", innerjoin=True)


class Closure(MadeOnce, Base):
    """A day on which the firm, or one office, is closed beside the public holidays."""

    __tablename__ = "closure"

    office_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("office.id"))
    closed_on: Mapped[dt.date]
    name: Mapped[str]


class SeriesKind(enum.StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"
    JOB = "job"
    CLIENT = "client"
    ENGAGEMENT = "engagement"


class NumberSeries(HasId, Base):
    """A run of numbers; the row is locked while one is given, so that invoices have no gap."""

    __tablename__ = "number_series"

    kind: Mapped[SeriesKind]
    entity_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("entity.id"))
    prefix: Mapped[str] = mapped_column(default="")
    next_value: Mapped[int] = mapped_column(default=1)
    padding: Mapped[int] = mapped_column(default=5)

    __table_args__ = (sa.UniqueConstraint("kind", "entity_id", postgresql_nulls_not_distinct=True),)


class TaxTreatment(enum.StrEnum):
    """How VAT, GST or sales tax falls on a line."""

    STANDARD = "standard"
    ZERO = "zero"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"
    OUTSIDE = "outside"
    EXPORT = "export"
    INTRA_EU = "intra_eu"


# The category of EN 16931 (UNCL 5305) that each treatment is.
CATEGORIES = {
    TaxTreatment.STANDARD: "S", TaxTreatment.ZERO: "Z", TaxTreatment.EXEMPT: "E", TaxTreatment.REVERSE_CHARGE: "AE",
    TaxTreatment.OUTSIDE: "O", TaxTreatment.EXPORT: "G", TaxTreatment.INTRA_EU: "K",
}


class TaxCode(HasVersion, Base):
    """A kind of tax that engagements, clients, expenses and lines refer to; what it charges on a day is a TaxRate."""

    __tablename__ = "tax_code"

    code: Mapped[str] = mapped_column(primary_key=True, sort_order=-10)
    treatment: Mapped[TaxTreatment]
    is_default: Mapped[bool] = mapped_column(default=False)
    archived_at: Mapped[dt.datetime | None]

    __table_args__ = (
        sa.UniqueConstraint("code", "treatment"),
        sa.Index("uq_tax_code_default", "is_default", unique=True, postgresql_where=sa.text("is_default")),
    )


class TaxRate(MadeOnce, HasVersion, Base):
    """What a code charges from a date up to another (`to_on` is the first day that it no longer holds).

    One holds on a day, by the database's word; an archived one was a mistake and never holds.
    """

    __tablename__ = "tax_rate"

    code: Mapped[str]
    name: Mapped[str]
    treatment: Mapped[TaxTreatment]
    percent: Mapped[Decimal] = mapped_column(sa.Numeric(7, 4))
    legend: Mapped[str] = mapped_column(default="")
    from_on: Mapped[dt.date] = mapped_column(default=dt.date(2000, 1, 1))
    to_on: Mapped[dt.date | None]
    archived_at: Mapped[dt.datetime | None]

    of: Mapped[TaxCode] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = (
        sa.ForeignKeyConstraint(["code", "treatment"], ["tax_code.code", "tax_code.treatment"]),
        sa.CheckConstraint("percent >= 0 AND percent < 100", name="percent"),
        sa.CheckConstraint("treatment = 'standard' OR percent = 0", name="only_standard_has_a_percent"),
        sa.CheckConstraint("to_on > from_on", name="ends_after_start"),
        ExcludeConstraint(
            (sa.column("code"), "="), (sa.func.daterange(sa.column("from_on"), sa.column("to_on")), "&&"),
            name="ex_tax_rate_one_a_day", using="gist", where=sa.text("archived_at IS NULL"),
        ),
    )

    @property
    def is_default(self) -> bool:
        return self.of.is_default

    @property
    def last_on(self) -> dt.date | None:
        """The last day on which it holds."""
        return self.to_on - dt.timedelta(days=1) if self.to_on else None


def percent_words(percent: Decimal) -> str:
    """`20`, `5.5`: no more decimals than it has."""
    return f"{percent.normalize():f}" if percent else "0"


stored("logo of firm", Firm.logo_key, name=Firm.name)
