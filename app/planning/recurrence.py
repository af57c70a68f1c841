"""RFC 5545 rules over days, expanded within a horizon.

Expanded here and not by dateutil, which cannot be bounded: a rule that never matches (30 February, every day)
keeps it busy until the year 9999. Here the work ends with the horizon, and every part that is not understood
is refused instead of passed over.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import islice

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
MOST_YEARS = 100
MOST_OCCURRENCES = 10_000
_DAY = timedelta(days=1)
_BY_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)


class BadRecurrence(ValueError):
    """The rule cannot be used; the message says why."""


class Frequency(StrEnum):
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"


@dataclass(frozen=True)
class Recurrence:
    """A parsed rule. `by_day` pairs an ordinal (0 for every) with a weekday, 0 = Monday."""

    frequency: Frequency
    interval: int = 1
    count: int | None = None
    until: date | None = None
    by_month: tuple[int, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_day: tuple[tuple[int, int], ...] = ()
    by_set_pos: tuple[int, ...] = ()
    week_start: int = 0


@lru_cache(maxsize=1024)
def parse_recurrence(text: str) -> Recurrence:
    """An RRULE value, with or without `RRULE:` before it. Raises BadRecurrence with a sentence."""
    parts = _split(text)
    try:
        frequency = Frequency(parts.pop("FREQ", ""))
    except ValueError:
        raise BadRecurrence("A recurrence needs FREQ=DAILY, WEEKLY, MONTHLY or YEARLY; nothing shorter.") from None
    if "COUNT" in parts and "UNTIL" in parts:
        raise BadRecurrence("A recurrence ends by COUNT or by UNTIL, not by both.")
    rule = Recurrence(
        frequency=frequency,
        interval=_number("INTERVAL", parts.pop("INTERVAL", "1"), 1, 1000),
        count=_number("COUNT", parts.pop("COUNT"), 1, MOST_OCCURRENCES) if "COUNT" in parts else None,
        until=_day(parts.pop("UNTIL")) if "UNTIL" in parts else None,
        by_month=_numbers("BYMONTH", parts, 1, 12),
        by_month_day=_numbers("BYMONTHDAY", parts, -31, 31),
        by_day=_by_day(parts, frequency),
        by_set_pos=_numbers("BYSETPOS", parts, -366, 366),
        week_start=_week_start(parts.pop("WKST", "MO")),
    )
    if parts:
        raise BadRecurrence(f"A recurrence cannot have {next(iter(parts))[:20]} here.")
    if rule.by_month_day and frequency is Frequency.WEEKLY:
        raise BadRecurrence("A weekly recurrence cannot name days of the month.")
    if rule.by_set_pos and not (rule.by_day or rule.by_month_day or rule.by_month):
        raise BadRecurrence("BYSETPOS picks among BYDAY, BYMONTHDAY or BYMONTH; one of them must be there.")
    return rule


def occurrences(
    rule: str | Recurrence, anchor: date, *, horizon: date, until: date | None = None, count: int | None = None
) -> list[date]:
    """Every date of the rule from the anchor on, up to and with `horizon` (and `until`), at most `count`."""
    parsed = parse_recurrence(rule) if isinstance(rule, str) else rule
    if horizon.year - anchor.year > MOST_YEARS:
        raise BadRecurrence(f"A recurrence is looked at for at most {MOST_YEARS} years.")
    last = min(day for day in (horizon, until, parsed.until) if day is not None)
    most = min(number for number in (MOST_OCCURRENCES + 1, count, parsed.count) if number is not None)
    try:
        found = list(islice(_expand(parsed, anchor, last), most))
    except OverflowError:
        raise BadRecurrence("This recurrence leads to a date beyond the calendar.") from None
    if len(found) > MOST_OCCURRENCES:
        raise BadRecurrence(f"This recurrence has more than {MOST_OCCURRENCES} dates up to {horizon.isoformat()}.")
    return found


def _expand(rule: Recurrence, anchor: date, last: date) -> Iterator[date]:
    for first, days in _blocks(rule, anchor, last):
        if first > last:
            return
        chosen = [day for day in days if _matches(rule, anchor, day)]
        if rule.by_set_pos:
            chosen = sorted({chosen[at] for p in rule.by_set_pos if 0 <= (at := _index(p, chosen)) < len(chosen)})
        for day in chosen:
            if anchor <= day <= last:
                yield day


def _blocks(rule: Recurrence, anchor: date, last: date) -> Iterator[tuple[date, list[date]]]:
    """The days, weeks, months or years that the interval leaves, each with its days."""
    match rule.frequency:
        case Frequency.DAILY:
            for n in range(0, (last - anchor).days + 1, rule.interval):
                day = anchor + timedelta(days=n)
                yield day, [day]
        case Frequency.WEEKLY:
            back = (anchor.weekday() - rule.week_start) % 7
            for n in range(-back, (last - anchor).days + 1, 7 * rule.interval):
                days = [anchor + timedelta(days=n + d) for d in range(7)]
                yield days[0], days
        case Frequency.MONTHLY:
            months = (last.year - anchor.year) * 12 + last.month - anchor.month
            for n in range(0, months + 1, rule.interval):
                year, month = divmod(anchor.year * 12 + anchor.month - 1 + n, 12)
                yield date(year, month + 1, 1), _month(year, month + 1)
        case Frequency.YEARLY:
            for year in range(anchor.year, last.year + 1, rule.interval):
                names = sorted(set(rule.by_month)) or _months_of_year(rule, anchor)
                yield date(year, 1, 1), [day for month in names for day in _month(year, month)]


def _months_of_year(rule: Recurrence, anchor: date) -> list[int]:
    return list(range(1, 13)) if rule.by_day or rule.by_month_day else [anchor.month]


def _month(year: int, month: int) -> list[date]:
    return [date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1)]


def _matches(rule: Recurrence, anchor: date, day: date) -> bool:
    if rule.by_month and day.month not in rule.by_month:
        return False
    if rule.by_month_day:
        length = monthrange(day.year, day.month)[1]
        if not (day.day in rule.by_month_day or day.day - length - 1 in rule.by_month_day):
            return False
    if rule.by_day:
        return any(weekday == day.weekday() and _is_nth(rule, n, day) for n, weekday in rule.by_day)
    if rule.by_month_day or rule.frequency is Frequency.DAILY:
        return True
    if rule.frequency is Frequency.WEEKLY:
        return day.weekday() == anchor.weekday()
    return day.day == anchor.day


def _is_nth(rule: Recurrence, n: int, day: date) -> bool:
    """Counted within the month; within the year for a yearly rule that names no month."""
    if n == 0:
        return True
    if rule.frequency is Frequency.YEARLY and not rule.by_month:
        start, end = date(day.year, 1, 1), date(day.year, 12, 31)
    else:
        start, end = day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])
    return (day - start).days // 7 + 1 == n if n > 0 else (end - day).days // 7 + 1 == -n


def _index(position: int, chosen: list[date]) -> int:
    return position - 1 if position > 0 else len(chosen) + position


def describe_recurrence(rule: str | Recurrence) -> str:
    """Every 3 months on the 1st; every week on Monday and Friday, until 31 December 2026."""
    parsed = parse_recurrence(rule) if isinstance(rule, str) else rule
    unit = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}[parsed.frequency]
    words = f"every {unit}" if parsed.interval == 1 else f"every {parsed.interval} {unit}s"
    if parsed.by_month:
        words += " in " + _and([MONTH_NAMES[month - 1] for month in parsed.by_month])
    if parsed.by_day:
        words += " on " + _and([_day_words(n, weekday) for n, weekday in parsed.by_day])
    if parsed.by_month_day:
        words += " on " + _and(["the " + ("last day" if n == -1 else _ordinal(n)) for n in parsed.by_month_day])
    if parsed.by_set_pos:
        words += ", of these " + _and(["the last" if n == -1 else "the " + _ordinal(n) for n in parsed.by_set_pos])
    if parsed.count:
        words += f", {parsed.count} times" if parsed.count > 1 else ", once"
    if parsed.until:
        words += f", until {parsed.until.day} {MONTH_NAMES[parsed.until.month - 1]} {parsed.until.year}"
    return words


def _split(text: str) -> dict[str, str]:
    if len(text) > 500:
        raise BadRecurrence("A recurrence has at most 500 characters.")
    plain = text.strip().upper().removeprefix("RRULE:").rstrip(";")
    parts: dict[str, str] = {}
    for part in plain.split(";"):
        name, equals, value = part.partition("=")
        if not (equals and name.strip() and value.strip()):
            raise BadRecurrence("A recurrence looks like FREQ=MONTHLY;INTERVAL=3.")
        if name.strip() in parts:
            raise BadRecurrence(f"{name.strip()[:20]} stands twice in this recurrence.")
        parts[name.strip()] = value.strip()
    return parts


def _number(name: str, text: str, low: int, high: int) -> int:
    if re.fullmatch(r"[+-]?\d{1,6}", text, re.ASCII) and low <= int(text) <= high and (low > 0 or int(text)):
        return int(text)
    raise BadRecurrence(f"{name} must be a whole number from {low} to {high}{'' if low > 0 else ', not 0'}.")


def _numbers(name: str, parts: dict[str, str], low: int, high: int) -> tuple[int, ...]:
    text = parts.pop(name, None)
    return tuple(_number(name, part, low, high) for part in text.split(",")) if text else ()


def _by_day(parts: dict[str, str], frequency: Frequency) -> tuple[tuple[int, int], ...]:
    text = parts.pop("BYDAY", None)
    found: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        match = _BY_DAY.fullmatch(part.strip())
        ordinal = int(match[1]) if match and match[1] else 0
        if not match or (match[1] and not 1 <= abs(ordinal) <= 53):
            raise BadRecurrence("BYDAY names weekdays as MO, TU, 1FR or -1MO.")
        if ordinal and frequency not in (Frequency.MONTHLY, Frequency.YEARLY):
            raise BadRecurrence("Only a monthly or yearly recurrence can count its weekdays, as in 1FR.")
        found.append((ordinal, WEEKDAYS.index(match[2])))
    return tuple(found)


def _week_start(text: str) -> int:
    if text not in WEEKDAYS:
        raise BadRecurrence("WKST names one weekday, such as MO.")
    return WEEKDAYS.index(text)


def _day(text: str) -> date:
    match = re.fullmatch(r"(\d{4})-?(\d\d)-?(\d\d)(?:T\d{6}Z?)?", text, re.ASCII)
    try:
        if match:
            return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        pass
    raise BadRecurrence("UNTIL is a date such as 20261231.")


def _day_words(n: int, weekday: int) -> str:
    return WEEKDAY_NAMES[weekday] if n == 0 else f"the {'last' if n == -1 else _ordinal(n)} {WEEKDAY_NAMES[weekday]}"


def _ordinal(n: int) -> str:
    suffix = "th" if 11 <= abs(n) % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(abs(n) % 10, "th")
    return f"{abs(n)}{suffix}" + (" from the end" if n < 0 else "")


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
