"""The movements of an item in the ledger, and which of them still stand and can be taken back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from app.approvals.models import Approval, Decision
from app.approvals.queries import unwalled_approvals
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import db
from app.ledger.models import Account, LedgerTransaction, Posting, TransactionKind
from app.people.models import Person
from app.timekeeping.models import Expense, TimeEntry, WriteOffItem
from app.timekeeping.policy import can_see_rates

WRITTEN = (TransactionKind.WRITTEN_OFF, TransactionKind.WRITTEN_ON)
OWN = (TimeEntry.__tablename__, Expense.__tablename__)


@dataclass(frozen=True)
class Movement:
    """One posting of an item's WIP: what moved it, when, by how much, why, by whom. Amounts are in `currency`."""

    transaction_id: int
    kind: TransactionKind
    posted_on: dt.date
    amount: Decimal
    currency: str
    reason: str
    by: str | None
    reverses: bool
    reversed: bool
    by_bill: bool
    client_id: UUID
    engagement_id: UUID
    item_id: UUID
    aged_on: dt.date

    @property
    def stands(self) -> bool:
        """Whether it was written off or on, by hand, and has not been taken back."""
        return self.kind in WRITTEN and not (self.reverses or self.reversed or self.by_bill)


def movements_of(item: TimeEntry | Expense, *, seen_by: Actor) -> list[Movement]:
    """Everything that moved an item's WIP, oldest first. Takes the permission to see rates."""
    if not can_see_rates(seen_by):
        return []
    return _movements([item.id], *within_sight(seen_by, Posting.client_id, Posting.engagement_id))


def standing_writes(item_ids: Iterable[UUID]) -> dict[UUID, list[Movement]]:
    """What was written off and on these items by hand and still stands, of each the oldest first; for commands."""
    found: dict[UUID, list[Movement]] = {}
    for movement in _movements(list(item_ids), LedgerTransaction.kind.in_(WRITTEN)):
        if movement.stands:
            found.setdefault(movement.item_id, []).append(movement)
    return found


def _movements(item_ids: list[UUID], *conditions: sa.ColumnElement[bool]) -> list[Movement]:
    undoing = aliased(LedgerTransaction)
    rows: Any = db.session.execute(
        sa.select(
            LedgerTransaction.id,
            LedgerTransaction.kind,
            LedgerTransaction.posted_on,
            Posting.amount,
            Posting.currency,
            LedgerTransaction.reason,
            Person.name,
            LedgerTransaction.reverses_id.is_not(None),
            undoing.id.is_not(None),
            LedgerTransaction.source_kind.not_in(OWN),
            Posting.client_id,
            Posting.engagement_id,
            Posting.item_id,
            Posting.aged_on,
        )
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .outerjoin(undoing, undoing.reverses_id == LedgerTransaction.id)
        .outerjoin(Person, Person.id == LedgerTransaction.by_id)
        .where(Posting.item_id.in_(item_ids), Posting.account == Account.WIP, Posting.amount != 0, *conditions)
        .order_by(LedgerTransaction.id, Posting.line)
    ).all()
    return [Movement(*row) for row in rows]


@dataclass(frozen=True)
class Asked:
    """A write-off of an item that waits for approval: how much, who asked for it, and when."""

    approval_id: UUID
    amount: Decimal
    by: str | None
    at: dt.datetime


def asked_write_offs(item_ids: Iterable[UUID], *, seen_by: Actor) -> dict[UUID, Asked]:
    """What of these items waits for the approval of a write-off; takes the permission to see rates."""
    wanted = list(item_ids)
    if not wanted or not can_see_rates(seen_by):
        return {}
    rows = db.session.execute(
        sa.select(WriteOffItem.item_id, Approval.id, WriteOffItem.amount, Person.name, Approval.asked_at)
        .join(Approval, Approval.id == WriteOffItem.approval_id)
        .outerjoin(Person, Person.id == Approval.asked_by)
        .where(
            WriteOffItem.item_id.in_(wanted),
            Approval.decision == Decision.PENDING,
            *unwalled_approvals(seen_by),
            *within_sight(seen_by, WriteOffItem.client_id, WriteOffItem.engagement_id),
        )
    ).all()
    return {row[0]: Asked(*row[1:]) for row in rows}
