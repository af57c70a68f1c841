"""Dividing an entry in two: what is charged and what it is worth are divided, not rounded again."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from app.activity.commands import record
from app.core import clock
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.money import round_amount
from app.core.permissions import authorize
from app.ledger.books import Books, books_of
from app.ledger.commands import post
from app.ledger.models import TransactionKind
from app.timekeeping.commands.entries import topics_of
from app.timekeeping.commands.figures import settle
from app.timekeeping.commands.locks import lock, refuse_locked
from app.timekeeping.commands.wip import place_of, wip_legs
from app.timekeeping.models import TimeEntry
from app.timekeeping.policy import can_edit_item

SHARED = (
    "client_id",
    "engagement_id",
    "job_id",
    "task_id",
    "person_id",
    "worked_on",
    "billable",
    "currency",
    "rounding",
    "rate",
    "rate_source",
    "rate_id",
    "work_role",
    "activity",
    "state",
    "hold_reason",
)


def split_entry(entry: TimeEntry, new_id: UUID, taken: dt.timedelta, *, by: Actor, narrative: str = "") -> TimeEntry:
    """Take part of an unbilled entry into a second one. The same id again gives the part that is there."""
    authorize(by, can_edit_item, entry)
    with transaction() as session:
        lock(entry)
        existing = session.get(TimeEntry, new_id)
        if existing is not None:
            return existing
        refuse_locked(entry)
        if not dt.timedelta() < taken < entry.recorded:
            raise Refused("The part must be shorter than the whole and longer than nothing.", field="taken")
        worth, written, books = entry.value, entry.written, books_of(entry.engagement_id)
        part = _take(entry, new_id, taken, narrative)
        session.add(part)
        session.flush()
        if entry.billable:
            _share(TransactionKind.TRANSFERRED, entry, part, worth - entry.value, entry.worked_on, by=by, books=books)
        kind = TransactionKind.WRITTEN_OFF if written < 0 else TransactionKind.WRITTEN_ON
        _share(kind, entry, part, written - entry.written, clock.today(), by=by, books=books)
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


def _share(
    kind: TransactionKind, entry: TimeEntry, part: TimeEntry, amount: Decimal, on: dt.date, *, by: Actor, books: Books
) -> None:
    """Move a figure's share from the entry to its part, so that each item's figures equal its postings."""
    legs = [*wip_legs(replace(place_of(entry), amount=-amount)), *wip_legs(replace(place_of(part), amount=amount))]
    post(kind, legs, by=by, currency=entry.currency, books=books, source=entry, happened_on=on, reason="split")


def _take(entry: TimeEntry, new_id: UUID, taken: dt.timedelta, narrative: str) -> TimeEntry:
    """The part as a row of its own. What bills took stays with the entry that they name."""
    share = Decimal(taken.total_seconds()) / Decimal(entry.recorded.total_seconds())
    charged = dt.timedelta(seconds=round(Decimal(entry.charged.total_seconds()) * share))
    worth, written = (round_amount(figure * share, entry.currency) for figure in (entry.value, entry.written))
    with db.session.no_autoflush:
        entry.recorded -= taken
        entry.charged -= charged
        entry.value -= worth
        entry.written -= written
        settle(entry)
        entry.version += 1
    part = TimeEntry(
        id=new_id,
        split_from_id=entry.id,
        recorded=taken,
        charged=charged,
        narrative=narrative or entry.narrative,
        value=worth,
        written=written,
        **{name: getattr(entry, name) for name in SHARED},
    )
    settle(part)
    return part
