"""Dividing an entry in two, and putting the part back: what is charged and what it is worth are divided, not rounded
again, and what was written on or off goes with its part."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from app.activity.commands import record
from app.core import clock
from app.core.actors import Actor
from app.core.db import transaction
from app.core.errors import Refused
from app.core.money import round_amount
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.ledger.books import books_of
from app.ledger.commands import post
from app.ledger.models import TransactionKind
from app.timekeeping.commands.days import day_of, hold_days
from app.timekeeping.commands.figures import settle, topics_of
from app.timekeeping.commands.locks import refuse_locked
from app.timekeeping.commands.wip import close_wip_in_base, hold_wip, place_of, taken_out, wip_legs
from app.timekeeping.commands.writing import undo_write, write
from app.timekeeping.models import TimeEntry
from app.timekeeping.policy import can_edit_item
from app.timekeeping.written import standing_writes

PLACE = ("client_id", "engagement_id", "job_id", "task_id", "person_id", "worked_on")
SHARED = (
    *PLACE, "billable", "waiting", "currency", "rounding", "rate", "rate_source", "rate_id", "work_role", "activity",
    "hold_reason",
)  # fmt: skip
LONGEST = dt.timedelta(hours=24)


def split_entry(entry: TimeEntry, new_id: UUID, taken: dt.timedelta, *, by: Actor, narrative: str = "") -> TimeEntry:
    """Take part of an unbilled entry into a second one. The same id with the same facts gives the part
    that is there."""
    authorize(by, can_edit_item, entry)
    with transaction() as session:
        said = digest_of(entry.id, taken, narrative)
        existing = made_before(TimeEntry, new_id, said, seen=lambda row: row.split_from_id == entry.id)
        if existing is not None:
            return existing
        hold_days([day_of(entry)], [entry])
        refuse_locked(entry)
        if not dt.timedelta() < taken < entry.recorded:
            raise Refused("The part must be shorter than the whole and longer than nothing.", field="taken")
        share = Decimal(int(taken.total_seconds())) / Decimal(int(entry.recorded.total_seconds()))
        part = TimeEntry(
            id=new_id,
            split_from_id=entry.id,
            made_from=said,
            recorded=taken,
            charged=dt.timedelta(seconds=round(Decimal(int(entry.charged.total_seconds())) * share)),
            narrative=narrative or entry.narrative,
            value=round_amount(entry.value * share, entry.currency),
            **{name: getattr(entry, name) for name in SHARED},
        )
        part.written = _divide(entry, part, share, by=by)
        settle(part)
        entry.recorded -= taken
        entry.charged -= part.charged
        entry.value -= part.value
        entry.written -= part.written
        settle(entry)
        entry.version += 1
        session.add(part)
        session.flush()
        record(
            "timekeeping.entry.split",
            entry,
            by=by,
            into=str(part.id),
            seconds=taken,
            on=entry.worked_on,
            topics=topics_of(entry),
        )
        return part


def _divide(entry: TimeEntry, part: TimeEntry, share: Decimal, *, by: Actor) -> Decimal:
    """Post the part's share of the value, and each write-off that stands as two; returns what of them goes along."""
    books = books_of(entry.engagement_id)
    writes = standing_writes([entry.id]).get(entry.id, [])
    hold_wip([entry], undoing=writes)
    shares = _shares([each.amount for each in writes], share, entry.currency)
    for written, its in zip(writes, shares, strict=True):
        undo_write(entry, written, "divided", by=by, books=books)
        write(entry, written.amount - its, written.reason, by=by, books=books)
    given = sum(shares, Decimal(0))
    # What is not billable has nothing open, whatever is written on or off it: then that is moved back.
    _transfer(entry, part, part.value if entry.billable else -given, by=by)
    for written, its in zip(writes, shares, strict=True):  # of the part, once it stands there
        write(part, its, written.reason, by=by, books=books)
    close_wip_in_base([entry, part], by=by, reason="divided")
    return given


def _shares(amounts: Sequence[Decimal], share: Decimal, currency: str) -> list[Decimal]:
    """A share of each amount. The running sum is rounded, not each: no part then has more written off than it is
    worth."""
    shares, total, given = [], Decimal(0), Decimal(0)
    for amount in amounts:
        total += amount
        shares.append(round_amount(total * share, currency) - given)
        given += shares[-1]
    return shares


def _transfer(one: TimeEntry, other: TimeEntry, amount: Decimal, *, by: Actor) -> None:
    """Move value from one entry to another at the same place, at what it stands at in base."""
    books = books_of(one.engagement_id)
    worth = taken_out(place_of(one), amount, books=books, on=one.worked_on)
    base = worth.base if worth else None
    post(
        TransactionKind.TRANSFERRED,
        [
            *wip_legs(replace(place_of(one), amount=-amount), None if base is None else -base),
            *wip_legs(replace(place_of(other), amount=amount), base),
        ],
        by=by,
        currency=one.currency,
        books=books,
        source=one,
        happened_on=one.worked_on,
        reason="divided",
        rate=worth.rate if worth else None,
    )


def rejoin_entry(part: TimeEntry, *, by: Actor) -> TimeEntry:
    """Put a part back into the entry that it was taken from, with its time, value and write-offs; undoes a split.

    Pressed twice, nothing more happens. Raises Refused when either has changed place or has gone onto a bill since.
    """
    authorize(by, can_edit_item, part)
    with transaction() as session:
        if part.split_from_id is None:
            raise Refused("It was not taken from another entry.")
        whole = session.get_one(TimeEntry, part.split_from_id)
        hold_days([day_of(part)], [part, whole])
        if part.rejoined_at is not None:
            return whole
        refuse_locked(part)
        if whole.deleted_at is not None:
            raise Refused("The entry it was taken from is deleted; restore that one first.")
        refuse_locked(whole)
        same = (*PLACE, "billable", "currency", "rate", "rounding", "hold_reason")
        if any(getattr(part, name) != getattr(whole, name) for name in same):
            raise Refused("It is no longer for the same work, day and rate as the entry it was taken from.")
        if part.recorded + whole.recorded > LONGEST:
            raise Refused("Together they are longer than a day.")
        books, recorded = books_of(part.engagement_id), part.recorded
        writes = standing_writes([part.id]).get(part.id, [])
        hold_wip([part], undoing=writes)
        _transfer(part, whole, part.value if part.billable else -part.written, by=by)
        for written in writes:
            undo_write(part, written, "put back", by=by, books=books)
            write(whole, written.amount, written.reason, by=by, books=books)
        close_wip_in_base([part, whole], by=by, reason="put back")
        whole.recorded += part.recorded
        whole.charged += part.charged
        whole.value += part.value
        whole.written += part.written
        settle(whole)
        whole.version += 1
        part.rejoined_at = part.deleted_at = clock.now()
        part.charged, part.value, part.written = dt.timedelta(), Decimal(0), Decimal(0)
        settle(part)
        part.version += 1
        session.flush()
        record(
            "timekeeping.entry.rejoin",
            whole,
            by=by,
            part=str(part.id),
            seconds=recorded,
            on=whole.worked_on,
            topics=topics_of(whole),
        )
        return whole
