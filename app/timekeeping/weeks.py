"""A week of somebody's time against the hours that they are here for."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import reduce
from uuid import UUID

import sqlalchemy as sa

from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.firm.calendars import calendar_for
from app.firm.models import Closure, Office
from app.people.models import Person, WorkingPattern
from app.timekeeping.queries import DaySum, sum_by_day
from app.timekeeping.too_much import too_much

ZERO = dt.timedelta()


@dataclass(frozen=True)
class WeekDay:
    """What was recorded on a day beside what the working pattern expects; a closed day expects nothing."""

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
    """The week that the day lies in; three queries."""
    first = monday_of(day)
    sums = sum_by_day(person_id, first, first + dt.timedelta(days=6), seen_by=seen_by)
    expected = expected_by_day(person_id, first, first + dt.timedelta(days=6))
    return Week(tuple(WeekDay(each, *expected[each.day]) for each in sums))


def expected_by_day(person_id: UUID, first: dt.date, last: dt.date) -> dict[dt.date, tuple[dt.timedelta, str]]:
    """Hours by the working pattern, and why a day is closed by the calendar of the person's office."""
    office = db.session.execute(
        sa.select(Office.id, Office.calendar).join(Person, Person.office_id == Office.id).where(Person.id == person_id)
    ).one()
    patterns = db.session.execute(
        sa.select(WorkingPattern.from_on, WorkingPattern.minutes)
        .where(WorkingPattern.person_id == person_id, WorkingPattern.from_on <= last)
        .order_by(WorkingPattern.from_on.desc())
        .limit(20)
    ).all()
    closures = db.session.scalars(
        sa.select(Closure.closed_on).where(
            Closure.closed_on.between(first, last), sa.or_(Closure.office_id.is_(None), Closure.office_id == office.id)
        )
    ).all()
    calendar = calendar_for(office.calendar, closures=closures)
    expected = {}
    for day in (first + dt.timedelta(days=n) for n in range((last - first).days + 1)):
        minutes = next((row.minutes for row in patterns if row.from_on <= day), [0] * 7)[day.weekday()]
        why = (calendar.why_closed(day) or "") if minutes else ""
        expected[day] = (ZERO if why else dt.timedelta(minutes=minutes), why)
    return expected
