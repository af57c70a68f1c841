"""The arithmetic of money once more, in fractions: nothing here is the product's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from fractions import Fraction

DECIMALS = {"GBP": 2, "EUR": 2, "JPY": 0, "KWD": 3}
ZERO = Fraction(0)


def half_up(amount: Fraction, currency: str) -> Fraction:
    """To the currency's smallest unit; a half goes away from zero."""
    scale = 10 ** DECIMALS[currency]
    units = abs(amount) * scale + Fraction(1, 2)
    whole = Fraction(units.numerator // units.denominator, scale)
    return whole if amount >= 0 else -whole


def smallest(currency: str) -> Fraction:
    return Fraction(1, 10 ** DECIMALS[currency])


def charged_seconds(seconds: int, step_minutes: int) -> int:
    """Up to the next full step."""
    step = step_minutes * 60
    return -(-seconds // step) * step


def worth(seconds: int, rate: Fraction, currency: str) -> Fraction:
    """Hours at a rate."""
    return half_up(Fraction(seconds, 3600) * rate, currency)


def is_spread(whole: Fraction, parts: Sequence[Fraction], weights: Sequence[Fraction], currency: str) -> bool:
    """Whether the parts add up to the whole and each is its share, give or take less than the smallest unit."""
    if sum(parts, ZERO) != whole:
        return False
    total = sum(weights, ZERO)
    shares = [whole * w / total if total else whole / len(weights) for w in weights]
    return all(abs(part - share) < smallest(currency) for part, share in zip(parts, shares, strict=True))


def month(day: dt.date) -> dt.date:
    return day.replace(day=1)


def last_of_month(day: dt.date) -> dt.date:
    return (month(day) + dt.timedelta(days=32)).replace(day=1) - dt.timedelta(days=1)


COLUMNS = ("0-30", "31-60", "61-90", "91-120", "121+")


def column_of(days: int) -> int:
    """The column of an ageing for an age in days; -1 is what is not due yet."""
    if days < 0:
        return -1
    return next((place for place, last in enumerate((30, 60, 90, 120)) if days <= last), 4)
