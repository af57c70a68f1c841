"""What one row of the statutory tables is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from app.catalogue.due_rules import DueRule, Roll, Step

YEAR_END = "the last day of the tax year"
PERIOD_END = "the last day of the period"


@dataclass(frozen=True)
class Earlier:
    """How the rule ran for some triggers: those before a day, from a day on, or with one month and day."""

    steps: tuple[Step, ...]
    before: date | None = None
    since: date | None = None
    month_day: tuple[int, int] | None = None
    roll: Roll | None = None
    source: str = ""

    def covers(self, trigger: date) -> bool:
        return (
            (self.before is None or trigger < self.before)
            and (self.since is None or trigger >= self.since)
            and (self.month_day is None or (trigger.month, trigger.day) == self.month_day)
        )


@dataclass(frozen=True)
class StatutoryRule:
    """`trigger` says in words which date is asked for; `note` what the reader must know beside the rule."""

    code: str
    title: str
    trigger: str
    steps: tuple[Step, ...]
    source: str
    calendar: str
    roll: Roll = Roll.NONE
    day_zero_counts: bool = False
    note: str = ""
    aliases: tuple[str, ...] = ()
    exceptions: tuple[Earlier, ...] = ()

    @property
    def due_rule(self) -> DueRule:
        return DueRule("trigger", self.steps, self.roll, self.day_zero_counts)

    def for_trigger(self, trigger: date) -> tuple[DueRule, str]:
        """The rule and source that hold for this trigger."""
        for exception in self.exceptions:
            if exception.covers(trigger):
                roll = self.roll if exception.roll is None else exception.roll
                return DueRule("trigger", exception.steps, roll), exception.source or self.source
        return self.due_rule, self.source


@dataclass(frozen=True)
class Family:
    """Rules that differ by a number in their name; `pattern` matches the whole name in capitals."""

    pattern: str
    shown: str
    example: str
    make: Callable[[str, int], StatutoryRule]
    most: int = 3660
