"""A week of somebody's time against the hours that they are here for."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import reduce
from uuid import UUID

from app.core.actors import Actor
from app.core.clock import today
from app.jobs.queries.load import hours_of
from app.timekeeping.queries import DaySum, sum_by_day
from app.timekeeping.too_much import too_much

ZERO = dt.timedelta()


@dataclass(frozen=True)
class WeekDay:
    """What was recorded on a day beside what the working pattern expects; a closed day and leave expect less, and
    `closed` says why."""

    sums: DaySum
    expected: dt.timedelta
    closed: str = ""

    @property
    def day(self) -> dt.date:
        return self.sums.day

    @property
    def too_much(self) -> str:
        """What is odd about the sum of the day, if it is."""
        return too_much(self.day, self.sums.recorded)

    @property
    def missing(self) -> dt.timedelta:
        """What is not recorded of a day that is over."""
        return max(self.expected - self.sums.recorded, ZERO) if self.day < today() else ZERO


@dataclass(frozen=True)
class Week:
    """Seven days from a Monday."""

    days: tuple[WeekDay, ...]

    @property
    def first(self) -> dt.date:
        return self.days[0].day

    @property
    def last(self) -> dt.date:
        return self.days[-1].day

    def _sum(self, name: str) -> dt.timedelta:
        return reduce(lambda total, each: total + getattr(each.sums, name), self.days, ZERO)

    @property
    def recorded(self) -> dt.timedelta:
        return self._sum("recorded")

    @property
    def charged(self) -> dt.timedelta:
        return self._sum("charged")

    @property
    def billable(self) -> dt.timedelta:
        return self._sum("billable")

    @property
    def expected(self) -> dt.timedelta:
        return sum((day.expected for day in self.days), ZERO)

    @property
    def missing(self) -> dt.timedelta:
        return sum((day.missing for day in self.days), ZERO)


def monday_of(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=day.weekday())


def week_of(person_id: UUID, day: dt.date, *, seen_by: Actor) -> Week:
    """The week that the day lies in, against the hours that `jobs.load` counts as worked; a fixed number of queries."""
    first = monday_of(day)
    sums = sum_by_day(person_id, first, first + dt.timedelta(days=6), seen_by=seen_by)
    hours = hours_of([person_id], since=first, promised_too=False)
    return Week(tuple(
        WeekDay(each, hours.worked(person_id, each.day), hours.why_less(person_id, each.day)) for each in sums
    ))
