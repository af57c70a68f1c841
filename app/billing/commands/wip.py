"""What happens to WIP before it is billed: hold, transfer, write off, write on; each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from app.activity.commands import record
from app.billing.commands.items import items_by_id
from app.billing.policy import can_draft, can_write_off
from app.clients.models import Engagement, EngagementStatus
from app.clients.policy import can_see
from app.core import clock
from app.core.actors import Actor
from app.core.db import transaction
from app.core.errors import NotFound, Refused
from app.core.money import round_amount
from app.core.permissions import authorize
from app.ledger.books import books_of_each
from app.ledger.commands import post
from app.ledger.models import TransactionKind
from app.timekeeping.commands.entries import add_to_task
from app.timekeeping.commands.figures import settle
from app.timekeeping.commands.locks import refuse_locked
from app.timekeeping.commands.wip import Item, Place, move_wip, place_of, wip_legs
from app.timekeeping.models import ItemState, TimeEntry


def _fetch(ids: Sequence[UUID], *, by: Actor) -> list[Item]:
    items = items_by_id(ids, seen_by=by, lock=True)
    if len(items) != len(set(ids)) or not items:
        raise NotFound()
    for item in items.values():
        refuse_locked(item)
    return list(items.values())


def _reason(reason: str) -> str:
    if not reason.strip():
        raise Refused("Say why; it stays with the amount.", field="reason")
    return reason.strip()


def hold_items(ids: Sequence[UUID], reason: str, *, by: Actor) -> int:
    """Keep items out of every bill until they are released."""
    authorize(by, can_draft)
    reason = _reason(reason)
    with transaction():
        items = _fetch(ids, by=by)
        for item in items:
            item.state, item.hold_reason = ItemState.HELD, reason
            item.version += 1
            record(
                "billing.wip.hold",
                item,
                by=by,
                reason=reason,
                amount=item.open_value,
                currency=item.currency,
                topics=("wip",),
            )
        return len(items)


def release_items(ids: Sequence[UUID], *, by: Actor) -> int:
    authorize(by, can_draft)
    with transaction():
        held = [item for item in _fetch(ids, by=by) if item.state is ItemState.HELD]
        for item in held:
            item.state, item.hold_reason = ItemState.OPEN, ""
            item.version += 1
            record("billing.wip.release", item, by=by, amount=item.open_value, currency=item.currency, topics=("wip",))
        return len(held)


def transfer_items(ids: Sequence[UUID], engagement_id: UUID, reason: str, *, by: Actor) -> int:
    """Move WIP to another engagement at the value it has. Currencies must agree. The job link is left behind."""
    authorize(by, can_draft)
    reason = _reason(reason)
    with transaction() as session:
        target = session.get(Engagement, engagement_id)
        if target is None or not can_see(by, target.client_id, target.id):
            raise NotFound()
        if target.status is EngagementStatus.CLOSED:
            raise Refused(f"“{target.name}” is closed.", field="engagement_id")
        items = _fetch(ids, by=by)
        books = books_of_each([target.id, *(item.engagement_id for item in items)])
        for item in items:
            if item.currency != target.currency:
                raise Refused(
                    f"“{target.name}” is kept in {target.currency}, this time in {item.currency}.",
                    field="engagement_id",
                )
            before = place_of(item)
            if before.engagement_id == target.id:
                continue
            item.client_id, item.engagement_id = target.client_id, target.id
            if isinstance(item, TimeEntry):
                add_to_task(item.task_id, -item.recorded)
            item.job_id = item.task_id = None
            item.version += 1
            move_wip(
                TransactionKind.TRANSFERRED,
                item,
                before,
                place_of(item),
                by=by,
                books=books[target.id],
                books_before=books[before.engagement_id],
                reason=reason,
            )
            record(
                "billing.wip.transfer",
                item,
                by=by,
                reason=reason,
                from_engagement=str(before.engagement_id),
                amount=item.open_value,
                currency=item.currency,
                topics=("wip",),
            )
        return len(items)


def write_off_items(ids: Sequence[UUID], reason: str, *, by: Actor, percent: Decimal = Decimal(100)) -> Decimal:
    """Write WIP off, wholly or by a percentage. Returns the amount."""
    authorize(by, can_write_off)
    if not 0 < percent <= 100:
        raise Refused("Write off between 0 and 100 %.", field="percent")
    return _change(ids, _reason(reason), -percent, by=by)


def write_on_items(ids: Sequence[UUID], reason: str, *, by: Actor, percent: Decimal) -> Decimal:
    """Write WIP up by a percentage of what is open. Returns the amount."""
    authorize(by, can_write_off)
    if not 0 < percent <= 1000:
        raise Refused("Write up by more than 0 %.", field="percent")
    return _change(ids, _reason(reason), percent, by=by)


def _change(ids: Sequence[UUID], reason: str, percent: Decimal, *, by: Actor) -> Decimal:
    kind = TransactionKind.WRITTEN_OFF if percent < 0 else TransactionKind.WRITTEN_ON
    total = Decimal(0)
    with transaction():
        items = _fetch(ids, by=by)
        authorize(by, can_write_off, *items)
        books = books_of_each(item.engagement_id for item in items)
        for item in items:
            change = round_amount(item.open_value * percent / 100, item.currency)
            place = Place(item.client_id, item.engagement_id, item.id, item.worked_on, change, item.currency)
            # Dated in the open period: writing off says something about today, not about the day of the work.
            post(
                kind,
                wip_legs(place),
                by=by,
                currency=item.currency,
                books=books[item.engagement_id],
                source=item,
                happened_on=clock.today(),
                reason=reason,
            )
            item.written += change
            settle(item)
            item.version += 1
            if item.open_value == 0:
                item.state = ItemState.WRITTEN_OFF
            record(
                f"billing.wip.{'write_off' if percent < 0 else 'write_on'}",
                item,
                by=by,
                amount=abs(change),
                currency=item.currency,
                reason=reason,
                topics=("wip",),
            )
            total += abs(change)
    return total
