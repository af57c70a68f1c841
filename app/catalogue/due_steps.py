"""The steps that a due rule is made of. Each takes a date and gives a date."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Protocol

from app.firm.calendars import WorkingCalendar

_DAY = timedelta(days=1)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
MOST = {"days": 36600, "working_days": 2600, "weeks": 5200, "months": 1200, "years": 100}


class BadDueRule(ValueError):
    """The rule cannot be used; the message says why."""


class Unit(StrEnum):
    DAYS = "days"
    WORKING_DAYS = "working_days"
    WEEKS = "weeks"
    MONTHS = "months"
    YEARS = "years"


class Roll(StrEnum):
    """Where a date goes that falls on a day when nobody works."""

    NONE = "none"
    NEXT = "next"
    PREVIOUS = "previous"


class Which(StrEnum):
    """Which of the matching days: `on_or_…` stays where the day already matches."""

    ON_OR_AFTER = "on_or_after"
    AFTER = "after"
    ON_OR_BEFORE = "on_or_before"
    BEFORE = "before"
    SAME_YEAR = "same_year"
    FOLLOWING_YEAR = "following_year"


class Step(Protocol):
    def apply(self, start: date, calendar: WorkingCalendar) -> date: ...

    def words(self) -> str: ...


@dataclass(frozen=True)
class Shift:
    """± n units. With keep_month_end, months from the last day of a month lead to the last day of one."""

    n: int
    unit: Unit
    keep_month_end: bool = False

    def __post_init__(self) -> None:
        if abs(self.n) > MOST[self.unit]:
            raise BadDueRule(f"A due rule moves by at most {MOST[self.unit]} {unit_words(2, self.unit)}.")
        if self.keep_month_end and self.unit not in (Unit.MONTHS, Unit.YEARS):
            raise BadDueRule("Only months and years can keep the end of a month.")

    def apply(self, start: date, calendar: WorkingCalendar) -> date:
        match self.unit:
            case Unit.DAYS:
                return start + timedelta(days=self.n)
            case Unit.WORKING_DAYS:
                return calendar.add_working_days(start, self.n)
            case Unit.WEEKS:
                return start + timedelta(weeks=self.n)
            case Unit.MONTHS:
                return add_months(start, self.n, self.keep_month_end)
            case Unit.YEARS:
                return add_months(start, 12 * self.n, self.keep_month_end)

    def counting_day_zero(self, start: date, calendar: WorkingCalendar) -> date:
        """The same period, beginning with the day itself instead of the day after."""
        back = -_DAY if self.n > 0 else _DAY
        if self.unit is Unit.WORKING_DAYS:
            return self.apply(start + back, calendar)
        return self.apply(start, calendar) + back

    def words(self) -> str:
        side = "after" if self.n >= 0 else "before"
        keep = " (a month end stays one)" if self.keep_month_end else ""
        return f"{abs(self.n)} {unit_words(self.n, self.unit)} {side}{keep}"


@dataclass(frozen=True)
class Day:
    """Day n of the month, or its last day where it is shorter. `at_most`: earlier days stay."""

    day: int
    at_most: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.day <= 31:
            raise BadDueRule("A day of the month lies between 1 and 31.")

    def apply(self, start: date, calendar: WorkingCalendar) -> date:
        wanted = on_day(start.year, start.month, self.day)
        return min(start, wanted) if self.at_most else wanted

    def words(self) -> str:
        return (
            f"not after the {ordinal(self.day)} of that month"
            if self.at_most
            else f"the {ordinal(self.day)} of that month"
        )


@dataclass(frozen=True)
class MonthEnd:
    def apply(self, start: date, calendar: WorkingCalendar) -> date:
        return on_day(start.year, start.month, 31)

    def words(self) -> str:
        return "the last day of that month"


@dataclass(frozen=True)
class Weekday:
    """The nearest of these weekdays (0 = Monday) in the given direction."""

    weekdays: frozenset[int]
    which: Which = Which.ON_OR_AFTER

    def __post_init__(self) -> None:
        if not self.weekdays or not self.weekdays <= set(range(7)):
            raise BadDueRule("A weekday is one of " + ", ".join(WEEKDAYS) + ".")
        if self.which in (Which.SAME_YEAR, Which.FOLLOWING_YEAR):
            raise BadDueRule("A weekday is looked for on or after, after, on or before, or before a date.")

    def apply(self, start: date, calendar: WorkingCalendar) -> date:
        move = _DAY if self.which in (Which.ON_OR_AFTER, Which.AFTER) else -_DAY
        now = start + move if self.which in (Which.AFTER, Which.BEFORE) else start
        while now.weekday() not in self.weekdays:
            now += move
        return now

    def words(self) -> str:
        return f"the {either([WEEKDAY_NAMES[n] for n in sorted(self.weekdays)])} {which_words(self.which)} that"


@dataclass(frozen=True)
class MonthDay:
    """The nearest of these fixed days of the year, each (month, day), in the given direction or year."""

    dates: tuple[tuple[int, int], ...]
    which: Which = Which.ON_OR_AFTER

    def __post_init__(self) -> None:
        for month, number in self.dates:
            if not (1 <= month <= 12 and 1 <= number <= monthrange(2024, month)[1]):
                raise BadDueRule(f"{month:02}-{number:02} is not a day of the year; write month and day as 01-31.")
        if not self.dates:
            raise BadDueRule("A fixed date needs a month and a day, such as 01-31.")
        if self.which in (Which.SAME_YEAR, Which.FOLLOWING_YEAR) and len(self.dates) > 1:
            raise BadDueRule("In a given year there can be only one fixed date.")

    def apply(self, start: date, calendar: WorkingCalendar) -> date:
        if self.which in (Which.SAME_YEAR, Which.FOLLOWING_YEAR):
            year = start.year + (self.which is Which.FOLLOWING_YEAR)
            return on_day(year, *self.dates[0])
        around = [on_day(year, *md) for year in _years_around(start) for md in self.dates]
        forward = self.which in (Which.ON_OR_AFTER, Which.AFTER)
        stays = self.which in (Which.ON_OR_AFTER, Which.ON_OR_BEFORE)
        matching = [d for d in around if (d > start if forward else d < start) or (stays and d == start)]
        if not matching:
            raise OverflowError("beyond the calendar")
        return min(matching) if forward else max(matching)

    def words(self) -> str:
        names = either([f"{number} {MONTH_NAMES[month - 1]}" for month, number in self.dates])
        return f"{names} {which_words(self.which)} that"


@dataclass(frozen=True)
class RollTo:
    """A roll in the middle of a rule, where a further period counts from the rolled day."""

    roll: Roll

    def apply(self, start: date, calendar: WorkingCalendar) -> date:
        match self.roll:
            case Roll.NEXT:
                return calendar.roll_forward(start)
            case Roll.PREVIOUS:
                return calendar.roll_back(start)
            case Roll.NONE:
                return start

    def words(self) -> str:
        return {
            Roll.NEXT: "rolled to the next working day",
            Roll.PREVIOUS: "rolled to the previous working day",
            Roll.NONE: "not rolled",
        }[self.roll]


def days(n: int) -> Shift:
    return Shift(n, Unit.DAYS)


def working_days(n: int) -> Shift:
    return Shift(n, Unit.WORKING_DAYS)


def weeks(n: int) -> Shift:
    return Shift(n, Unit.WEEKS)


def months(n: int, *, keep_month_end: bool = False) -> Shift:
    return Shift(n, Unit.MONTHS, keep_month_end)


def years(n: int, *, keep_month_end: bool = False) -> Shift:
    return Shift(n, Unit.YEARS, keep_month_end)


def day(n: int, *, at_most: bool = False) -> Day:
    return Day(n, at_most)


def month_end() -> MonthEnd:
    return MonthEnd()


def weekday(*names: str, which: Which = Which.ON_OR_AFTER) -> Weekday:
    return Weekday(frozenset(weekday_number(name) for name in names), which)


def month_day(*dates: str, which: Which = Which.ON_OR_AFTER) -> MonthDay:
    """Dates as 01-31, month before day; 02-29 is the last of February in other years."""
    return MonthDay(tuple(parse_month_day(text) for text in dates), which)


def roll_to(roll: Roll) -> RollTo:
    return RollTo(roll)


def add_months(start: date, n: int, keep_month_end: bool) -> date:
    """The same day n months on, or the month's last day where it is shorter."""
    index = start.year * 12 + start.month - 1 + n
    is_end = start.day == monthrange(start.year, start.month)[1]
    return on_day(index // 12, index % 12 + 1, 31 if keep_month_end and is_end else start.day)


def on_day(year: int, month: int, number: int) -> date:
    if not 1 <= year <= 9999:
        raise OverflowError("beyond the calendar")
    return date(year, month, min(number, monthrange(year, month)[1]))


def weekday_number(name: object) -> int:
    short = str(name).strip().lower()[:3]
    if short not in WEEKDAYS:
        raise BadDueRule(f"“{str(name)[:20]}” is no weekday; it is one of " + ", ".join(WEEKDAYS) + ".")
    return WEEKDAYS.index(short)


def parse_month_day(text: object) -> tuple[int, int]:
    month, dash, number = str(text).partition("-")
    if not (
        dash and len(month) <= 2 and len(number) <= 2 and (month + number).isascii() and (month + number).isdigit()
    ):
        raise BadDueRule(f"“{str(text)[:20]}” is not a day of the year; write month and day as 01-31.")
    return int(month), int(number)


def ordinal(n: int) -> str:
    suffix = "th" if 11 <= n % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"


def unit_words(n: int, unit: Unit) -> str:
    words = unit.value.replace("_", " ")
    return words.removesuffix("s") if abs(n) == 1 else words


def which_words(which: Which) -> str:
    return {Which.SAME_YEAR: "of the year of", Which.FOLLOWING_YEAR: "of the year after"}.get(
        which, which.value.replace("_", " ")
    )


def either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


def _years_around(start: date) -> range:
    return range(max(1, start.year - 1), min(9999, start.year + 1) + 1)
