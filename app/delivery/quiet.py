"""Quiet hours: what goes out by itself goes out in the daytime of whoever receives it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

from app.core.clock import UTC

MORNING, EVENING = dt.time(7), dt.time(20)


def is_daytime(at: dt.time) -> bool:
    return MORNING <= at < EVENING


def first_daytime(earliest: dt.datetime, zone: str, is_sending_day: Callable[[dt.date], bool]) -> dt.datetime:
    """The first instant from `earliest` on that is in the daytime of this zone, on a day on which mail may be sent."""
    there = earliest.astimezone(ZoneInfo(zone))
    while not (is_sending_day(there.date()) and there.time() < EVENING):
        there = dt.datetime.combine(there.date() + dt.timedelta(days=1), MORNING, there.tzinfo)
    if there.time() < MORNING:
        there = dt.datetime.combine(there.date(), MORNING, there.tzinfo)
    return there.astimezone(UTC)
