"""What one row of the statutory tables is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from app.catalogue.due_rules import DueRule, Roll, Step

YEAR_END = "the last day of the tax year"
PERIOD_END = "the last day of the period"
FIRST_EDITION = "2026-11"


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
    """`trigger` says in words which date is asked for; `note` what the reader must know beside the rule.

    `edition` names the reading of the law that these steps are. Whoever changes how a date is found gives the rule a
    later one and keeps the one before among `older`: jobs and templates go on with theirs until somebody confirms.
    """

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
    edition: str = FIRST_EDITION
    older: tuple[StatutoryRule, ...] = ()

    def in_edition(self, edition: str) -> StatutoryRule:
        """The rule as it stood in an edition; the newest where none is named."""
        return next((each for each in self.older if each.edition == edition), self)

    @property
    def digest(self) -> str:
        """Of everything that the date follows from: another date for any trigger has another digest."""
        said = (self.steps, self.roll, self.calendar, self.day_zero_counts, [
            (each.steps, each.before, each.since, each.month_day, each.roll) for each in self.exceptions
        ])
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16]

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
