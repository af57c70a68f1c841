"""The due rule as a form field: what it counts from, then lines of what to do, then the roll. Works without script."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import wtforms

from app.catalogue.due_rule_json import from_json
from app.catalogue.due_rules import DueRule
from app.catalogue.due_steps import (
    WEEKDAYS,
    BadDueRule,
    Day,
    MonthDay,
    MonthEnd,
    Roll,
    RollTo,
    Shift,
    Step,
    Weekday,
    Which,
)

ANCHORS = (
    ("period_end", "the period's end"), ("period_start", "the period's start"), ("job_start", "the job's start"),
    ("job_due", "the job's due date"), ("named:hearing", "the hearing (each job says when)"),
    ("named:trial", "the trial (each job says when)"), ("named:signing", "the signing (each job says when)"),
    ("named:completion", "completion (each job says when)"),
)
OWN_DATE = "named:"
LONGEST_NAME = 40
WHICH = {
    Which.ON_OR_AFTER: "on or after", Which.AFTER: "after", Which.ON_OR_BEFORE: "on or before", Which.BEFORE: "before",
    Which.SAME_YEAR: "of the same year", Which.FOLLOWING_YEAR: "of the following year",
}
GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("Count (− is before)", (
        ("days", "days"), ("working_days", "working days"), ("weeks", "weeks"), ("months", "months"),
        ("years", "years"),
        ("months+", "months, a month end staying one"), ("years+", "years, a month end staying one"),
    )),
    ("Day of the month", (
        ("day", "on day …"), ("day-", "on day … at the latest"), ("month_end", "its last day"),
    )),
    ("Weekday, as tue or tue, fri", tuple(
        (f"weekday:{which}", f"weekday {words}") for which, words in list(WHICH.items())[:4]
    )),
    ("Day of the year, as 01-31", tuple((f"date:{which}", f"date {words}") for which, words in WHICH.items())),
    ("Working day, then go on", (
        ("roll:next", "roll to the next"), ("roll:previous", "roll to the previous"),
    )),
)
ROLLS = (
    (Roll.NONE, "stay on that day"), (Roll.NEXT, "go to the next working day"),
    (Roll.PREVIOUS, "go to the working day before"),
)
WITHOUT_VALUE = ("month_end", "roll:next", "roll:previous")
LEAST_LINES, MOST_LINES = 3, 12
_WHOLE = re.compile(r"[+-]?\d{1,6}", re.ASCII)
Line = tuple[str, str]


def own_dates(anchors: Iterable[str]) -> list[tuple[str, str]]:
    """The dates among these that a firm has named, which each job says, as they are offered."""
    known = {value for value, _ in ANCHORS}
    own = sorted({each for each in anchors if each.startswith(OWN_DATE) and each not in known})
    return [(each, f"{each.removeprefix(OWN_DATE)} (each job says when)") for each in own]


class DueRuleField(wtforms.Field):
    """`data` is the DueRule, or None when it counts from nothing; `lines` keep what was typed."""

    groups, rolls = GROUPS, ROLLS

    def __init__(self, label: str = "Due", **kwargs: Any) -> None:
        super().__init__(label, **kwargs)
        self.anchors: list[tuple[str, str]] = list(ANCHORS)
        self.anchor, self.own_date, self.roll, self.day_zero = "", "", Roll.NONE.value, False
        self.lines: list[Line] = []

    def offer(self, more: Iterable[tuple[str, str]]) -> None:
        """Further anchors: the template's deadlines and its other steps."""
        self.anchors = [*ANCHORS, *more]

    @property
    def shown_anchors(self) -> list[tuple[str, str]]:
        """With the date that the firm has named in this rule, and where jobs have such dates, one to be named."""
        if not self.takes_own_date:
            return self.anchors
        known = {value for value, _ in self.anchors} | {OWN_DATE}
        named = [] if self.anchor in known else own_dates([self.anchor])
        return [*self.anchors, *named, (OWN_DATE, "a date of your own, named below")]

    @property
    def takes_own_date(self) -> bool:
        return any(value.startswith(OWN_DATE) for value, _ in self.anchors)

    @property
    def shown_lines(self) -> list[Line]:
        blank = max(1, LEAST_LINES - len(self.lines))
        return [*self.lines, *[("", "")] * blank][:MOST_LINES]

    def process(self, formdata: Any, data: Any = wtforms.utils.unset_value, extra_filters: Any = None) -> None:
        self.process_errors: list[str] = []
        sent = formdata is not None and f"{self.name}-anchor" in formdata
        if not sent:
            self.show(None if data is wtforms.utils.unset_value else data)
            return
        self.anchor = formdata.get(f"{self.name}-anchor", "")[:220]
        typed = "".join(each if each.isprintable() else " " for each in formdata.get(f"{self.name}-own", ""))
        self.own_date = " ".join(typed.split())[: LONGEST_NAME + 1]
        self.roll = formdata.get(f"{self.name}-roll", Roll.NONE.value)
        self.day_zero = bool(formdata.get(f"{self.name}-zero"))
        does, values = formdata.getlist(f"{self.name}-do"), formdata.getlist(f"{self.name}-n")
        pairs = zip(does[:MOST_LINES], [*values, *[""] * len(does)], strict=False)
        self.lines = [(do[:40], value.strip()[:60]) for do, value in pairs if do]
        try:
            self.data = self._read()
        except BadDueRule as error:
            self.data = None
            self.process_errors.append(str(error))

    def show(self, rule: DueRule | None) -> None:
        self.data = rule
        if rule is not None:
            self.anchor, self.roll, self.day_zero = rule.anchor, rule.roll.value, rule.day_zero_counts
            self.lines = [line_of(step) for step in rule.steps]

    def _read(self) -> DueRule | None:
        if not self.anchor:
            return None
        anchor = self.anchor
        if anchor == OWN_DATE:
            if not self.own_date:
                raise BadDueRule("Name the date that each job says, such as the board meeting.")
            if len(self.own_date) > LONGEST_NAME:
                raise BadDueRule(f"The name of a date has at most {LONGEST_NAME} characters.")
            anchor = OWN_DATE + self.own_date.casefold()
        return from_json({
            "anchor": anchor, "steps": [_json_of(do, value) for do, value in self.lines], "roll": self.roll,
            "day_zero_counts": self.day_zero,
        })


