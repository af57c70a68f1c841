"""The dates of a job as one computation: what they count from, the rules over it, and what a change would move.

Pure: what is known of a job comes in as `JobDates`, a cause makes another of it, `difference` says old → new for every
date that follows. Preview and doing read the same list.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from app.catalogue.due_rules import BadDueRule, DueRule, MissingAnchor, resolve, resolve_all
from app.catalogue.statutory import UnknownRule, compute
from app.core.wording import day
from app.firm.calendars import WorkingCalendar, calendar_for

FOLLOWS_JOB = DueRule("job_due")
Found = dict[tuple[str, str], dt.date | None]


@dataclass(frozen=True)
class StepDate:
    """A step: its rule, if it has one, and the day it is due. `key` is the template's, or its id where it has none."""

    id: UUID
    key: str
    name: str
    due_on: dt.date | None
    rule: DueRule | None = None
    is_locked: bool = False
    is_open: bool = True
    done_on: dt.date | None = None


@dataclass(frozen=True)
class DeadlineDate:
    """A deadline. It is `fixed` once it is met or waived, extended, or set by hand: then nothing moves it but a person.

    `trigger` gives the day that the rule counts from, unless that day was set by hand.
    """

    id: UUID
    code: str
    name: str
    due_on: dt.date
    rule: str = ""
    trigger: DueRule | None = None
    trigger_on: dt.date | None = None
    is_trigger_locked: bool = False
    is_fixed: bool = False
    edition: str = ""
    is_unmet: bool = True


class Part(StrEnum):
    """Whose date it is: the job's, a deadline's, a step's; when a client is asked, and by when for an answer."""

    JOB = "job"
    DEADLINE = "deadline"
    STEP = "step"
    ASKING = "asking"
    ANSWER = "answer"


Finds = Callable[[Mapping[str, dt.date], WorkingCalendar], dt.date | None]


@dataclass(frozen=True)
class OtherDate:
    """A date of another room that follows the job's: `find` gives it from what is known by name."""

    part: Part
    id: UUID
    name: str
    due_on: dt.date | None
    find: Finds
    is_locked: bool = False


@dataclass(frozen=True)
class JobDates:
    """Everything that the dates of one job follow from. `anchors` are those by their own name: `job_start`, …"""

    id: UUID
    anchors: Mapping[str, dt.date]
    calendar: WorkingCalendar
    due_on: dt.date | None = None
    due_rule: DueRule | None = None
    is_due_locked: bool = False
    steps: Sequence[StepDate] = ()
    deadlines: Sequence[DeadlineDate] = ()
    others: Sequence[OtherDate] = ()
    region: str = ""


@dataclass(frozen=True)
class Move:
    """One date, old → new. A locked one stays: `after` is what its rule would say."""

    part: Part
    id: UUID
    name: str
    before: dt.date | None
    after: dt.date | None
    is_locked: bool = False

    @property
    def words(self) -> str:
        return f"{self.name}: {day(self.before) or 'no date'} → {day(self.after) or 'no date'}"


class Cause(Protocol):
    """What somebody changes. Everything else follows."""

    def change(self, dates: JobDates) -> JobDates: ...


@dataclass(frozen=True)
class DueMoved:
    """The job's own due date was set by hand."""

    due_on: dt.date | None

    def change(self, dates: JobDates) -> JobDates:
        return replace(dates, due_on=self.due_on, is_due_locked=True)


@dataclass(frozen=True)
class AnchorsMoved:
    """What the job counts from is another day: its start, its period, a date that its template names."""

    anchors: Mapping[str, dt.date | None] = field(default_factory=dict)

    def change(self, dates: JobDates) -> JobDates:
        known = {**dates.anchors, **self.anchors}
        return replace(dates, anchors={name: day for name, day in known.items() if day is not None})


@dataclass(frozen=True)
class DeadlineMoved:
    """A deadline has another day: extended by the authority, or put right."""

    id: UUID
    due_on: dt.date

    def change(self, dates: JobDates) -> JobDates:
        return _with_deadline(dates, self.id, due_on=self.due_on, is_fixed=True)


@dataclass(frozen=True)
class TriggerMoved:
    """The day that a deadline counts from (of service, of the decision) was another one."""

    id: UUID
    trigger_on: dt.date

    def change(self, dates: JobDates) -> JobDates:
        return _with_deadline(dates, self.id, trigger_on=self.trigger_on, is_trigger_locked=True, is_fixed=False)


@dataclass(frozen=True)
class EditionChanged:
    """The law is read anew: deadlines of a rule count by another edition of it."""

    rule: str
    edition: str

    def change(self, dates: JobDates) -> JobDates:
        changed = [replace(each, edition=self.edition) if each.rule == self.rule else each for each in dates.deadlines]
        return replace(dates, deadlines=changed)


@dataclass(frozen=True)
class DayOff:
    """A day is worked no more, or is worked again, where the job's days are counted."""

    on: dt.date
    closed: bool = True

    def change(self, dates: JobDates) -> JobDates:
        kept = dates.calendar.closures - {self.on}
        return replace(dates, calendar=calendar_for(
            dates.calendar.id, closures=kept | {self.on} if self.closed else kept, observed=dates.calendar.observed
        ))


