"""The periods that work recurs over: months, quarters, years, tax years, each client from its own year end."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from app.core.errors import Refused

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOST_PERIODS = 2400
_DAY = timedelta(days=1)
FIRST_YEAR, LAST_YEAR = 1990, 2100


def check_day(day: date | None, field: str) -> None:
    """Refuse a day of a year that rules and calendars do not reach, beside its field."""
    if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise Refused(f"Choose a day between {FIRST_YEAR} and {LAST_YEAR}.", field=field)


class BadPeriods(ValueError):
    """No such periods; the message says why."""


class PeriodKind(StrEnum):
    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"
    TAX_YEAR = "tax_year"
    CUSTOM = "custom"
    DAYS = "days"


class MonthDay(NamedTuple):
    """A day of the year. The last day of its month stands for the month's end, 28 and 29 February alike."""

    month: int
    day: int

    def __str__(self) -> str:
        return f"{self.month:02}-{self.day:02}"


@dataclass(frozen=True, order=True)
class Period:
    """From `start` on, before `end`."""

    start: date
    end: date

    @property
    def last_day(self) -> date:
        return self.end - _DAY

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end


_LENGTHS = {
    PeriodKind.MONTH: 1,
    PeriodKind.QUARTER: 3,
    PeriodKind.HALF_YEAR: 6,
    PeriodKind.YEAR: 12,
    PeriodKind.TAX_YEAR: 12,
}


@dataclass(frozen=True)
class PeriodPattern:
    """Periods that follow each other without a gap, one of them ending on `year_end`.

    Custom periods of n months are counted from the year end of 2000, so that five months recur too. Periods of a
    number of days, as weekly pay, have one that ends with `ends_on`."""

    kind: PeriodKind
    year_end: MonthDay = MonthDay(12, 31)
    months: int | None = None
    days: int | None = None
    ends_on: date | None = None

    def __post_init__(self) -> None:
        month, day = self.year_end
        if not (1 <= month <= 12 and 1 <= day <= monthrange(2024, month)[1]):
            raise BadPeriods(f"{self.year_end} is not a day of the year.")
        if (self.kind is PeriodKind.DAYS) != (self.days is not None and self.ends_on is not None):
            raise BadPeriods("Periods of a number of days say how many and when one of them ends.")
        if self.kind is PeriodKind.DAYS:
            if not 1 <= (self.days or 0) <= 366:
                raise BadPeriods("Such periods are 1 to 366 days long.")
        elif self.kind is PeriodKind.CUSTOM:
            if self.months is None or not 1 <= self.months <= 60:
                raise BadPeriods("Periods of one's own are 1 to 60 months long.")
        elif self.months not in (None, _LENGTHS[self.kind]):
            raise BadPeriods(f"A {self.kind.value.replace('_', ' ')} has {_LENGTHS[self.kind]} months.")

    @property
    def length(self) -> int:
        """In months."""
        return self.months or _LENGTHS[self.kind]

    def containing(self, day: date) -> Period:
        if self.days is not None and self.ends_on is not None:
            end = self.ends_on + timedelta(days=-((self.ends_on - day).days // self.days) * self.days)
            return Period(end - timedelta(days=self.days - 1), end + _DAY)
        index = (_index(day) - self._anchor) // self.length
        period = self._nth(index)
        if day < period.start:
            return self._nth(index - 1)
        return self._nth(index + 1) if day >= period.end else period

    def next(self, period: Period) -> Period:
        return self.containing(period.end)

    def previous(self, period: Period) -> Period:
        return self.containing(period.start - _DAY)

    def between(self, start: date, end: date) -> list[Period]:
        """The periods that begin from start on, before end."""
        period = self.containing(start)
        found: list[Period] = []
        if period.start < start:
            period = self.next(period)
        while period.start < end:
            if len(found) == MOST_PERIODS:
                raise BadPeriods(f"These are more than {MOST_PERIODS} periods.")
            found.append(period)
            period = self.next(period)
        return found

    def name(self, period: Period) -> str:
        """Nov 2026, Q3 2026, H1 2026, FY 2025 (the year it ends in), 2025/26 for a tax year; else its months."""
        last, whole_months = period.last_day, period.start.day == 1
        if self.kind is PeriodKind.TAX_YEAR:
            years = (period.start.year, last.year)
            return str(years[0]) if years[0] == years[1] else f"{years[0]}/{years[1] % 100:02}"
        if self.kind is PeriodKind.YEAR:
            return f"FY {last.year}"
        if self.kind is PeriodKind.DAYS:
            return _day_span(period.start, last)
        if not whole_months:
            return _day_span(period.start, last)
        if self.length == 1:
            return f"{MONTHS[last.month - 1]} {last.year}"
        if self.kind is PeriodKind.QUARTER and last.month % 3 == 0:
            return f"Q{last.month // 3} {last.year}"
        if self.kind is PeriodKind.HALF_YEAR and last.month % 6 == 0:
            return f"H{last.month // 6} {last.year}"
        return _month_span(period.start, last)

    @property
    def _ends_with_month(self) -> bool:
        month, day = self.year_end
        return day >= monthrange(2023, month)[1]

    @property
    def _anchor(self) -> int:
        """The month of the year end of 2000, counted from year 0."""
        return 2000 * 12 + self.year_end.month - 1

    def _last_day(self, index: int) -> date:
        """The day on which a period that ends in this month ends: the year end's, or the month's last."""
        year, month = index // 12, index % 12 + 1
        longest = monthrange(year, month)[1]
        return date(year, month, longest if self._ends_with_month else min(self.year_end.day, longest))

    def _nth(self, number: int) -> Period:
        before = self._anchor + number * self.length
        try:
            return Period(self._last_day(before) + _DAY, self._last_day(before + self.length) + _DAY)
        except (ValueError, OverflowError):
            raise BadPeriods("These periods lead beyond the calendar.") from None


def vat_quarters(stagger: int) -> PeriodPattern:
    """British VAT quarters: group 1 ends with March, 2 with April, 3 with May, and so on."""
    if stagger not in (1, 2, 3):
        raise BadPeriods("The VAT stagger is 1, 2 or 3.")
    return PeriodPattern(PeriodKind.QUARTER, MonthDay(stagger + 2, 31 if stagger != 2 else 30))


def _index(day: date) -> int:
    return day.year * 12 + day.month - 1


def _month_span(first: date, last: date) -> str:
    begin = MONTHS[first.month - 1] if first.year == last.year else f"{MONTHS[first.month - 1]} {first.year}"
    return f"{begin} – {MONTHS[last.month - 1]} {last.year}"


def _day_span(first: date, last: date) -> str:
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {MONTHS[first.month - 1]}{year} – {last.day} {MONTHS[last.month - 1]} {last.year}"
