"""When a request is asked: its own time of day in the office's zone, then the daytime of whoever receives it."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from app.core.errors import Refused
from app.delivery.quiet import first_daytime, is_daytime
from app.firm.calendars import WorkingCalendar


def moment_of(
    send_on: dt.date | None, send_time: dt.time, *, now: dt.datetime, office_zone: str, zone: str,
    calendar: WorkingCalendar,
) -> dt.datetime:
    """The next instant at which a request that is not asked yet can be, `now` at the earliest.

    The day that was chosen for it counts although nobody works on it; whatever goes out later goes on a working day.
    """
    due = dt.datetime.combine(send_on, send_time, ZoneInfo(office_zone)) if send_on else now
    return first_daytime(
        max(due, now), zone, lambda day: day == send_on or calendar.is_working_day(day)
    )


def check_asking_time(at: dt.time) -> None:
    if not is_daytime(at):
        raise Refused("Choose a time between 7:00 and 20:00; nothing goes out by itself at night.", field="send_time")
