"""Why a job is late, in words."""

from __future__ import annotations

import datetime as dt

from app.core.clock import today
from app.core.wording import day, distance


def late_words(due_on: dt.date | None, deadline_on: dt.date | None, deadline_name: str) -> str:
    """What has passed: the deadline first, for the law does not wait. Nothing while nothing has."""
    on = today()
    if deadline_on is not None and deadline_on < on:
        return f"“{deadline_name}” was due {distance(deadline_on, on)}"
    if due_on is not None and due_on < on:
        return f"was due {distance(due_on, on)}"
    return ""


def next_words(due_on: dt.date | None, deadline_on: dt.date | None, deadline_name: str) -> str:
    """Which deadline comes before the job's own due date, if one does."""
    if deadline_on is None or (due_on is not None and due_on <= deadline_on):
        return ""
    return f"“{deadline_name}” is due {day(deadline_on)}"
