"""A due rule in plain English: "15th of the 3rd month after period end, rolled to the next working day"."""

from __future__ import annotations

from app.catalogue.due_rules import DueRule, anchor_words
from app.catalogue.due_steps import (
    Day,
    MonthDay,
    MonthEnd,
    Roll,
    RollTo,
    Shift,
    Step,
    Unit,
    Weekday,
    ordinal,
    unit_words,
)


def describe(rule: DueRule) -> str:
    """Never raises; a part without steps reads as its anchor."""
    phrase, left, first = anchor_words(rule.anchor), list(rule.steps), True
    while left:
        phrase, used = _fold(phrase, left, day_zero=first and rule.day_zero_counts)
        left, first = left[used:], False
    if any(isinstance(step, Shift) and step.keep_month_end for step in rule.steps):
        phrase += ", a month end staying a month end"
    if rule.roll is not Roll.NONE:
        phrase += f", {RollTo(rule.roll).words()}"
    return phrase.removeprefix("the ")


def _fold(phrase: str, steps: list[Step], *, day_zero: bool) -> tuple[str, int]:
    """The phrase with the next step or steps said, and how many they were."""
    step = steps[0]
    if isinstance(step, Shift):
        if not day_zero and step.unit is Unit.MONTHS and step.n > 0 and len(steps) > 1:
            whole = _month_phrase(step.n, steps[1])
            if whole:
                return f"{whole} after {phrase}", 2
        return _shifts(phrase, steps, day_zero)
    return _single(phrase, step), 1


def _month_phrase(n: int, then: Step) -> str | None:
    month = "month" if n == 1 else f"{ordinal(n)} month"
    if isinstance(then, Day) and not then.at_most:
        return f"the {ordinal(then.day)} of the {month}"
    return f"the last day of the {month}" if isinstance(then, MonthEnd) else None


def _shifts(phrase: str, steps: list[Step], day_zero: bool) -> tuple[str, int]:
    """9 months and 1 day after …: shifts in one direction are said together."""
    run: list[Shift] = []
    for step in steps:
        if not isinstance(step, Shift) or (run and (step.n >= 0) != (run[0].n >= 0)):
            break
        run.append(step)
        if day_zero:
            break
    forward = run[0].n >= 0
    side = ("beginning with" if forward else "ending with") if day_zero else ("after" if forward else "before")
    amounts = " and ".join(f"{abs(shift.n)} {unit_words(shift.n, shift.unit)}" for shift in run)
    return f"{amounts} {side} {phrase}", len(run)


def _single(phrase: str, step: Step) -> str:
    match step:
        case Day(at_most=True):
            return f"{phrase}, but not after the {ordinal(step.day)} of that month"
        case Day():
            return f"the {ordinal(step.day)} of the month of {phrase}"
        case MonthEnd():
            return f"the last day of the month of {phrase}"
        case Weekday() | MonthDay():
            return step.words().removesuffix("that") + phrase
        case RollTo(roll=Roll.NEXT):
            return f"the working day on or after {phrase}"
        case RollTo(roll=Roll.PREVIOUS):
            return f"the working day on or before {phrase}"
        case _:
            return phrase
