"""A job's due date past a deadline that is not met: judged here alone, whatever moves the date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.core.errors import Refused
from app.core.wording import day
from app.jobs.dates import DeadlineDate, JobDates, Move, Part


@dataclass(frozen=True)
class Overrun:
    """A due date, old → new, and the deadlines, by name with their days, that it would pass."""

    before: dt.date | None
    after: dt.date
    passed: tuple[tuple[str, dt.date], ...]

    @property
    def words(self) -> str:
        names = ", ".join(f"“{name}” on {day(on)}" for name, on in self.passed[:3])
        return f"{day(self.before) or 'no date'} → {day(self.after)} is past {names}"


def overrun_of(before: JobDates, after: JobDates, moves: Sequence[Move]) -> Overrun | None:
    """What the due date passes as it stands after a change and what moves with it.

    A date that a person sets is asked about each time it goes further past a deadline; one that follows a rule only
    where it was not past that deadline before: a job may go on after a deadline that one of its steps meets.
    """
    due_on, deadlines = _as_moved(after, moves)
    if due_on is None or (before.due_on is not None and due_on <= before.due_on):
        return None
    by_hand = after.due_on != before.due_on
    were_past = {each.id for each in before.deadlines if before.due_on is not None and before.due_on > each.due_on}
    passed = sorted(
        (on, each.name) for each, on in deadlines if due_on > on and (by_hand or each.id not in were_past)
    )
    return Overrun(before.due_on, due_on, tuple((name, on) for on, name in passed)) if passed else None


def is_past(after: JobDates, moves: Sequence[Move]) -> bool:
    """Whether the due date is past a deadline that is not met, however it came there."""
    due_on, deadlines = _as_moved(after, moves)
    return due_on is not None and any(due_on > on for _each, on in deadlines)


def _as_moved(dates: JobDates, moves: Sequence[Move]) -> tuple[dt.date | None, list[tuple[DeadlineDate, dt.date]]]:
    days = {(move.part, move.id): move.after for move in moves if not move.is_locked}
    deadlines = [(each, days.get((Part.DEADLINE, each.id)) or each.due_on) for each in dates.deadlines if each.is_unmet]
    return days.get((Part.JOB, dates.id)) or dates.due_on, deadlines


def passed_by(
    due_on: dt.date | None, before: dt.date | None, deadlines: Mapping[str, dt.date]
) -> Overrun | None:
    """The same of a job that is still to be made: its deadlines by name, its due date, and what its rule says."""
    if due_on is None or (before is not None and due_on <= before):
        return None
    passed = tuple(sorted(((name, on) for name, on in deadlines.items() if due_on > on), key=lambda one: one[1]))
    return Overrun(before, due_on, passed) if passed else None


def check_reason(overrun: Overrun | None, because: str, *, field: str = "because") -> str:
    """The reason for it, empty where none is needed; refused where one is needed and not given."""
    if overrun is None:
        return ""
    if not because.strip():
        raise Refused(f"{overrun.words}. Say why the job may be due later than that.", field=field)
    return because.strip()
