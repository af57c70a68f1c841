"""More time on a day than it has: said, not refused, for the day may be the wrong one or two things may have been done
at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from app.core import clock
from app.core.actors import Actor
from app.core.clock import now, today
from app.core.durations import format_duration
from app.timekeeping.models import TimeEntry
from app.timekeeping.queries import sum_by_day

DAY = dt.timedelta(hours=24)


def too_much(day: dt.date, recorded: dt.timedelta) -> str:
    """What is odd about so much time on a day: more than a day has, or than today has had; empty where nothing is."""
    if recorded > DAY:
        return f"{format_duration(recorded)} on {day:%-d %B}: a day has 24 hours"
    if day != today():
        return ""
    passed = now() - dt.datetime.combine(day, dt.time(), clock.zone()).astimezone(dt.UTC)
    if recorded <= passed + dt.timedelta(minutes=1):  # a timer's first minute is rounded up
        return ""
    said, had = format_duration(recorded), format_duration(passed)
    return f"{said} today, of which {had} have passed: does some of it overlap?"


def day_note(entries: Iterable[TimeEntry], *, seen_by: Actor) -> str:
    """The same of the days that these entries are on, as far as the viewer sees that person's time."""
    days = {(entry.person_id, entry.worked_on) for entry in entries}
    notes = (
        too_much(day, sum_by_day(person_id, day, day, seen_by=seen_by)[0].recorded) for person_id, day in sorted(days)
    )
    return ". ".join(filter(None, notes))
