"""People, their working hours, sessions, links and tries at signing in."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import CITEXT, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, HasId, HasVersion, MadeOnce
from app.core.finding import found_by, index_of
from app.core.number_format import FORMATS
from app.core.permissions import Role
from app.firm.models import Office


class PersonState(enum.StrEnum):
    INVITED = "invited"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


class Person(MadeOnce, HasVersion, Base):
    """Somebody who works here. `name` is as they write it, `sort_key` as lists sort it.

    `number_format` is a key of FORMATS; without one they write numbers as is usual in their office's country.
    """

    __tablename__ = "person"

    name: Mapped[str]
    sort_key: Mapped[str]
    initials: Mapped[str]
    email: Mapped[str] = mapped_column(CITEXT, unique=True)
    role: Mapped[Role]
    grade: Mapped[str] = mapped_column(default="")
    office_id: Mapped[UUID] = mapped_column(sa.ForeignKey("office.id"))
    state: Mapped[PersonState] = mapped_column(default=PersonState.INVITED)
    password_hash: Mapped[str | None]
    password_changed_at: Mapped[dt.datetime | None]
    totp_secret: Mapped[str | None]
    totp_counter: Mapped[int | None] = mapped_column(sa.BigInteger)
    recovery_hashes: Mapped[list[str] | None]
    number_format: Mapped[str | None]
    preferences: Mapped[dict[str, Any]] = mapped_column(default=dict)
    signed_in_at: Mapped[dt.datetime | None]
    deactivated_at: Mapped[dt.datetime | None]
    found_by: Mapped[str] = found_by("name", "email::text")

    office: Mapped[Office] = relationship(lazy="raise")

    __table_args__ = (
        sa.Index("ix_person_sort_key", "sort_key"),
        index_of("person"),
        sa.CheckConstraint(sa.column("number_format").in_(FORMATS), name="number_format"),
    )


class WorkingPattern(HasId, Base):
    """Hours of a person's week from a date on, Monday first, in minutes a day."""

    __tablename__ = "working_pattern"

    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("person.id"))
    from_on: Mapped[dt.date]
    minutes: Mapped[list[int]] = mapped_column(sa.ARRAY(sa.Integer))

    __table_args__ = (
        sa.UniqueConstraint("person_id", "from_on"),
        sa.CheckConstraint("array_length(minutes, 1) = 7", name="seven_days"),
    )


class LeaveKind(enum.StrEnum):
    """Why somebody is away; shown to themselves and to whoever looks after leave."""

    HOLIDAY = "holiday"
    SICK = "sick"
    PARENTAL = "parental"
    TRAINING = "training"
    OTHER = "other"


_HALVES = (
    "int4range((from_on - DATE '2000-01-01') * 2 + from_midday::int,"
    " (to_on - DATE '2000-01-01') * 2 + 2 - until_midday::int)"
)


class Leave(MadeOnce, HasVersion, Base):
    """Days on which somebody is away, first and last included; half a day where it begins or ends at midday.

    Counted in half days so that a morning and an afternoon of one day do not overlap.
    """

    __tablename__ = "leave"

    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("person.id"))
    kind: Mapped[LeaveKind]
    from_on: Mapped[dt.date]
    to_on: Mapped[dt.date]
    from_midday: Mapped[bool] = mapped_column(default=False)
    until_midday: Mapped[bool] = mapped_column(default=False)
    added_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    cancelled_at: Mapped[dt.datetime | None]

    person: Mapped[Person] = relationship(foreign_keys=[person_id], lazy="raise")

    def share_of(self, day: dt.date) -> float:
        """How much of a day it takes: none, half or all of it."""
        if not self.from_on <= day <= self.to_on:
            return 0.0
        halves = (self.from_midday and day == self.from_on) + (self.until_midday and day == self.to_on)
        return 1.0 - halves / 2

    __table_args__ = (
        sa.Index("ix_leave_person_id", "person_id", "to_on"),
        sa.CheckConstraint("from_on < to_on OR (from_on = to_on AND NOT (from_midday AND until_midday))", name="days"),
        ExcludeConstraint(
            (sa.column("person_id"), "="), (sa.text(_HALVES), "&&"), name="ex_leave_once", using="gist",
            where=sa.text("cancelled_at IS NULL"),
        ),
    )


class PersonSession(HasId, Base):
    """A signed-in browser; revoking the row ends it at the next request. Only the token's hash is kept."""

    __tablename__ = "person_session"

    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("person.id"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[dt.datetime]
    last_seen_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    revoked_at: Mapped[dt.datetime | None]
    second_factor_at: Mapped[dt.datetime | None]
    confirmed_at: Mapped[dt.datetime | None]
    address: Mapped[str] = mapped_column(default="")
    agent: Mapped[str] = mapped_column(default="")

    person: Mapped[Person] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = (sa.Index("ix_person_session_person_id", "person_id"),)


class LinkPurpose(enum.StrEnum):
    INVITE = "invite"
    RESET = "reset"
    SIGN_IN = "sign_in"
    SETUP = "setup"


class PersonLink(HasId, Base):
    """A single-use link by mail: to join, to set a new password, to sign in (development), to set the firm up."""

    __tablename__ = "person_link"

    person_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    purpose: Mapped[LinkPurpose]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    used_at: Mapped[dt.datetime | None]

    person: Mapped[Person | None] = relationship(lazy="joined")

    __table_args__ = (sa.Index("ix_person_link_person_id", "person_id"),)


class SignInAttempt(HasId, Base):
    """A try at signing in, for throttling by account and by address across processes."""

    __tablename__ = "sign_in_attempt"

    at: Mapped[dt.datetime]
    account: Mapped[str]
    address: Mapped[str]
    door: Mapped[str] = mapped_column(default="app")
    succeeded: Mapped[bool]

    __table_args__ = (
        sa.Index("ix_sign_in_attempt_account_at", "account", "at"),
        sa.Index("ix_sign_in_attempt_address_at", "address", "at"),
    )
