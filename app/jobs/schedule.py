"""The critical path: when each task can and must start and finish, in working time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Generic

from app.catalogue.graph import Edge, Id, topological_order
from app.firm.calendars import WorkingCalendar

MINUTES_PER_DAY = 450
MOST_DAYS = 5200
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Work:
    """What is left of a task, in minutes; nothing once it is done. `due` is a date of its own, if it has one."""

    remaining_minutes: int
    due: date | None = None
    not_before: date | None = None


@dataclass(frozen=True)
class Slot:
    """`slack_minutes` is working time to spare before a due date is missed; below zero one will be.
    `critical`: any delay of this task delays the whole."""

    earliest_start: date
    earliest_finish: date
    latest_start: date
    latest_finish: date
    slack_minutes: int
    critical: bool


@dataclass(frozen=True)
class Schedule(Generic[Id]):
    slots: dict[Id, Slot]
    finish: date
    critical_path: list[Id]


def schedule(
    tasks: Mapping[Id, Work],
    edges: Iterable[Edge[Id]],
    *,
    today: date,
    calendar: WorkingCalendar,
    due: date | None = None,
    minutes_per_day: int = MINUTES_PER_DAY,
) -> Schedule[Id]:
    """Every task as early, and as late, as the graph allows. Without a due date the latest dates lead to the finish.

    Edges of both kinds count; those to tasks that are not given are passed over. Raises GraphCycle."""
    days = _Days(today, calendar, minutes_per_day)
    order = topological_order(tasks, edges)
    known = [edge for edge in edges if edge.before in tasks and edge.after in tasks]
    starts = _forward(order, tasks, known, days)
    finishes = {task: starts[task] + tasks[task].remaining_minutes for task in order}
    end = max(finishes.values(), default=0)
    free = _backward(order, tasks, known, dict.fromkeys(order, end), days)
    goals = {task: _goal(tasks[task], due, end, days) for task in order}
    latest = _backward(order, tasks, known, goals, days)
    slots = {
        task: Slot(
            earliest_start=days.of_start(starts[task], tasks[task].remaining_minutes),
            earliest_finish=days.of_finish(finishes[task]),
            latest_start=days.of_start(latest[task] - tasks[task].remaining_minutes, tasks[task].remaining_minutes),
            latest_finish=days.of_finish(latest[task]),
            slack_minutes=latest[task] - finishes[task],
            critical=free[task] == finishes[task],
        )
        for task in order
    }
    return Schedule(slots, days.of_finish(end), _longest_chain(order, starts, finishes, known, tasks, days))


def _forward(order: list[Id], tasks: Mapping[Id, Work], edges: list[Edge[Id]], days: _Days) -> dict[Id, int]:
    into: dict[Id, list[Edge[Id]]] = defaultdict(list)
    for edge in edges:
        into[edge.after].append(edge)
    starts: dict[Id, int] = {}
    for task in order:
        begin = days.start_of(tasks[task].not_before)
        for edge in into[task]:
            begin = max(begin, starts[edge.before] + tasks[edge.before].remaining_minutes + days.lag(edge.lag_days))
        starts[task] = begin
    return starts


def _backward(
    order: list[Id], tasks: Mapping[Id, Work], edges: list[Edge[Id]], goals: Mapping[Id, int], days: _Days
) -> dict[Id, int]:
    """The latest finish of each task that still lets all after it meet their goals."""
    latest = dict(goals)
    out: dict[Id, list[Edge[Id]]] = defaultdict(list)
    for edge in edges:
        out[edge.before].append(edge)
    for task in reversed(order):
        for edge in out[task]:
            begin = latest[edge.after] - tasks[edge.after].remaining_minutes - days.lag(edge.lag_days)
            latest[task] = min(latest[task], begin)
    return latest


def _goal(work: Work, due: date | None, end: int, days: _Days) -> int:
    own = [days.end_of(day) for day in (work.due, due) if day is not None]
    return min(own, default=end)


def _longest_chain(
    order: list[Id],
    starts: Mapping[Id, int],
    finishes: Mapping[Id, int],
    edges: list[Edge[Id]],
    tasks: Mapping[Id, Work],
    days: _Days,
) -> list[Id]:
    """Back from the task that finishes last, each time to the one that it had to wait for."""
    if not order:
        return []
    into: dict[Id, list[Edge[Id]]] = defaultdict(list)
    for edge in edges:
        into[edge.after].append(edge)
    path = [max(order, key=lambda task: (finishes[task], tasks[task].remaining_minutes))]
    while True:
        now = path[-1]
        waited = [edge.before for edge in into[now] if finishes[edge.before] + days.lag(edge.lag_days) == starts[now]]
        if not waited:
            return path[::-1]
        path.append(waited[0])


class _Days:
    """Between dates and working minutes from the beginning of the first working day from today on."""

    def __init__(self, today: date, calendar: WorkingCalendar, minutes_per_day: int) -> None:
        self.calendar = calendar
        self.per_day = minutes_per_day
        self.first = calendar.roll_forward(today)
        self.ahead = [self.first]
        self.behind = [self.first]

    def lag(self, lag_days: int) -> int:
        return lag_days * self.per_day

    def start_of(self, day: date | None) -> int:
        """Never before today."""
        return 0 if day is None or day <= self.first else self._working_days(day) * self.per_day

    def end_of(self, day: date) -> int:
        return self._working_days(day + _DAY) * self.per_day

    def of_start(self, minute: int, length: int) -> date:
        return self._nth(minute // self.per_day) if length else self.of_finish(minute)

    def of_finish(self, minute: int) -> date:
        """A finish at the end of a day belongs to that day; nothing to do is finished on the first."""
        return self._nth((minute - 1) // self.per_day if minute else 0)

    def _working_days(self, day: date) -> int:
        if day >= self.first:
            return self.calendar.count_working_days(self.first, min(day, self.first + 2 * MOST_DAYS * _DAY))
        return -self.calendar.count_working_days(max(day, self.first - 2 * MOST_DAYS * _DAY), self.first)

    def _nth(self, index: int) -> date:
        index = max(-MOST_DAYS, min(MOST_DAYS, index))
        known, move = (
            (self.ahead, self.calendar.next_working_day)
            if index >= 0
            else (self.behind, self.calendar.previous_working_day)
        )
        while len(known) <= abs(index):
            known.append(move(known[-1]))
        return known[abs(index)]
