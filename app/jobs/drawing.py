"""The task graph as shapes for an SVG: boxes with two lines of text, curved edges."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.catalogue.graph import Edge
from app.jobs.layout import layout
from app.jobs.queries.jobs import TaskRow

WIDTH, HEIGHT, PAD = 176.0, 52.0, 12.0
COLUMN, ROW = 228.0, 68.0
LINE = 25


@dataclass(frozen=True)
class Node:
    task: TaskRow
    x: float
    y: float
    lines: tuple[str, ...]
    note: str
    is_critical: bool


@dataclass(frozen=True)
class Line:
    path: str
    is_critical: bool
    is_soft: bool


@dataclass(frozen=True)
class Drawing:
    width: float
    height: float
    nodes: Sequence[Node]
    lines: Sequence[Line]


def draw(tasks: Sequence[TaskRow], edges: Sequence[Edge[UUID]], critical: Collection[UUID]) -> Drawing | None:
    """Nothing when no step comes after another: a list says it better."""
    if not edges:
        return None
    tied = {id_ for edge in edges for id_ in (edge.before, edge.after)}
    shown = [task for task in tasks if task.id in tied]
    plan = layout([task.id for task in shown], edges, column=COLUMN, row=ROW)
    left, top = WIDTH / 2 + PAD, HEIGHT / 2 + PAD
    nodes = []
    for task in shown:
        place = plan.positions[task.id]
        x, y = place.x + left - WIDTH / 2, place.y + top - HEIGHT / 2
        nodes.append(Node(task, x, y, _lines(task.name), _note(task), task.id in critical))
    lines = [
        _line(
            [(x + left, y + top) for x, y in route.points],
            route.edge.before in critical and route.edge.after in critical, not route.edge.hard,
        )
        for route in plan.routes
    ]
    return Drawing(plan.width + WIDTH + 2 * PAD, plan.height + HEIGHT + 2 * PAD, nodes, lines)


def _line(points: list[tuple[float, float]], is_critical: bool, is_soft: bool) -> Line:
    start = (points[0][0] + WIDTH / 2, points[0][1])
    end = (points[-1][0] - WIDTH / 2 - 6, points[-1][1])
    path = [f"M{start[0]:.0f} {start[1]:.0f}"]
    x, y = start
    for to_x, to_y in [*points[1:-1], end]:
        middle = (x + to_x) / 2
        path.append(f"C{middle:.0f} {y:.0f} {middle:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}")
        x, y = to_x, to_y
    return Line("".join(path), is_critical, is_soft)


def _lines(name: str) -> tuple[str, ...]:
    """At most two lines; what does not fit ends in an ellipsis, the whole name is the box's title."""
    lines = textwrap.wrap(name, LINE) or [""]
    if len(lines) > 2:
        rest = textwrap.shorten(" ".join(lines[1:]), LINE - 1, placeholder="…")
        lines = [lines[0], rest or lines[1][: LINE - 1] + "…"]
    return tuple(line[:LINE] for line in lines[:2])


def _note(task: TaskRow) -> str:
    who = task.assignee.split()[0] if task.assignee else "nobody yet"
    return f"{who} · {task.state.words}" if len(who) + len(task.state.words) < LINE else task.state.words
