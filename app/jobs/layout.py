"""Where to draw the tasks of a graph: layers from left to right, few crossings, edges nearly straight.

A light form of Sugiyama's method: longest-path layers, places held open for edges that pass a layer, barycentre
sweeps for the order, and then positions as near to the neighbours' mean as the order and the spacing allow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic

from app.catalogue.graph import Edge, Id, topological_order

SWEEPS = 6
MOST_PASSING = 3000
COLUMN, ROW = 240.0, 84.0


@dataclass(frozen=True)
class Position:
    """`layer` and `row` count from 0; `x` and `y` are the middle of the box."""

    layer: int
    row: int
    x: float
    y: float


@dataclass(frozen=True)
class Route(Generic[Id]):
    """An edge and the points that it is drawn through, the middles of both boxes included."""

    edge: Edge[Id]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Layout(Generic[Id]):
    """`width` and `height` go from the first middle to the last."""

    positions: dict[Id, Position]
    routes: list[Route[Id]]
    width: float
    height: float


def layout(ids: Iterable[Id], edges: Iterable[Edge[Id]], *, column: float = COLUMN, row: float = ROW) -> Layout[Id]:
    """The same input gives the same drawing. Raises GraphCycle."""
    tasks = list(dict.fromkeys(ids))
    known = list({(e.before, e.after): e for e in edges if e.before in set(tasks) and e.after in set(tasks)}.values())
    place = {task: number for number, task in enumerate(tasks)}
    layer_of = _layers(tasks, known)
    net = _Net([layer_of[task] for task in tasks])
    chains = [net.connect(place[edge.before], place[edge.after]) for edge in known]
    net.sort()
    height = net.settle()
    spots = [(layer * column, y * row) for layer, y in zip(net.layer, height, strict=True)]
    rows = {node: number for layer in net.order for number, node in enumerate(n for n in layer if n < len(tasks))}
    positions = {task: Position(layer_of[task], rows[place[task]], *spots[place[task]]) for task in tasks}
    routes = [Route(edge, tuple(spots[node] for node in chain)) for edge, chain in zip(known, chains, strict=True)]
    return Layout(positions, routes, max((x for x, _ in spots), default=0.0), max((y for _, y in spots), default=0.0))


def _layers(tasks: list[Id], edges: list[Edge[Id]]) -> dict[Id, int]:
    """The longest way to each task; one that waits for nothing stands close to what waits for it."""
    layer = dict.fromkeys(tasks, 0)
    into, out = defaultdict(list), defaultdict(list)
    for edge in edges:
        into[edge.after].append(edge.before)
        out[edge.before].append(edge.after)
    for task in topological_order(tasks, edges):
        layer[task] = max((layer[before] + 1 for before in into[task]), default=0)
    for task in tasks:
        if not into[task] and out[task]:
            layer[task] = min(layer[after] for after in out[task]) - 1
    return layer


class _Net:
    """Nodes by number, first the tasks and then the places that edges pass; edges join neighbouring layers."""

    def __init__(self, layer: list[int]) -> None:
        self.layer = layer
        self.passing = 0
        self.left: defaultdict[int, list[int]] = defaultdict(list)
        self.right: defaultdict[int, list[int]] = defaultdict(list)
        self.order: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
        for node, number in enumerate(layer):
            self.order[number].append(node)

    def connect(self, before: int, after: int) -> list[int]:
        """The nodes that the edge goes through. Past a limit, long edges go straight and hold no place."""
        gap = self.layer[after] - self.layer[before] - 1
        chain = [before]
        if self.passing + gap <= MOST_PASSING:
            self.passing += gap
            for number in range(self.layer[before] + 1, self.layer[after]):
                chain.append(len(self.layer))
                self.order[number].append(len(self.layer))
                self.layer.append(number)
        chain.append(after)
        for one, other in zip(chain, chain[1:], strict=False):
            self.right[one].append(other)
            self.left[other].append(one)
        return chain

    def sort(self) -> None:
        """Sweeps to and fro, each layer by the mean place of its neighbours; the best order found is kept."""
        best, fewest = [list(layer) for layer in self.order], self._crossings()
        for sweep in range(SWEEPS):
            if fewest == 0:
                break
            forward = sweep % 2 == 0
            near = self.left if forward else self.right
            place = self._places()
            for layer in self.order if forward else reversed(self.order):
                _sort_layer(layer, near, place)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(layer) for layer in self.order], crossings
        self.order = best

    def _places(self) -> dict[int, float]:
        """Between 0 and 1 within the layer, so that layers of different size can be compared."""
        return {node: (n + 0.5) / len(layer) for layer in self.order for n, node in enumerate(layer)}

    def _crossings(self) -> int:
        place = {node: number for layer in self.order for number, node in enumerate(layer)}
        total = 0
        for layer in self.order:
            ends = [place[other] for node in layer for other in sorted(self.right[node], key=place.__getitem__)]
            total += _inversions(ends)
        return total

    def settle(self) -> list[float]:
        """Each node's height in rows, the topmost at 0."""
        height = [0.0] * len(self.layer)
        for layer in self.order:
            for number, node in enumerate(layer):
                height[node] = number - (len(layer) - 1) / 2
        for sweep in range(SWEEPS):
            for layer in self.order if sweep % 2 == 0 else reversed(self.order):
                wanted = [
                    _mean([height[other] for other in self.left[node] + self.right[node]], height[node])
                    for node in layer
                ]
                for node, y in zip(layer, _spaced(wanted), strict=True):
                    height[node] = y
        top = min(height, default=0.0)
        return [round(y - top, 3) for y in height]


def _sort_layer(layer: list[int], near: defaultdict[int, list[int]], place: dict[int, float]) -> None:
    layer.sort(key=lambda node: _mean([place[other] for other in near[node]], place[node]))
    place.update({node: (n + 0.5) / len(layer) for n, node in enumerate(layer)})


def _spaced(wanted: Sequence[float]) -> list[float]:
    """The heights nearest to those wanted, in the same order and at least one row apart (least squares)."""
    blocks: list[tuple[float, int]] = []
    for number, y in enumerate(wanted):
        total, count = y - number, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            before = blocks.pop()
            total, count = total + before[0], count + before[1]
        blocks.append((total, count))
    level = [total / count for total, count in blocks for _ in range(count)]
    return [y + number for number, y in enumerate(level)]


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _inversions(values: list[int]) -> int:
    """Pairs in the wrong order, by merging."""
    if len(values) < 2:
        return 0
    middle = len(values) // 2
    left, right = values[:middle], values[middle:]
    total, at = _inversions(left) + _inversions(right), 0
    left.sort()
    right.sort()
    for value in left:
        while at < len(right) and right[at] < value:
            at += 1
        total += at
    return total
