"""Due rules: an anchor, a list of steps over it, and what happens on a day when nobody works.

"15th of the 3rd month after the year end" is: period_end, + 3 months, day 15, roll to the next working day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from app.catalogue.due_steps import (
    BadDueRule,
    Day,
    MonthDay,
    MonthEnd,
    Roll,
    RollTo,
    Shift,
    Step,
    Unit,
    Weekday,
    Which,
    day,
    days,
    month_day,
    month_end,
    months,
    roll_to,
    weekday,
    weeks,
    working_days,
    years,
)
from app.catalogue.graph import Edge, GraphCycle, topological_order
from app.firm.calendars import WorkingCalendar

__all__ = [
    "BadDueRule",
    "Day",
    "DueRule",
    "DueRuleCycle",
    "MissingAnchor",
    "MonthDay",
    "MonthEnd",
    "Resolved",
    "ResolvedRules",
    "Roll",
    "RollTo",
    "Shift",
    "Step",
    "Unit",
    "Weekday",
    "Which",
    "anchor_words",
    "check_anchor",
    "day",
    "days",
    "explain",
    "month_day",
    "month_end",
    "months",
    "order_rules",
    "resolve",
    "resolve_all",
    "roll_to",
    "weekday",
    "weeks",
    "working_days",
    "years",
]

PLAIN_ANCHORS = {
    "job_start": "the job's start",
    "period_start": "the period's start",
    "period_end": "period end",
    "job_due": "the job's due date",
    "trigger": "the trigger date",
}
NAMED_ANCHORS = {"deadline": "the deadline {}", "step": "the completion of {}", "named": "{}"}
MOST_STEPS = 12


class MissingAnchor(BadDueRule):
    """The date that the rule counts from is not known yet."""

    def __init__(self, anchor: str) -> None:
        super().__init__(f"There is no date yet for {anchor_words(anchor)}.")
        self.anchor = anchor


class DueRuleCycle(BadDueRule):
    """Steps whose due dates hang on each other; `path` begins and ends with the same key."""

    def __init__(self, path: list[str]) -> None:
        super().__init__("These steps take their due dates from each other: " + " → ".join(path) + ".")
        self.path = path


@dataclass(frozen=True)
class DueRule:
    """When something is due. If day zero counts, the anchor's own day is the first day of the first shift."""

    anchor: str
    steps: tuple[Step, ...] = ()
    roll: Roll = Roll.NONE
    day_zero_counts: bool = False

    def __post_init__(self) -> None:
        check_anchor(self.anchor)
        if len(self.steps) > MOST_STEPS:
            raise BadDueRule(f"A due rule has at most {MOST_STEPS} steps.")
        if self.day_zero_counts and not (self.steps and isinstance(self.steps[0], Shift) and self.steps[0].n):
            raise BadDueRule("Day zero can only count where the rule begins by counting days, weeks, months or years.")

    @property
    def step_key(self) -> str | None:
        """The other step that this one waits for, if it does."""
        kind, _, name = self.anchor.partition(":")
        return name if kind == "step" else None


@dataclass(frozen=True)
class Resolved:
    """`unrolled` is the date before the final roll; `trail` shows each step's result."""

    due: date
    unrolled: date
    trail: tuple[tuple[str, date], ...]


@dataclass(frozen=True)
class ResolvedRules:
    """Dates by step key, and for each step without one the anchor that is still missing."""

    dates: dict[str, date] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)


def check_anchor(anchor: str) -> None:
    kind, colon, name = anchor.partition(":")
    if anchor in PLAIN_ANCHORS or (kind in NAMED_ANCHORS and colon and name.strip() and len(name) <= 200):
        return
    if kind in NAMED_ANCHORS:
        raise BadDueRule(f"The anchor “{kind}” needs a name after a colon, such as {kind}:example.")
    known = ", ".join([*PLAIN_ANCHORS, *(f"{kind}:…" for kind in NAMED_ANCHORS)])
    raise BadDueRule(f"“{anchor[:40]}” is no anchor; a due rule counts from one of: {known}.")


def anchor_words(anchor: str) -> str:
    """The anchor as it stands in a sentence after "after"."""
    kind, _, name = anchor.partition(":")
    return NAMED_ANCHORS[kind].format(name) if kind in NAMED_ANCHORS else PLAIN_ANCHORS[anchor]


def resolve(rule: DueRule, anchors: Mapping[str, date], calendar: WorkingCalendar) -> date:
    """The due date; raises MissingAnchor when `anchors` has no date for what the rule counts from."""
    return explain(rule, anchors, calendar).due


def explain(rule: DueRule, anchors: Mapping[str, date], calendar: WorkingCalendar) -> Resolved:
    """The due date and how it came about."""
    start = anchors.get(rule.anchor)
    if start is None:
        raise MissingAnchor(rule.anchor)
    try:
        return _walk(rule, start, calendar)
    except OverflowError:
        raise BadDueRule("This rule leads to a date beyond the calendar.") from None


def _walk(rule: DueRule, start: date, calendar: WorkingCalendar) -> Resolved:
    now, trail = start, [(anchor_words(rule.anchor), start)]
    for position, step in enumerate(rule.steps):
        if position == 0 and rule.day_zero_counts and isinstance(step, Shift):
            now = step.counting_day_zero(now, calendar)
        else:
            now = step.apply(now, calendar)
        trail.append((step.words(), now))
    rolled = RollTo(rule.roll).apply(now, calendar)
    if rolled != now:
        trail.append((RollTo(rule.roll).words(), rolled))
    return Resolved(rolled, now, tuple(trail))


def order_rules(rules: Mapping[str, DueRule]) -> list[str]:
    """Step keys so that each comes after the step it takes its date from; raises DueRuleCycle."""
    edges = [Edge(rule.step_key, key) for key, rule in rules.items() if rule.step_key is not None]
    try:
        return topological_order(rules, edges)
    except GraphCycle as loop:
        members: list[str] = loop.path[:0:-1]
        first = members.index(next(key for key in rules if key in members))
        raise DueRuleCycle([*members[first:], *members[:first], members[first]]) from None


def resolve_all(rules: Mapping[str, DueRule], anchors: Mapping[str, date], calendar: WorkingCalendar) -> ResolvedRules:
    """Every step's date. A step that waits for another counts from its completion where `anchors` has it,
    else from the date found for it here."""
    found, result = dict(anchors), ResolvedRules()
    for key in order_rules(rules):
        try:
            due = resolve(rules[key], found, calendar)
        except MissingAnchor as missing:
            result.waiting[key] = missing.anchor
            continue
        result.dates[key] = due
        found.setdefault(f"step:{key}", due)
    return result
