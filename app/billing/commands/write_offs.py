"""Writing WIP off within one's limits, or asking somebody else to; and doing what was asked once it is approved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.approvals.commands import Matter, Outdated, approve_matter, ask_for_approval, close_pending, pending_for
from app.approvals.limits import judge
from app.approvals.models import Approval, ApprovalKind, Decision
from app.approvals.policy import can_see_approval
from app.billing.commands.giving_up import given_up_today
from app.billing.commands.items import items_by_id
from app.billing.policy import can_write_off
from app.core import clock
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.permissions import authorize
from app.core.wording import amount as said
from app.core.wording import full_day
from app.ledger.books import Books, books_of_each
from app.timekeeping.commands.figures import settle
from app.timekeeping.commands.locks import LOCKED
from app.timekeeping.commands.wip import Item, hold_wip
from app.timekeeping.commands.writing import write
from app.timekeeping.models import WriteOffItem

ZERO = Decimal(0)
KIND = ApprovalKind.WRITE_OFF


@dataclass(frozen=True)
class WrittenOff:
    """What was written off, and what waits for the approval of somebody else; why, as a sentence."""

    done: Decimal
    asked: Decimal
    why: str = ""


@dataclass(frozen=True)
class Part:
    """How much of an item is written off."""

    item: Item
    amount: Decimal


def write_off_parts(parts: Sequence[Part], reason: str, *, by: Actor) -> WrittenOff:
    """Write off what the limits of whoever acts allow, and ask for the rest; the items are locked.

    What is of one entity and currency is one amount before the limit, and so is what they gave up of the same client
    alone today. Raises Refused for what is asked for already.
    """
    authorize(by, can_write_off, *(part.item for part in parts))
    _refuse_asked([part.item.id for part in parts])
    books = books_of_each(part.item.engagement_id for part in parts)
    groups: dict[tuple[UUID, str], list[Part]] = {}
    for part in parts:
        groups.setdefault((books[part.item.engagement_id].entity_id, part.item.currency), []).append(part)
    done, asked, why = dict[UUID, list[Part]](), ZERO, ""
    for (entity_id, currency), group in sorted(groups.items()):
        amount, approval_id = sum((part.amount for part in group), ZERO), new_id()
        before = given_up_today(entity_id, [part.item.client_id for part in group], by=by)
        judged = judge(KIND, entity_id, amount, currency, clock.today(), by=by, before=before)
        matter = _matter(approval_id, entity_id, group, amount, reason)
        if judged.within:
            approve_matter(matter, judged, by=by, asked_by=by.person_id, approval_id=approval_id, tell=False)
            done[approval_id] = group
        else:
            ask_for_approval(matter, judged, by=by, approval_id=approval_id)
            asked, why = asked + amount, why or judged.why_not
    hold_wip([part.item for group in done.values() for part in group])
    for approval_id, group in done.items():
        _post(approval_id, group, reason, books, by=by)
    return WrittenOff(sum((part.amount for group in done.values() for part in group), ZERO), asked, why)


def _refuse_asked(ids: Sequence[UUID]) -> None:
    """An entry waits for one answer at a time."""
    waiting = db.session.scalar(
        sa.select(sa.func.count()).select_from(WriteOffItem)
        .join(Approval, Approval.id == WriteOffItem.approval_id)
        .where(WriteOffItem.item_id.in_(ids), Approval.decision == Decision.PENDING)
    )
    if waiting:
        raise Refused("A write-off of it waits for approval already; withdraw that one first.")


def _matter(approval_id: UUID, entity_id: UUID, parts: Sequence[Part], amount: Decimal, reason: str) -> Matter:
    items = [part.item for part in parts]
    db.session.execute(
        sa.insert(WriteOffItem),
        [
            {
                "approval_id": approval_id, "item_id": part.item.id, "item_kind": part.item.__tablename__,
                "client_id": part.item.client_id, "engagement_id": part.item.engagement_id,
                "open_value": part.item.open_value, "amount": part.amount,
            }
            for part in parts
        ],
    )  # fmt: skip
    return Matter(
        kind=KIND, subject_id=approval_id, entity_id=entity_id, client_id=items[0].client_id,
        client_ids=frozenset(item.client_id for item in items),
        engagement_ids=frozenset(item.engagement_id for item in items), currency=items[0].currency, amount=amount,
        digest=_digest(approval_id, reason), reason=reason,
    )  # fmt: skip


def _digest(approval_id: UUID, reason: str) -> bytes:
    return bytes(db.session.scalar(sa.select(sa.func.digest_of_write_off(approval_id, reason))) or b"")


def _post(
    approval_id: UUID, parts: Sequence[Part], reason: str, books: Mapping[UUID, Books], *, by: Actor
) -> None:
    db.session.flush()
    hold_wip([part.item for part in parts])
    for number, part in enumerate(parts):
        item = part.item
        made = write(item, -part.amount, reason, by=by, books=books[item.engagement_id])
        db.session.execute(
            sa.update(WriteOffItem)
            .where(WriteOffItem.approval_id == approval_id, WriteOffItem.item_id == item.id)
            .values(transaction_id=made)
        )
        item.written -= part.amount
        settle(item)
        item.version += 1
        record(
            "billing.wip.write_off", item, by=by, amount=part.amount, currency=item.currency, reason=reason,
            topics=("wip",), covers=[] if number else [("approval", approval_id), ("write_off", approval_id)],
        )  # fmt: skip


def approve_write_off(approval: Approval, *, by: Actor) -> Decimal:
    """Write off what was asked for. Approved already, nothing more happens.

    Raises Refused above one's own limit and for what one asked for oneself, Outdated when an entry has changed since:
    then the request is closed, and it has to be asked for again. Returns the amount.
    """
    authorize(by, can_write_off)
    authorize(by, can_see_approval, approval)
    try:
        return _approve(approval, by=by)
    except Outdated:
        with transaction():
            items_by_id(_items_of(approval), seen_by=by, lock=True)
            close_pending(KIND, approval.id, "what it was asked for has changed", by=by)
        raise


def _approve(approval: Approval, *, by: Actor) -> Decimal:
    with transaction() as session:
        asked = {row.item_id: row for row in session.scalars(
            sa.select(WriteOffItem).where(WriteOffItem.approval_id == approval.id))}  # fmt: skip
        items = items_by_id(asked, seen_by=by, lock=True)
        if len(items) != len(asked):
            raise NotFound()
        authorize(by, can_write_off, *items.values())
        judged = judge(KIND, approval.entity_id, approval.amount, approval.currency, clock.today(), by=by)
        pending = pending_for(KIND, approval.id)
        session.refresh(approval)
        if pending is None:
            if approval.decision is Decision.APPROVED:
                return approval.amount
            raise Refused(f"It is {approval.decision.value} by now.")
        changed = [words for row in asked.values() if (words := _changed(row, items[row.item_id]))]
        if changed:
            raise Outdated(
                f"It has changed since it was asked for: {'; '.join(changed[:4])}. The request is closed; ask "
                "again for what is open now."
            )
        matter = Matter(
            kind=KIND, subject_id=approval.id, entity_id=approval.entity_id, client_id=approval.client_id,
            client_ids=frozenset(approval.client_ids), engagement_ids=frozenset(approval.engagement_ids),
            currency=approval.currency, amount=approval.amount, digest=_digest(approval.id, approval.reason),
            reason=approval.reason,
        )  # fmt: skip
        approve_matter(matter, judged, by=by, asked_by=approval.asked_by)
        books = books_of_each(item.engagement_id for item in items.values())
        parts = [Part(items[item_id], row.amount) for item_id, row in sorted(asked.items())]
        _post(approval.id, parts, approval.reason, books, by=by)
        return approval.amount


def _changed(row: WriteOffItem, item: Item) -> str:
    """What is not as it was when it was asked for, as old → new."""
    name = f"the entry of {full_day(item.worked_on)}"
    if item.deleted_at is not None:
        return f"{name} was deleted"
    if item.engagement_id != row.engagement_id:
        return f"{name} is on another engagement"
    if item.open_value != row.open_value:
        old, new = said(row.open_value, item.currency), said(item.open_value, item.currency)
        return f"{name}, open {old} → {new} {item.currency}"
    if item.state in LOCKED:
        return f"{name}, open → {item.state.value.replace('_', ' ')}"
    return ""


def _items_of(approval: Approval) -> Sequence[UUID]:
    return db.session.scalars(sa.select(WriteOffItem.item_id).where(WriteOffItem.approval_id == approval.id)).all()


def hold_write_off(approval: Approval, by: Actor) -> Any:
    """Lock what is asked to be written off, before the request is answered."""
    return items_by_id(_items_of(approval), seen_by=by, lock=True)
