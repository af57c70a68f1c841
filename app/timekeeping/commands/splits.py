"""Dividing an entry in two: what is charged and what it is worth are divided, not rounded again."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from app.activity.commands import record
from app.core.actors import Actor
from app.core.db import transaction
from app.core.errors import Refused
from app.core.money import round_amount
from app.core.permissions import authorize
from app.ledger.models import TransactionKind
from app.timekeeping.commands.entries import topics_of
from app.timekeeping.commands.locks import lock, refuse_locked
from app.timekeeping.commands.valuing import base_of
from app.timekeeping.commands.wip import move_wip, place_of
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
        before = place_of(entry)
        part = _take(entry, new_id, taken, narrative)
        session.add(part)
        session.flush()
        base = base_of(entry.engagement_id)
        move_wip(TransactionKind.TRANSFERRED, entry, before, place_of(entry), by=by, base=base)
        move_wip(TransactionKind.TRANSFERRED, part, None, place_of(part), by=by, base=base)
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


def _take(entry: TimeEntry, new_id: UUID, taken: dt.timedelta, narrative: str) -> TimeEntry:
    share = Decimal(taken.total_seconds()) / Decimal(entry.recorded.total_seconds())
    charged = dt.timedelta(seconds=round(Decimal(entry.charged.total_seconds()) * share))
    worth = round_amount(entry.value * share, entry.currency)
    still_open = round_amount(entry.open_value * share, entry.currency)
    entry.recorded -= taken
    entry.charged -= charged
    entry.value -= worth
    entry.open_value -= still_open
    written = entry.value_when_deleted
    kept = round_amount(written * share, entry.currency) if written else None
    if written and kept:
        entry.value_when_deleted = written - kept
    entry.version += 1
    return TimeEntry(
        id=new_id,
        split_from_id=entry.id,
        recorded=taken,
        charged=charged,
        narrative=narrative or entry.narrative,
        value=worth,
        open_value=still_open,
        value_when_deleted=kept,
        **{name: getattr(entry, name) for name in SHARED},
    )
