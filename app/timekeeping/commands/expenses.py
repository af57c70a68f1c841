"""Expenses: recorded with their tax, marked up or not, billed or not."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.models import Arrangement, Client, Engagement, EngagementStatus
from app.clients.policy import can_see
from app.core import clock
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import check_version, db, transaction
from app.core.errors import NotFound, Refused
from app.core.money import round_amount
from app.core.permissions import authorize
from app.firm.models import Entity
from app.ledger.models import TransactionKind
from app.timekeeping.commands.locks import refuse_locked
from app.timekeeping.commands.wip import move_wip, place_of
from app.timekeeping.models import Expense
from app.timekeeping.policy import can_edit_item, can_record_time


@dataclass(frozen=True, kw_only=True)
class ExpenseFacts:
    """Money laid out: net and its tax in the engagement's currency, mark-up in percent of the net."""

    engagement_id: UUID
    spent_on: dt.date
    net: Decimal
    tax: Decimal = Decimal(0)
    mark_up_percent: Decimal = Decimal(0)
    category: str = ""
    narrative: str = ""
    billable: bool = True
    job_id: UUID | None = None


def _describe(expense: Expense, facts: ExpenseFacts, *, by: Actor) -> str:
    """Fill the expense from what was said; answers the entity's base currency. Raises NotFound, Refused."""
    row = db.session.execute(
        sa.select(Engagement, Entity.currency, Client.is_firm)
        .join(Entity, Entity.id == Engagement.entity_id)
        .join(Client, Client.id == Engagement.client_id)
        .where(Engagement.id == facts.engagement_id)
    ).one_or_none()
    if row is None or not can_see(by, row[0].client_id, row[0].id):
        raise NotFound()
    engagement, base, is_internal = row
    if engagement.status is EngagementStatus.CLOSED:
        raise Refused(f"“{engagement.name}” is closed; reopen it first.", field="engagement_id")
    if facts.net <= 0:
        raise Refused("An expense is more than nothing.", field="net")
    if facts.tax < 0:
        raise Refused("Tax is not below zero.", field="tax")
    if not 0 <= facts.mark_up_percent <= 1000:
        raise Refused("The mark-up lies between 0 and 1000 %.", field="mark_up_percent")
    if facts.spent_on > clock.today():
        raise Refused("An expense is recorded when it has been made.", field="spent_on")
    if not facts.narrative.strip():
        raise Refused("Say what it was for; the client may read it.", field="narrative")
    charges = engagement.arrangement is not Arrangement.NON_BILLABLE and not is_internal
    expense.client_id, expense.engagement_id, expense.job_id = engagement.client_id, engagement.id, facts.job_id
    expense.worked_on, expense.currency = facts.spent_on, engagement.currency
    expense.net, expense.tax = (
        round_amount(facts.net, engagement.currency),
        round_amount(facts.tax, engagement.currency),
    )
    expense.mark_up_percent, expense.category = facts.mark_up_percent, facts.category
    expense.narrative, expense.billable = facts.narrative.strip(), facts.billable and charges
    marked_up = round_amount(expense.net * (1 + facts.mark_up_percent / 100), engagement.currency)
    expense.value = expense.open_value = marked_up if expense.billable else Decimal(0)
    return str(base)


def record_expense(
    expense_id: UUID, facts: ExpenseFacts, *, by: Actor, person_id: UUID | None = None, document_id: UUID | None = None
) -> Expense:
    """Record an expense; a billable one is WIP at net plus mark-up. The same id again gives the one that is there."""
    authorize(by, can_record_time, person_id)
    with transaction() as session:
        existing = session.get(Expense, expense_id)
        if existing is not None:
            return existing
        expense = Expense(id=expense_id, person_id=person_id or by.id, document_id=document_id)
        base = _describe(expense, facts, by=by)
        session.add(expense)
        session.flush()
        move_wip(TransactionKind.RECORDED, expense, None, place_of(expense), by=by, base=base)
        record(
            "timekeeping.expense.record",
            expense,
            by=by,
            net=expense.net,
            value=expense.value,
            currency=expense.currency,
            on=expense.worked_on,
            topics=("wip",),
        )
        return expense


def edit_expense(expense: Expense, facts: ExpenseFacts, *, by: Actor, version: int | None = None) -> Expense:
    """Change or move an unbilled expense."""
    authorize(by, can_edit_item, expense)
    with transaction() as session:
        session.refresh(expense, with_for_update=True)
        refuse_locked(expense)
        check_version(expense, version)
        before, old = place_of(expense), {"net": expense.net, "narrative": expense.narrative}
        base = _describe(expense, facts, by=by)
        moved = before.engagement_id != expense.engagement_id
        kind = TransactionKind.TRANSFERRED if moved else TransactionKind.REPRICED
        move_wip(kind, expense, before, place_of(expense), by=by, base=base)
        record(
            "timekeeping.expense.edit",
            expense,
            by=by,
            before=old,
            after={"net": expense.net, "narrative": expense.narrative},
            topics=("wip",),
        )
        return expense


def delete_expense(expense: Expense, *, by: Actor) -> None:
    """Take an unbilled expense back."""
    authorize(by, can_edit_item, expense)
    with transaction() as session:
        session.refresh(expense, with_for_update=True)
        if expense.deleted_at:
            return
        refuse_locked(expense)
        before = place_of(expense)
        base = session.scalar(
            sa.select(Entity.currency)
            .join(Engagement, Engagement.entity_id == Entity.id)
            .where(Engagement.id == expense.engagement_id)
        )
        expense.mark_deleted(now())
        move_wip(TransactionKind.REPRICED, expense, before, None, by=by, base=str(base), reason="deleted")
        record("timekeeping.expense.delete", expense, by=by, net=expense.net, topics=("wip",))
