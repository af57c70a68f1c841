"""How what was done to one period of a series is undone."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from app.core.actors import Actor
from app.core.errors import Refused
from app.core.undo import way_back
from app.planning.commands.occurrences import restore_occurrence, set_days
from app.planning.models import ByHand, OccurrenceState
from app.planning.queries import get_occurrence


@way_back("planning.occurrence.skip")
def unskip(by: Actor, *, occurrence: str) -> str:
    row = get_occurrence(UUID(occurrence), seen_by=by)
    if row.state is not OccurrenceState.SKIPPED:
        raise Refused("It is not skipped any more; nothing was undone.")
    restore_occurrence(row, by=by)
    return f"{row.title} is back"


@way_back("planning.occurrence.set")
def set_back(by: Actor, *, occurrence: str, before: list[str], after: list[str]) -> str:
    row = get_occurrence(UUID(occurrence), seen_by=by)
    if row.by_hand != _read(after):
        raise Refused("Its days were set anew since; nothing was undone.")
    set_days(row, _read(before), by=by)
    return f"{row.title} has its days from before"


def _read(days: list[str]) -> ByHand:
    starts_on, due_on = (dt.date.fromisoformat(each) if each else None for each in days)
    return ByHand(starts_on, due_on)
