"""The task graph as plain data: cycles, order, and what is ready. Ids may be anything hashable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from app.firm.calendars import WorkingCalendar

Id = TypeVar("Id", bound=Hashable)


class GraphCycle(ValueError, Generic[Id]):
    """Tasks that wait for each other; `path` begins and ends with the same one."""

    def __init__(self, path: list[Id]) -> None:
        super().__init__("These wait for each other: " + " → ".join(map(str, path)) + ".")
        self.path = path


@dataclass(frozen=True)
class Edge(Generic[Id]):
    """`after` comes after `before`, with a lag in working days. Soft edges move dates but hold nothing back."""

    before: Id
    after: Id
    hard: bool = True
    lag_days: int = 0


@dataclass(frozen=True)
class Blocker(Generic[Id]):
    """What a task waits for: a predecessor that is not done, or the day when its lag has passed."""

    task: Id
    until: date | None = None


def find_cycle(edges: Iterable[Edge[Id]], *, adding: Edge[Id] | None = None) -> list[Id] | None:
    """A cycle as [a, b, c, a], or None. With `adding`, the cycle that this edge would close."""
    if adding is None:
        return _any_cycle(_successors(edges))
    path = find_path(edges, adding.after, adding.before)
    return None if path is None else [adding.before, *path]


def describe_cycle(path: list[Id], names: Mapping[Id, str]) -> str:
    """Bookkeeping → Review → Bookkeeping."""
    return " → ".join(names.get(task, str(task)) for task in path)


def topological_order(ids: Iterable[Id], edges: Iterable[Edge[Id]]) -> list[Id]:
    """Each after all that it waits for, else as given. Edges to unknown ids are passed over; raises GraphCycle."""
    place = {task: number for number, task in enumerate(dict.fromkeys(ids))}
    known = [edge for edge in edges if edge.before in place and edge.after in place]
    after, waits = _successors(known), dict.fromkeys(place, 0)
    for edge in known:
        waits[edge.after] += 1
    names = list(place)
    free = [place[task] for task, count in waits.items() if count == 0]
    heapify(free)
    order: list[Id] = []
    while free:
        task = names[heappop(free)]
        order.append(task)
        for following in after.get(task, ()):
            waits[following] -= 1
            if waits[following] == 0:
                heappush(free, place[following])
    if len(order) < len(place):
        cycle = _any_cycle(after)
        assert cycle is not None
        raise GraphCycle(cycle)
    return order


def blockers(
    task: Id,
    edges: Iterable[Edge[Id]],
    done_on: Mapping[Id, date],
    *,
    on: date,
    calendar: WorkingCalendar | None = None,
) -> list[Blocker[Id]]:
    """What keeps the task from starting on a day; nothing means ready. `done_on` holds the done and the cancelled.

    Only hard edges hold back. A lag counts working days after completion, calendar days without a calendar."""
    found = []
    for edge in edges:
        if edge.after != task or not edge.hard:
            continue
        done = done_on.get(edge.before)
        if done is None:
            found.append(Blocker(edge.before))
        elif (until := _lag_passed(done, edge.lag_days, calendar)) > on:
            found.append(Blocker(edge.before, until))
    return found


def ready_tasks(
    ids: Iterable[Id],
    edges: Iterable[Edge[Id]],
    done_on: Mapping[Id, date],
    *,
    on: date,
    calendar: WorkingCalendar | None = None,
) -> set[Id]:
    """The tasks not done that nothing keeps from starting."""
    into: dict[Id, list[Edge[Id]]] = defaultdict(list)
    for edge in edges:
        into[edge.after].append(edge)
    return {
        task
        for task in ids
        if task not in done_on and not blockers(task, into[task], done_on, on=on, calendar=calendar)
    }


def successors(task: Id, edges: Iterable[Edge[Id]]) -> list[Id]:
    return list(dict.fromkeys(edge.after for edge in edges if edge.before == task))


def descendants(task: Id, edges: Iterable[Edge[Id]]) -> list[Id]:
    """Everything that comes after it, near before far."""
    after, found, waiting = _successors(edges), dict[Id, None](), [task]
    for current in waiting:
        for following in after.get(current, ()):
            if following not in found and following != task:
                found[following] = None
                waiting.append(following)
    return list(found)


def _lag_passed(done: date, lag_days: int, calendar: WorkingCalendar | None) -> date:
    if calendar is None or lag_days == 0:
        return done + timedelta(days=lag_days)
    return calendar.add_working_days(done, lag_days)


def _successors(edges: Iterable[Edge[Id]]) -> dict[Id, list[Id]]:
    after: dict[Id, list[Id]] = defaultdict(list)
    for edge in edges:
        after[edge.before].append(edge.after)
    return dict(after)


def find_path(edges: Iterable[Edge[Id]], start: Id, goal: Id) -> list[Id] | None:
    """The shortest way along the edges, both ends included."""
    after = _successors(edges)
    came_from: dict[Id, Id | None] = {start: None}
    waiting = [start]
    for current in waiting:
        if current == goal:
            break
        for following in after.get(current, ()):
            if following not in came_from:
                came_from[following] = current
                waiting.append(following)
    if goal not in came_from:
        return None
    path, step = [goal], came_from[goal]
    while step is not None:
        path.append(step)
        step = came_from[step]
    return path[::-1]


def _any_cycle(after: Mapping[Id, list[Id]]) -> list[Id] | None:
    """Depth first without recursion: a chain of a thousand tasks is no reason to fail."""
    finished: set[Id] = set()
    for first in after:
        if first in finished:
            continue
        trail, place = [(first, iter(after.get(first, ())))], {first: 0}
        while trail:
            task, rest = trail[-1]
            following = next(rest, None)
            if following is None:
                trail.pop()
                del place[task]
                finished.add(task)
            elif following in place:
                return [name for name, _ in trail[place[following] :]] + [following]
            elif following not in finished:
                place[following] = len(trail)
                trail.append((following, iter(after.get(following, ()))))
    return None
