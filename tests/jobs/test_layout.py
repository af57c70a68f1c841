"""Drawing the task graph."""

from __future__ import annotations

import time
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalogue.graph import Edge, GraphCycle
from app.jobs.layout import COLUMN, ROW, layout

EDGES = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda pair: pair[0] < pair[1]), max_size=30)


def test_a_chain_is_a_straight_line() -> None:
    found = layout("abc", [Edge("a", "b"), Edge("b", "c")])
    assert [(p.x, p.y) for p in found.positions.values()] == [(0, 0), (COLUMN, 0), (2 * COLUMN, 0)]
    assert (found.width, found.height) == (2 * COLUMN, 0)


def test_a_fork_stands_symmetrical_about_its_stem() -> None:
    found = layout("abcd", [Edge("a", "b"), Edge("a", "c"), Edge("b", "d"), Edge("c", "d")]).positions
    assert found["a"].y == found["d"].y == (found["b"].y + found["c"].y) / 2
    assert abs(found["b"].y - found["c"].y) == ROW


def test_crossings_that_can_be_undone_are_undone() -> None:
    edges = [Edge("a", "y"), Edge("b", "x"), Edge("c", "z")]
    found = layout(["a", "b", "c", "x", "y", "z"], edges).positions
    assert crossings([(found[e.before].y, found[e.after].y) for e in edges]) == 0


def crossings(pairs: list[tuple[float, float]]) -> int:
    return sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(pairs, 2))


@given(EDGES)
def test_every_edge_points_right_and_no_two_boxes_touch(pairs: list[tuple[int, int]]) -> None:
    edges = [Edge(*pair) for pair in pairs]
    found = layout(range(15), edges)
    spots = found.positions
    assert all(spots[e.before].layer < spots[e.after].layer for e in edges)
    for one, other in combinations(spots.values(), 2):
        if one.layer == other.layer:
            assert abs(one.y - other.y) >= ROW - 0.5
            assert (one.row < other.row) == (one.y < other.y)
    assert all(0 <= p.x <= found.width and 0 <= p.y <= found.height for p in spots.values())


@given(EDGES)
def test_every_edge_is_drawn_once_from_box_to_box_through_each_layer_between(pairs: list[tuple[int, int]]) -> None:
    edges = [Edge(*pair) for pair in pairs]
    found = layout(range(15), edges)
    assert len(found.routes) == len(set(pairs))
    for route in found.routes:
        start, end = found.positions[route.edge.before], found.positions[route.edge.after]
        assert route.points[0] == (start.x, start.y) and route.points[-1] == (end.x, end.y)
        assert [x for x, _ in route.points] == [n * COLUMN for n in range(start.layer, end.layer + 1)]


def test_nothing_to_draw_is_drawn() -> None:
    assert layout([], []).positions == {}
    assert layout(["a", "b"], []).height == ROW


def test_a_cycle_cannot_be_drawn() -> None:
    with pytest.raises(GraphCycle):
        layout("ab", [Edge("a", "b"), Edge("b", "a")])


@pytest.mark.parametrize("reach", [8, 499])
def test_five_hundred_tasks_are_laid_out_quickly(reach: int) -> None:
    random = Random(7)
    edges = [Edge(n, min(499, n + random.randint(1, reach))) for n in range(499) for _ in range(2)]
    begun = time.process_time()
    found = layout(range(500), edges)
    assert time.process_time() - begun < 2
    assert len(found.positions) == 500
