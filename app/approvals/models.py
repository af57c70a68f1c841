"""Limits of approval, and approvals: what was asked, by whom, and what was decided about it."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.clients.models import Client
from app.core.db import Base, Currency, MadeOnce
from app.core.permissions import Role
from app.firm.models import Entity
from app.people.models import Person


class ApprovalKind(enum.StrEnum):
    """What is approved. A room above says what each of them means (`approvals/kinds.py`)."""

    BILL = "bill"
    WRITE_OFF = "write_off"
    FEE = "fee"  # less than was agreed; before the limit for write-offs, for it gives up as they do

    @property
    def words(self) -> str:
        return {"bill": "Bills", "write_off": "Write-offs", "fee": "Lower fees"}[self.value]


LIMITED = (ApprovalKind.BILL, ApprovalKind.WRITE_OFF)


class Decision(enum.StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class ApprovalLimit(MadeOnce, Base):
    """Up to how much a permission role, or one person, decides alone, from a day on; `amount` None is no limit.

    In the base currency of its entity. A person's own counts before their role's. Never changed, only withdrawn.
    """

    __tablename__ = "approval_limit"

    entity_id: Mapped[UUID] = mapped_column(sa.ForeignKey("entity.id"))
    kind: Mapped[ApprovalKind]
    role: Mapped[Role | None]
    person_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    amount: Mapped[Decimal | None]
    from_on: Mapped[dt.date]
    set_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    created_at: Mapped[dt.datetime]
    withdrawn_at: Mapped[dt.datetime | None]
    withdrawn_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))

    entity: Mapped[Entity] = relationship(lazy="raise")
    person: Mapped[Person | None] = relationship(foreign_keys=[person_id], lazy="raise")

    __table_args__ = (
        sa.CheckConstraint("num_nonnulls(role, person_id) = 1", name="role_or_person"),
        sa.CheckConstraint("amount >= 0", name="amount"),
        sa.CheckConstraint("kind <> 'fee'", name="kind"),
        sa.Index(
            "uq_approval_limit_from_on", "entity_id", "kind", "role", "person_id", "from_on", unique=True,
            postgresql_where=sa.text("withdrawn_at IS NULL"), postgresql_nulls_not_distinct=True,
        ),
    )


class Approval(MadeOnce, Base):
    """What was asked and decided about one thing: its amount and a digest of all that is approved of it.

    `amount` is judged against the limit of its kind, `written_off` (what is given up with it) against the one for
    write-offs; `base_amount` and `written_off_base` say both in the entity's currency, None where no exchange rate
    did. While it is pending the limits are those of who asked, afterwards of who decided; None is no limit.
    `second_person`: whoever asked could not have decided it alone. A decided row never changes.
    """

    __tablename__ = "approval"

    kind: Mapped[ApprovalKind]
    subject_id: Mapped[UUID]
    entity_id: Mapped[UUID] = mapped_column(sa.ForeignKey("entity.id"))
    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    client_ids: Mapped[list[UUID]] = mapped_column(sa.ARRAY(sa.Uuid()))
    engagement_ids: Mapped[list[UUID]] = mapped_column(sa.ARRAY(sa.Uuid()))
    currency: Mapped[Currency]
    base_currency: Mapped[Currency]
    amount: Mapped[Decimal]
    base_amount: Mapped[Decimal | None]
    limit_amount: Mapped[Decimal | None]
    written_off: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    written_off_base: Mapped[Decimal | None]
    written_off_limit: Mapped[Decimal | None]
    second_person: Mapped[bool]
    digest: Mapped[bytes]
    facts: Mapped[dict[str, Any] | None]
    reason: Mapped[str] = mapped_column(default="", server_default="")
    asked_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    asked_at: Mapped[dt.datetime]
    decision: Mapped[Decision]
    decided_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    decided_role: Mapped[str] = mapped_column(default="", server_default="")
    decided_at: Mapped[dt.datetime | None]
    decided_on: Mapped[dt.date | None]
    word: Mapped[str] = mapped_column(default="", server_default="")

    client: Mapped[Client] = relationship(lazy="raise")
    asker: Mapped[Person | None] = relationship(foreign_keys=[asked_by], lazy="raise")
    decider: Mapped[Person | None] = relationship(foreign_keys=[decided_by], lazy="raise")

    __table_args__ = (
        sa.CheckConstraint("amount >= 0 AND written_off >= 0", name="amounts"),
        sa.CheckConstraint(
            "(decision = 'pending') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_on IS NULL)",
            name="decided",
        ),
        # Above their own limit nobody decides what they asked for themselves.
        sa.CheckConstraint(
            "decision <> 'approved' OR NOT second_person OR (decided_by IS NOT NULL AND asked_by IS NOT NULL "
            "AND decided_by <> asked_by)",
            name="second_person",
        ),
        # Whoever approves is within their limits; whoever is not has to ask somebody else.
        sa.CheckConstraint(
            "decision NOT IN ('approved', 'pending') OR (decision = 'pending' AND second_person) OR ("
            "(limit_amount IS NULL OR (base_amount IS NOT NULL AND base_amount <= limit_amount)) AND "
            "(written_off = 0 OR written_off_limit IS NULL OR "
            "(written_off_base IS NOT NULL AND written_off_base <= written_off_limit)))",
            name="within_limits",
        ),
        sa.CheckConstraint("decision <> 'declined' OR word <> ''", name="declined_with_a_word"),
        sa.Index(
            "uq_approval_pending", "kind", "subject_id", unique=True,
            postgresql_where=sa.text("decision = 'pending'"),
        ),
        sa.Index("ix_approval_subject_id", "subject_id", "asked_at"),
        sa.Index("ix_approval_asked_by", "asked_by", "asked_at"),
    )
