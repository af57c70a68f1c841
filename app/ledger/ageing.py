"""How old money is, in the five columns that everybody in the trade reads."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

from dateutil.relativedelta import relativedelta


@dataclass(frozen=True)
class Bucket:
    """A column of an ageing: days from `first` to `last`, both included; the last column has no end."""

    name: str
    first: int
    last: int | None


BUCKETS = (
    Bucket("0-30", 0, 30),
    Bucket("31-60", 31, 60),
    Bucket("61-90", 61, 90),
    Bucket("91-120", 91, 120),
    Bucket("121+", 121, None),
)


def month_of(day: dt.date) -> dt.date:
    return day.replace(day=1)


def month_end(month: dt.date) -> dt.date:
    return month + relativedelta(months=1, days=-1)


def age_in_days(month: dt.date, on: dt.date) -> int:
    """Days from the end of the month of work (or of the due date) to `on`, never below zero.

    Ages count from the month's end, for summaries and rows alike, so that the two never disagree.
    """
    return max((on - month_end(month_of(month))).days, 0)


def bucket_index(month: dt.date, on: dt.date) -> int:
    age = age_in_days(month, on)
    return next(i for i, b in enumerate(BUCKETS) if b.last is None or age <= b.last)


@lru_cache(maxsize=64)
def bucket_starts(on: dt.date) -> tuple[dt.date, ...]:
    """For each column but the last, the first month that still falls into it: for grouping in the database."""
    months = [month_of(on) - relativedelta(months=n) for n in range(8)]
    return tuple(min(m for m in months if bucket_index(m, on) <= i) for i in range(len(BUCKETS) - 1))
