"""Durations as people write them (1:30, 1.5, 90m, 1h 30m) and as the product shows them (1:30).

`1.30` may be 1:18 (a decimal number of hours) or 1:30 (a clock written with a point), so it is refused with both
readings. Quarters of an hour (`1.25`, `0.50`) are hours: that is how they are written in the trade.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

DAY = timedelta(hours=24)
_HINT = "Write it like 1:30, 1.5, 90m or 1h 30m."
_CLOCK = re.compile(r"(\d{0,4}):(\d{1,2})(?::(\d{1,2}))?", re.ASCII)
_NUMBER = re.compile(r"\d{1,6}(?:[.,]\d{0,6})?|[.,]\d{1,6}", re.ASCII)
_PART = re.compile(r"(\d{1,6}(?:[.,]\d{1,6})?)\s*([a-z]+)\.?\s*", re.ASCII)
_UNITS = {
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
}


_QUARTERS = frozenset(("00", "25", "50"))
_TWO_WAYS = re.compile(r"(\d{0,4})[.,]([0-5]\d)", re.ASCII)


class BadDuration(ValueError):
    """The text is no duration; the message says what would be."""


def parse_duration(text: str, *, most: timedelta = DAY) -> timedelta:
    """Whole seconds, rounded half up. A number without a unit is hours: as 1.5 is, so is 2."""
    plain = text.strip().lower()
    if not plain:
        raise BadDuration(f"A duration is missing. {_HINT}")
    if plain.startswith(("-", "\N{MINUS SIGN}")):
        raise BadDuration("A duration cannot be negative.")
    seconds = _clock(plain) if ":" in plain else _number(plain)
    if seconds is None:
        seconds = _parts(plain)
    if seconds is None:
        raise BadDuration(f"“{_short(text)}” is not a duration. {_HINT}")
    if seconds > Decimal(most.total_seconds()):
        raise BadDuration(_too_long(plain, most))
    return timedelta(seconds=int(seconds.quantize(Decimal(1), ROUND_HALF_UP)))


def format_duration(value: timedelta, *, seconds: bool = False) -> str:
    """Hours and minutes, 1:24, seconds cut off; or 1:24:05. Below zero with a leading minus."""
    total = round(value.total_seconds())
    hours, rest = divmod(abs(total), 3600)
    minutes, left = divmod(rest, 60)
    sign = "-" if total < 0 and (seconds or hours or minutes) else ""
    return f"{sign}{hours}:{minutes:02}:{left:02}" if seconds else f"{sign}{hours}:{minutes:02}"


def format_hours(value: timedelta, places: int = 2) -> str:
    """Decimal hours, 1.40, rounded half up."""
    hours = Decimal(round(value.total_seconds())) / 3600
    return str(hours.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def _clock(plain: str) -> Decimal | None:
    match = _CLOCK.fullmatch(plain)
    if not match:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if minutes > 59 or seconds > 59:
        raise BadDuration(f"In “{_short(plain)}” minutes and seconds must be below 60.")
    return Decimal(hours * 3600 + minutes * 60 + seconds)


def _number(plain: str) -> Decimal | None:
    if not _NUMBER.fullmatch(plain):
        return None
    two_ways = _TWO_WAYS.fullmatch(plain)
    if two_ways and two_ways[2] not in _QUARTERS:
        hours, minutes = int(two_ways[1] or 0), int(two_ways[2])
        as_hours = format_duration(timedelta(hours=hours, minutes=minutes * 60 / 100))
        raise BadDuration(
            f"“{plain}” can be read two ways: {as_hours} as hours in decimals, or {hours}:{minutes:02}. "
            "Write the one that you mean."
        )
    return Decimal(plain.replace(",", ".")) * 3600


def _parts(plain: str) -> Decimal | None:
    """1h 30m, 90 min, 1.5 hours, and 1h30 where the last number is minutes; larger units first, each once."""
    if re.fullmatch(r"\d{1,6}\s*h\s*\d{1,2}", plain, re.ASCII):
        plain += "m"
    total, position, smallest = Decimal(0), 0, 3601
    while position < len(plain):
        match = _PART.match(plain, position)
        unit = _UNITS.get(match[2]) if match else None
        if match is None or unit is None or unit >= smallest:
            return None
        total += Decimal(match[1].replace(",", ".")) * unit
        position, smallest = match.end(), unit
    return total


def _too_long(plain: str, most: timedelta) -> str:
    limit = f"{format_duration(most)} hours"
    if plain.isdigit():
        return f"“{plain}” would be {plain} hours, more than {limit}. For minutes write {plain}m."
    return f"“{_short(plain)}” is more than {limit}."


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 40 else text[:40] + "…"
