"""How what was done to one period of a series is undone."""

from __future__ import annotations

from uuid import UUID

from app.core.actors import Actor
from app.core.errors import Refused
from app.core.undo import way_back
from app.planning.commands.occurrences import change_occurrence, restore_occurrence
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
def set_back(by: Actor, *, occurrence: str, before: dict[str, str], after: str) -> str:
    """`after` is the digest of what was set: the words themselves need not travel twice."""
    row = get_occurrence(UUID(occurrence), seen_by=by)
    if row.by_hand.digest != after:
        raise Refused("It was changed again since; nothing was undone.")
    change_occurrence(row, ByHand.read(before), by=by)
    return f"{row.title} is as it was before"