def line_of(step: Step) -> Line:
    """A step as the form shows it: what to do, and the value beside it."""
    match step:
        case Shift():
            return step.unit.value + ("+" if step.keep_month_end else ""), str(step.n)
        case Day():
            return "day-" if step.at_most else "day", str(step.day)
        case MonthEnd():
            return "month_end", ""
        case Weekday():
            return f"weekday:{step.which}", ", ".join(WEEKDAYS[n] for n in sorted(step.weekdays))
        case MonthDay():
            return f"date:{step.which}", ", ".join(f"{month:02}-{number:02}" for month, number in step.dates)
        case RollTo():
            return f"roll:{step.roll}", ""
    raise BadDueRule("This step has no line in the form.")


def _json_of(do: str, value: str) -> dict[str, Any]:
    kind, _, which = do.partition(":")
    words = [word.strip() for word in value.split(",") if word.strip()]
    if do not in WITHOUT_VALUE and not words:
        raise BadDueRule("A line of the due rule has no value beside it.")
    if kind == "weekday":
        return {"do": "weekday", "weekdays": words, "which": which}
    if kind == "date":
        return {"do": "month_day", "dates": words, "which": which}
    if kind == "roll":
        return {"do": "roll", "to": which}
    if do == "month_end":
        return {"do": "month_end"}
    if not _WHOLE.fullmatch(value):
        raise BadDueRule(f"“{value}” is not a whole number.")
    if do in ("day", "day-"):
        return {"do": "day", "day": int(value), "at_most": do == "day-"}
    return {"do": "shift", "n": int(value), "unit": do.removesuffix("+"), "keep_month_end": do.endswith("+")}
