"""Clients, contacts, engagements, walls, and the contacts' ways into the portal."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, Currency, HasId, HasVersion, MadeOnce
from app.core.finding import found_by, index_of
from app.firm.models import Grouping, Office
from app.people.models import Person


class ClientKind(enum.StrEnum):
    PERSON = "person"
    ORGANISATION = "organisation"


class ClientStatus(enum.StrEnum):
    PROSPECT = "prospect"
    ACTIVE = "active"
    DORMANT = "dormant"
    FORMER = "former"


class PayrollFrequency(enum.StrEnum):
    """How often a client pays its staff."""

    WEEKLY = "weekly"
    FORTNIGHTLY = "fortnightly"
    FOUR_WEEKLY = "four_weekly"
    MONTHLY = "monthly"


class Client(MadeOnce, HasVersion, Base):
    """A person or an organisation that the firm works for; one of them is the firm itself, for internal time.

    New drafts of its work take `line_grouping` (None: the entity's) and go to `payer_id` (None: the client itself).
    """

    __tablename__ = "client"

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    sort_key: Mapped[str]
    kind: Mapped[ClientKind] = mapped_column(default=ClientKind.ORGANISATION)
    status: Mapped[ClientStatus] = mapped_column(default=ClientStatus.ACTIVE)
    legal_name: Mapped[str] = mapped_column(default="")
    tax_number: Mapped[str] = mapped_column(default="")
    registration_number: Mapped[str] = mapped_column(default="")
    email: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(default="")
    website: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
    country: Mapped[str | None] = mapped_column(sa.CHAR(2))
    region: Mapped[str] = mapped_column(default="", server_default="")
    currency: Mapped[Currency]
    language: Mapped[str] = mapped_column(default="en")
    zone: Mapped[str | None]
    year_end_month: Mapped[int | None] = mapped_column(sa.SmallInteger)
    year_end_day: Mapped[int | None] = mapped_column(sa.SmallInteger)
    vat_stagger: Mapped[int | None] = mapped_column(sa.SmallInteger)
    payroll_frequency: Mapped[PayrollFrequency | None]
    first_pay_day: Mapped[dt.date | None]
    office_id: Mapped[UUID] = mapped_column(sa.ForeignKey("office.id"))
    partner_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    manager_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    terms_days: Mapped[int | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), default=list)
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    notes: Mapped[str] = mapped_column(default="")
    tax_code: Mapped[str | None] = mapped_column(sa.ForeignKey("tax_code.code"))
    line_grouping: Mapped[Grouping | None]
    payer_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("client.id"))
    is_firm: Mapped[bool] = mapped_column(default=False)
    archived_at: Mapped[dt.datetime | None]
    found_by: Mapped[str] = found_by(
        "name", "legal_name", "code", "email", "tax_number", "registration_number", number="phone"
    )

    office: Mapped[Office] = relationship(lazy="raise")
    partner: Mapped[Person | None] = relationship(foreign_keys=[partner_id], lazy="raise")
    manager: Mapped[Person | None] = relationship(foreign_keys=[manager_id], lazy="raise")

    __table_args__ = (
        sa.Index("ix_client_sort_key", "sort_key", "id"),
        sa.Index("ix_client_partner_id", "partner_id"),
        sa.Index("ix_client_manager_id", "manager_id"),
        index_of("client"),
        sa.Index("ix_client_sort_key_trgm", sa.text("sort_key gin_trgm_ops"), postgresql_using="gin"),
        sa.Index("uq_client_firm", "is_firm", unique=True, postgresql_where=sa.text("is_firm")),
        sa.CheckConstraint("year_end_month BETWEEN 1 AND 12", name="year_end_month"),
        sa.CheckConstraint("vat_stagger BETWEEN 1 AND 3", name="vat_stagger"),
        sa.CheckConstraint("(payroll_frequency IS NULL) = (first_pay_day IS NULL)", name="payroll"),
        sa.CheckConstraint("payer_id <> id", name="payer_is_another"),
        sa.Index("ix_client_payer_id", "payer_id", postgresql_where=sa.text("payer_id IS NOT NULL")),
    )


class Contact(MadeOnce, HasVersion, Base):
    """A person on the clients' side; may stand for several clients. Never linked to a person of the firm."""

    __tablename__ = "contact"

    name: Mapped[str]
    sort_key: Mapped[str]
    language: Mapped[str] = mapped_column(default="en")
    zone: Mapped[str | None]
    archived_at: Mapped[dt.datetime | None]
    found_by: Mapped[str] = found_by("name")

    addresses: Mapped[list[ContactAddress]] = relationship(
        back_populates="contact", lazy="raise", order_by="ContactAddress.position", cascade="all, delete-orphan"
    )

    __table_args__ = (sa.Index("ix_contact_sort_key", "sort_key"), index_of("contact"))


class AddressKind(enum.StrEnum):
    EMAIL = "email"
    PHONE = "phone"


class ContactAddress(HasId, Base):
    """Where a contact is reached. Not unique: couples share one; a link names the contact."""

    __tablename__ = "contact_address"

    contact_id: Mapped[UUID] = mapped_column(sa.ForeignKey("contact.id"))
    kind: Mapped[AddressKind]
    value: Mapped[str] = mapped_column(CITEXT)
    position: Mapped[int] = mapped_column(default=0)
    found_by: Mapped[str] = found_by("value::text", number="value::text")

    contact: Mapped[Contact] = relationship(back_populates="addresses", lazy="raise")

    __table_args__ = (
        sa.UniqueConstraint("contact_id", "kind", "value"),
        sa.Index("ix_contact_address_value", "value"),
        index_of("contact_address"),
    )


class ClientContact(HasId, Base):
    """What a contact is to a client, and whether the portal shows them that client."""

    __tablename__ = "client_contact"

    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    contact_id: Mapped[UUID] = mapped_column(sa.ForeignKey("contact.id"))
    role: Mapped[str] = mapped_column(default="")
    portal_access: Mapped[bool] = mapped_column(default=False)
    is_primary: Mapped[bool] = mapped_column(default=False)

    client: Mapped[Client] = relationship(lazy="raise")
    contact: Mapped[Contact] = relationship(lazy="raise")

    __table_args__ = (
        sa.UniqueConstraint("client_id", "contact_id"),
        sa.Index("ix_client_contact_contact_id", "contact_id"),
        sa.Index("uq_client_contact_primary", "client_id", unique=True, postgresql_where=sa.text("is_primary")),
    )


class EngagementStatus(enum.StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class ArrangementKind(enum.StrEnum):
    """How work is billed."""

    HOURLY = "hourly"
    FIXED = "fixed"
    NON_BILLABLE = "non_billable"


class Engagement(MadeOnce, HasVersion, Base):
    """The agreement under which work is done for a client (a matter, to lawyers). Its currency never changes.

    `line_grouping` and `payer_id` are its own for new drafts; None: as its client.
    """

    __tablename__ = "engagement"

    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    number: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    practice_area: Mapped[str] = mapped_column(default="")
    scope: Mapped[str] = mapped_column(default="")
    status: Mapped[EngagementStatus] = mapped_column(default=EngagementStatus.OPEN)
    starts_on: Mapped[dt.date | None]
    ends_on: Mapped[dt.date | None]
    entity_id: Mapped[UUID] = mapped_column(sa.ForeignKey("entity.id"))
    partner_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    manager_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    currency: Mapped[Currency]
    budget: Mapped[dt.timedelta | None]
    tax_code: Mapped[str | None] = mapped_column(sa.ForeignKey("tax_code.code"))
    rounding: Mapped[dict[str, Any] | None]
    service_id: Mapped[UUID | None] = mapped_column(index=True)
    line_grouping: Mapped[Grouping | None]
    payer_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("client.id"))
    archived_at: Mapped[dt.datetime | None]
    found_by: Mapped[str] = found_by("name", "number", "scope")

    client: Mapped[Client] = relationship(foreign_keys=[client_id], lazy="raise")
    partner: Mapped[Person | None] = relationship(foreign_keys=[partner_id], lazy="raise")
    manager: Mapped[Person | None] = relationship(foreign_keys=[manager_id], lazy="raise")
    arrangements: Mapped[list[Arrangement]] = relationship(
        primaryjoin="and_(Arrangement.engagement_id == Engagement.id, Arrangement.archived_at.is_(None))",
        order_by="Arrangement.from_on.nulls_first()", viewonly=True, lazy="raise",
    )

    def billed_on(self, day: dt.date) -> Arrangement:
        """How work of that day is billed; the arrangements are loaded with it."""
        return in_force(self.arrangements, day)

    __table_args__ = (
        sa.Index("ix_engagement_client_id", "client_id"),
        index_of("engagement"),
        # What stands under it says its client and currency again, and can have no other.
        sa.UniqueConstraint("id", "currency"),
        sa.UniqueConstraint("id", "client_id", "currency"),
        sa.CheckConstraint("ends_on >= starts_on", name="ends_after_start"),
        sa.Index("ix_engagement_payer_id", "payer_id", postgresql_where=sa.text("payer_id IS NOT NULL")),
    )


class Arrangement(MadeOnce, HasVersion, Base):
    """What is agreed about billing an engagement from a day on (None: from its start), until the next one begins.

    A fixed fee is `agreed_amount`. `drawn` is what drafts and standing bills take of it: a kept copy, written by
    billing's `keep_drawn` alone; the database refuses to draw more than was agreed.
    """

    __tablename__ = "arrangement"

    engagement_id: Mapped[UUID]
    currency: Mapped[Currency]
    kind: Mapped[ArrangementKind]
    name: Mapped[str] = mapped_column(default="", server_default="")
    from_on: Mapped[dt.date | None]
    agreed_amount: Mapped[Decimal | None]
    drawn: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    terms: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    archived_at: Mapped[dt.datetime | None]

    __table_args__ = (
        sa.ForeignKeyConstraint(["engagement_id", "currency"], ["engagement.id", "engagement.currency"]),
        sa.UniqueConstraint("id", "engagement_id"),
        sa.Index(
            "uq_arrangement_from_on", "engagement_id", "from_on", unique=True,
            postgresql_where=sa.text("archived_at IS NULL"), postgresql_nulls_not_distinct=True,
        ),
        sa.CheckConstraint("(kind = 'fixed') = (agreed_amount IS NOT NULL)", name="fee_when_fixed"),
        sa.CheckConstraint("agreed_amount > 0", name="agreed_amount"),
        sa.CheckConstraint("drawn >= 0 AND drawn <= coalesce(agreed_amount, 0)", name="drawn"),
    )

    @property
    def left(self) -> Decimal:
        """Of a fixed fee what no draft or standing bill takes yet."""
        return (self.agreed_amount or Decimal(0)) - self.drawn


def in_force(arrangements: Sequence[Arrangement], on: dt.date) -> Arrangement:
    """Of one engagement's standing arrangements the one that work of that day is billed by."""
    begun = [each for each in arrangements if each.from_on is None or each.from_on <= on]
    return max(begun, key=lambda each: each.from_on or dt.date.min)


class Wall(MadeOnce, Base):
    """One person kept away from one client or engagement, whatever their role."""

    __tablename__ = "wall"

    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("person.id"))
    client_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("client.id"))
    engagement_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("engagement.id"))
    reason: Mapped[str]
    created_at: Mapped[dt.datetime]

    __table_args__ = (
        sa.UniqueConstraint("person_id", "client_id", "engagement_id", postgresql_nulls_not_distinct=True),
        sa.CheckConstraint("(client_id IS NULL) <> (engagement_id IS NULL)", name="one_side"),
    )


class ContactSession(HasId, Base):
    """A contact's browser. With `request_id` it came by a request link: low assurance, that request only."""

    __tablename__ = "contact_session"

    contact_id: Mapped[UUID] = mapped_column(sa.ForeignKey("contact.id"))
    request_id: Mapped[UUID | None]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[dt.datetime]
    last_seen_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    revoked_at: Mapped[dt.datetime | None]
    address: Mapped[str] = mapped_column(default="")
    agent: Mapped[str] = mapped_column(default="")

    __table_args__ = (sa.Index("ix_contact_session_contact_id", "contact_id"),)


class ContactLink(HasId, Base):
    """A sign-in link for the portal: fifteen minutes, once. GET shows a button, POST uses it up."""

    __tablename__ = "contact_link"

    contact_id: Mapped[UUID] = mapped_column(sa.ForeignKey("contact.id"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    used_at: Mapped[dt.datetime | None]
