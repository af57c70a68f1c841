"""What is left to do: one definition for at risk, the dashboard and whatever looks ahead.

Left is what somebody said was left, less what was recorded since; else the estimate less what was recorded; else, where
there is no estimate, what such a step usually takes less what was recorded. Never below zero. Nothing is invisible: a
step without an owner counts on its work role, else on nobody; one without an estimate by its usual time; one without a
date on no day; each of these is said. `queries/load.py` has the sums and the steps behind them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from app.core.clock import today
from app.firm.calendars import WorkingCalendar
from app.people.models import Leave

NOTHING = dt.timedelta(0)
# Where nothing was ever recorded.
FIRM_DEFAULT = dt.timedelta(hours=1)
_USUAL = (
    "coalesce((SELECT u.takes FROM usual_time u WHERE (u.service_id = {job}.service_id OR u.service_id IS NULL)"
    " AND (u.step_key = {task}.step_key OR u.step_key IS NULL)"
    " ORDER BY u.service_id NULLS LAST, u.step_key NULLS LAST LIMIT 1), "
    f"{int(FIRM_DEFAULT.total_seconds())})"
)


def left_sql(task: str = "task", job: str = "job") -> str:
    """Seconds left of an open step, as SQL over a row of task and one of its job."""
    usual = _USUAL.format(task=task, job=job)
    return (
        f"greatest(CASE WHEN {task}.remaining IS NOT NULL"
        f" THEN {task}.remaining - ({task}.spent - {task}.remaining_spent)"
        f" ELSE CASE WHEN {task}.estimate IS NOT NULL THEN {task}.estimate ELSE {usual} END - {task}.spent END, 0)"
    )


@dataclass(frozen=True)
class Hours:
    """When people work and what they have promised: minutes of a week from a date on, days off of their office, leave,
    and the work left by due date."""

    names: Mapping[UUID, str] = field(default_factory=dict)
    patterns: Mapping[UUID, Sequence[tuple[dt.date, list[int]]]] = field(default_factory=dict)
    promised: Mapping[UUID, Sequence[tuple[dt.date, dt.timedelta]]] = field(default_factory=dict)
    calendars: Mapping[UUID, WorkingCalendar] = field(default_factory=dict)
    leave: Mapping[UUID, Sequence[Leave]] = field(default_factory=dict)

    def worked(self, person: UUID, day: dt.date) -> dt.timedelta:
        """What they work on a day: their pattern, unless their office is closed, less leave."""
        if self._why_closed(person, day):
            return NOTHING
        return dt.timedelta(minutes=self._usual(person, day) * (1 - self._away(person, day)))

    def why_less(self, person: UUID, day: dt.date) -> str:
        """Why they work less on a day than their pattern says: the holiday or closure, or leave; else nothing."""
        if not self._usual(person, day):
            return ""
        away = {0.0: "", 1.0: "Away"}.get(self._away(person, day), "Away half the day")
        return self._why_closed(person, day) or away

    def _usual(self, person: UUID, day: dt.date) -> int:
        """Minutes by their pattern."""
        week = next((week for from_on, week in reversed(self.patterns.get(person, ())) if from_on <= day), None)
        return week[day.weekday()] if week else 0

    def _away(self, person: UUID, day: dt.date) -> float:
        return min(sum(each.share_of(day) for each in self.leave.get(person, ())), 1.0)

    def _why_closed(self, person: UUID, day: dt.date) -> str:
        calendar = self.calendars.get(person)
        return (calendar.why_closed(day) or "") if calendar else ""

    def works(self, person: UUID, start: dt.date, until: dt.date) -> dt.timedelta:
        """From one day to another, both included."""
        days = range((until - start).days + 1)
        return sum((self.worked(person, start + dt.timedelta(days=n)) for n in days), NOTHING)

    def free(self, person: UUID, until: dt.date, own: dt.timedelta) -> dt.timedelta:
        """Their hours from today to the day, less what else they have promised by then; `own` is not else."""
        others = sum((left for due, left in self.promised.get(person, ()) if due <= until), NOTHING) - own
        return self.works(person, today(), until) - max(others, NOTHING)