def follow(dates: JobDates, *causes: Cause) -> list[Move]:
    """What moves when these things change, and no date that has merely drifted from its rule for another reason."""
    return difference(dates, changed_by(dates, causes))


def changed_by(dates: JobDates, causes: Sequence[Cause]) -> JobDates:
    """As they stand once these things are changed, before anything follows."""
    for cause in causes:
        dates = cause.change(dates)
    return dates


def drifted(dates: JobDates) -> list[Move]:
    """Every date that is not what its rule says today: the calendar has changed since, or somebody set it by hand."""
    return _moves(dates, {})


def difference(before: JobDates, after: JobDates) -> list[Move]:
    """Old → new: the dates that the rules give otherwise after than before, and that are not there already."""
    return _moves(after, _computed(before))


def _moves(after: JobDates, was: Found) -> list[Move]:
    found = _computed(after)
    moves = []
    for part, key, id_, name, old, locked in _parts(after):
        new = found.get((part, key))
        if new is None or new == old or ((part, key) in was and was[part, key] == new):
            continue
        moves.append(Move(part, id_, name, old, new, locked))
    return moves


def _parts(dates: JobDates) -> list[tuple[Part, str, UUID, str, dt.date | None, bool]]:
    job = [(Part.JOB, "", dates.id, "The job", dates.due_on, dates.is_due_locked)]
    return [
        *job,
        *((Part.DEADLINE, str(each.id), each.id, each.name, each.due_on, False) for each in dates.deadlines),
        *((Part.STEP, step.key, step.id, step.name, step.due_on, step.is_locked) for step in dates.steps
          if step.is_open),
        *((each.part, str(each.id), each.id, each.name, each.due_on, each.is_locked) for each in dates.others),
    ]


def _computed(dates: JobDates) -> Found:
    """By whose date it is: what the rules say. For what is locked too, though nothing else counts from that."""
    known: dict[str, dt.date] = dict(dates.anchors)
    found: Found = {}
    for each in dates.deadlines:
        legal = each.due_on if each.is_fixed else _statutory(each, known, dates)
        known[f"deadline:{each.code}"] = found[Part.DEADLINE, str(each.id)] = legal
    if dates.due_rule is not None:
        found[Part.JOB, ""] = _resolved(dates.due_rule, known, dates.calendar)
    due_on = dates.due_on if dates.is_due_locked or dates.due_rule is None else found[Part.JOB, ""]
    due_on = due_on or dates.due_on
    if due_on is not None:
        known["job_due"] = due_on
    found |= _steps(dates, known)
    for step in dates.steps:
        due = step.done_on or step.due_on
        if not step.is_locked and step.is_open:
            due = found.get((Part.STEP, step.key)) or due
        if due is not None:
            known[f"step:{step.key}"] = due
    for other in dates.others:
        found[other.part, str(other.id)] = other.find(known, dates.calendar)
    return found


def _steps(dates: JobDates, known: Mapping[str, dt.date]) -> Found:
    """A step counts from a finished one's day of completion, from a locked one's own day, else from what is found."""
    fixed = {
        f"step:{step.key}": on for step in dates.steps
        if (on := step.done_on or (step.due_on if step.is_locked or step.rule is None or not step.is_open else None))
    }
    rules = {step.key: step.rule for step in dates.steps if step.rule is not None and step.is_open}
    moving = {key: rule for key, rule in rules.items() if f"step:{key}" not in fixed}
    anchors = {**known, **fixed}
    try:
        free = resolve_all(moving, anchors, dates.calendar).dates
    except BadDueRule:
        free = {}
    anchors |= {f"step:{key}": due for key, due in free.items()}
    found: Found = {(Part.STEP, key): due for key, due in free.items()}
    for key, rule in rules.items():
        if key not in moving:
            found[Part.STEP, key] = _resolved(rule, anchors, dates.calendar)
    return found


def _statutory(each: DeadlineDate, known: Mapping[str, dt.date], dates: JobDates) -> dt.date:
    """The law's date; the one that is kept where its rule is not in the table or counts from nothing known."""
    trigger_on = trigger_of(each, known, dates.calendar)
    if not each.rule or trigger_on is None:
        return each.due_on
    try:
        return compute(each.rule, trigger_on, region=dates.region, edition=each.edition).due
    except (UnknownRule, BadDueRule):
        return each.due_on


def trigger_of(each: DeadlineDate, known: Mapping[str, dt.date], calendar: WorkingCalendar) -> dt.date | None:
    """The day that a deadline counts from: as set by hand, as its rule says, else as it is kept."""
    if each.is_trigger_locked or each.trigger is None:
        return each.trigger_on
    return _resolved(each.trigger, known, calendar) or each.trigger_on


def _resolved(rule: DueRule, known: Mapping[str, dt.date], calendar: WorkingCalendar) -> dt.date | None:
    try:
        return resolve(rule, known, calendar)
    except (MissingAnchor, BadDueRule):
        return None


def _with_deadline(dates: JobDates, id_: UUID, **values: object) -> JobDates:
    changed = [replace(each, **values) if each.id == id_ else each for each in dates.deadlines]  # type: ignore[arg-type]
    return replace(dates, deadlines=changed)
