"""What happens to WIP before it is billed: hold, transfer, write off, write on; each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from textwrap import shorten
from uuid import UUID

from app.activity.commands import record
from app.billing.commands.items import items_by_id, lock_items, settle_days_of
from app.billing.commands.write_offs import Part, WrittenOff, write_off_parts
from app.billing.policy import can_draft, can_write_off
from app.clients.models import Engagement, EngagementStatus
from app.clients.policy import can_see
from app.core import clock
from app.core.actors import Actor
from app.core.db import transaction
from app.core.errors import NotFound, Refused
from app.core.money import round_amount
from app.core.permissions import authorize
from app.ledger.books import Books, books_of_each
from app.ledger.models import TransactionKind
from app.timekeeping.commands.days import day_of, hold_days, settle_days
from app.timekeeping.commands.entries import add_to_task
from app.timekeeping.commands.figures import settle, topics_left
from app.timekeeping.commands.locks import refuse_closed, refuse_locked
from app.timekeeping.commands.wip import Item, close_wip_in_base, hold_wip, move_wip, place_of
from app.timekeeping.commands.writing import undo_write, write
from app.timekeeping.models import BillTax, Expense, ItemState, TimeEntry
from app.timekeeping.written import Movement, standing_writes


def _fetch(ids: Sequence[UUID], *, by: Actor, moves: bool = False) -> list[Item]:
    """Lock the items; what stands on a bill in part may be held or written off, but moves no more."""
    items = items_by_id(ids, seen_by=by, lock=True)
    if len(items) != len(set(ids)) or not items:
        raise NotFound()
    for item in items.values():
        (refuse_locked if moves else refuse_closed)(item)
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
            item.hold_reason = reason
            settle(item)
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
            item.hold_reason = ""
            settle(item)
            item.version += 1
            record("billing.wip.release", item, by=by, amount=item.open_value, currency=item.currency, topics=("wip",))
        return len(held)


def transfer_items(ids: Sequence[UUID], engagement_id: UUID, reason: str, *, by: Actor) -> int:
    """Move WIP to another engagement at the value it has. Currencies must agree. The job link is left behind.

    Where a day's time is rounded as one, the days that it leaves and joins are rounded anew.
    """
    authorize(by, can_draft)
    reason = _reason(reason)
    with transaction() as session:
        target = session.get(Engagement, engagement_id)
        if target is None or not can_see(by, target.client_id, target.id):
            raise NotFound()
        if target.status is EngagementStatus.CLOSED:
            raise Refused(f"“{target.name}” is closed.", field="engagement_id")
        times = [item for item in items_by_id(ids, seen_by=by).values() if isinstance(item, TimeEntry)]
        days = [day_of(each) for each in times]
        days += [day_of(each, engagement_id=target.id, job_id=None) for each in times]
        hold_days(days, times, tasks=())
        items = _fetch(ids, by=by, moves=True)
        books = books_of_each([target.id, *(item.engagement_id for item in items)])
        hold_wip(items, also=target)
        for item in items:
            if item.currency != target.currency:
                raise Refused(
                    f"“{target.name}” is kept in {target.currency}, this time in {item.currency}.",
                    field="engagement_id",
                )
            before, old_job = place_of(item), item.job_id
            if before.engagement_id == target.id:
                continue
            if isinstance(item, Expense) and item.client_id != target.client_id:
                _leave_its_receipt(item)
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
                topics=("wip", f"time:{item.person_id}", *topics_left(before.client_id, old_job, item)),
            )
        session.flush()
        settle_days(days, by=by)
        return len(items)


def _leave_its_receipt(expense: Expense) -> None:
    """A receipt is a document of the client it is about, and evidence for that client alone."""
    if expense.bill_tax is BillTax.DISBURSEMENT:
        raise Refused(
            f"“{shorten(expense.narrative, 60, placeholder='…')}” is a disbursement, its receipt in the name of "
            f"{expense.receipt_name}; say on the expense itself how another client’s bill taxes it.",
            field="engagement_id",
        )
    expense.document_id = None


def write_off_items(
    ids: Sequence[UUID], reason: str, *, by: Actor, percent: Decimal = Decimal(100)
) -> WrittenOff:
    """Write WIP off, wholly or by a percentage; what is above the limit of whoever acts is asked for instead."""
    authorize(by, can_write_off)
    if not 0 < percent <= 100:
        raise Refused("Write off between 0 and 100 %.", field="percent")
    reason = _reason(reason)
    with transaction():
        items = _fetch(ids, by=by)
        authorize(by, can_write_off, *items)
        parts = [Part(item, round_amount(item.open_value * percent / 100, item.currency)) for item in items]
        parts = [part for part in parts if part.amount]
        _refuse_nothing(items, parts, "off")
        return write_off_parts(parts, reason, by=by)


def write_on_items(ids: Sequence[UUID], reason: str, *, by: Actor, percent: Decimal) -> Decimal:
    """Write WIP up by a percentage of what is open. Returns the amount."""
    authorize(by, can_write_off)
    if not 0 < percent <= 1000:
        raise Refused("Write up by more than 0 %.", field="percent")
    reason, total = _reason(reason), Decimal(0)
    with transaction():
        items = _fetch(ids, by=by)
        authorize(by, can_write_off, *items)
        books = books_of_each(item.engagement_id for item in items)
        hold_wip(items)
        for item in items:
            change = round_amount(item.open_value * percent / 100, item.currency)
            if not change:
                continue
            write(item, change, reason, by=by, books=books[item.engagement_id])
            item.written += change
            settle(item)
            item.version += 1
            record(
                "billing.wip.write_on", item, by=by, amount=change, currency=item.currency, reason=reason,
                topics=("wip",),
            )  # fmt: skip
            total += change
        _refuse_nothing(items, total, "up")
    return total


def _refuse_nothing(items: Sequence[Item], found: object, which: str) -> None:
    if all(item.waiting for item in items):
        raise Refused("It waits for a rate and is worth nothing yet; set the rate first.", field="percent")
    if not found:
        raise Refused(
            f"There is nothing to write {which}: {'it has' if len(items) == 1 else 'they have'} nothing open.",
            field="percent",
        )


def take_back(ids: Sequence[UUID], reason: str, *, by: Actor, transaction_id: int | None = None) -> Decimal:
    """Take back what was written off or on items: one transaction of them, or all that stand.

    Each is undone by reversing it, in the open period; the item's state follows. Taken back already, nothing more
    happens. Raises Refused for what a bill wrote off, and where an item would be worth less than nothing.
    Returns the amount.
    """
    authorize(by, can_write_off)
    reason, total = _reason(reason), Decimal(0)
    with transaction():
        lock_items(ids)
        items = items_by_id(ids, seen_by=by)
        if not items or len(items) != len(set(ids)):
            raise NotFound()
        authorize(by, can_write_off, *items.values())
        books = books_of_each(item.engagement_id for item in items.values())
        writes = standing_writes(items)
        hold_wip(list(items.values()), undoing=[each for its in writes.values() for each in its])
        for item in items.values():
            its = [each for each in writes.get(item.id, []) if transaction_id in (None, each.transaction_id)]
            if item.state is not ItemState.WRITTEN_OFF:
                refuse_closed(item)
            elif item.deleted_at is not None:
                raise NotFound()
            if its:
                total += _take_back(item, its, reason, by=by, books=books[item.engagement_id])
        settle_days_of(ids, by=by)
        if not total and transaction_id is None:
            raise Refused("Nothing was written off or on by hand there; what a bill wrote off comes back by crediting.")
    return total


def _take_back(item: Item, writes: Sequence[Movement], reason: str, *, by: Actor, books: Books) -> Decimal:
    if any(each.currency != item.currency for each in writes):
        raise Refused(f"It was written off in {writes[0].currency}, and the entry is in {item.currency} by now.")
    for written in writes:
        undo_write(item, written, reason, by=by, books=books)
    back = -sum((each.amount for each in writes), Decimal(0))
    before = replace(place_of(item), amount=item.open_value + back)
    item.written += back
    settle(item)
    item.version += 1
    # What is not billable has nothing open, whatever was written off it.
    move_wip(
        TransactionKind.REPRICED, item, before, place_of(item), by=by, books=books, on=clock.today(), reason=reason
    )  # fmt: skip
    close_wip_in_base([item], by=by, reason=reason)
    record(
        "billing.wip.take_back", item, by=by, amount=abs(back), off=back > 0, currency=item.currency, reason=reason,
        topics=("wip", f"time:{item.person_id}"),
    )  # fmt: skip
    return abs(back)
