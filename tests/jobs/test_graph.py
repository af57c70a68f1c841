"""The task graph: cycles, order and readiness, each against its plain definition."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalogue.graph import (
    Blocker,
    Edge,
    GraphCycle,
    blockers,
    descendants,
    describe_cycle,
    find_cycle,
    ready_tasks,
    successors,
    topological_order,
)
from app.firm.calendars import calendar_for

ENGLAND = calendar_for("GB-ENG")
FRIDAY = date(2026, 11, 20)
IDS = st.integers(0, 9)
EDGES = st.lists(
    st.builds(Edge, IDS, IDS, st.booleans(), st.integers(0, 5)).filter(lambda edge: edge.before != edge.after),
    max_size=20,
)


def reaches(edges: list[Edge[int]], start: int, goal: int) -> bool:
    seen, grown = {start}, True
    while grown:
        more = {edge.after for edge in edges if edge.before in seen}
        grown, seen = not more <= seen, seen | more
    return goal in seen


def is_closed_walk(path: list[int], edges: list[Edge[int]]) -> bool:
    pairs = {(edge.before, edge.after) for edge in edges}
    return path[0] == path[-1] and len(path) > 1 and all(pair in pairs for pair in zip(path, path[1:], strict=False))


def test_a_dependency_that_would_close_a_cycle_is_shown_with_its_path_by_name() -> None:
    edges = [Edge("books", "draft"), Edge("draft", "review"), Edge("other", "review")]
    path = find_cycle(edges, adding=Edge("review", "books"))
    assert path == ["review", "books", "draft", "review"]
    names = {"books": "Bookkeeping", "draft": "Draft accounts", "review": "Review"}
    assert describe_cycle(path, names) == "Review → Bookkeeping → Draft accounts → Review"
    assert find_cycle(edges, adding=Edge("books", "review")) is None
    assert find_cycle([], adding=Edge("books", "books")) == ["books", "books"]


@given(EDGES, IDS, IDS)
def test_an_edge_closes_a_cycle_exactly_when_its_end_already_leads_to_its_beginning(
    edges: list[Edge[int]], before: int, after: int
) -> None:
    adding = Edge(before, after)
    path = find_cycle(edges, adding=adding)
    assert (path is not None) == reaches(edges, after, before)
    assert path is None or is_closed_walk(path, [*edges, adding])


@given(EDGES)
def test_a_graph_built_of_edges_that_close_no_cycle_never_has_one(edges: list[Edge[int]]) -> None:
    kept: list[Edge[int]] = []
    for edge in edges:
        if find_cycle(kept, adding=edge) is None:
            kept.append(edge)
    assert find_cycle(kept) is None
    order = topological_order(range(10), kept)
    assert sorted(order) == list(range(10))
    assert all(order.index(edge.before) < order.index(edge.after) for edge in kept)


@given(EDGES)
def test_a_cycle_is_found_exactly_when_there_is_one(edges: list[Edge[int]]) -> None:
    path = find_cycle(edges)
    assert (path is not None) == any(reaches(edges, edge.after, edge.before) for edge in edges)
    if path is not None:
        assert is_closed_walk(path, edges)
        with pytest.raises(GraphCycle) as refused:
            topological_order(range(10), edges)
        assert is_closed_walk(refused.value.path, edges)


def test_a_long_chain_is_no_trouble() -> None:
    chain = [Edge(n, n + 1) for n in range(5000)]
    assert find_cycle(chain) is None
    assert len(find_cycle(chain, adding=Edge(5000, 0)) or []) == 5002
    assert find_cycle([*chain, Edge(5000, 0)])


def test_tasks_without_order_between_them_stay_as_given() -> None:
    assert topological_order(["c", "a", "b"], [Edge("a", "gone"), Edge("b", "a")]) == ["c", "b", "a"]


# --- readiness


def test_finishing_a_task_readies_its_successors() -> None:
    edges = [Edge("a", "b"), Edge("c", "b")]
    assert ready_tasks("abc", edges, {}, on=FRIDAY) == {"a", "c"}
    assert ready_tasks("abc", edges, {"a": FRIDAY}, on=FRIDAY) == {"c"}
    assert ready_tasks("abc", edges, {"a": FRIDAY, "c": FRIDAY}, on=FRIDAY) == {"b"}


def test_a_lag_counts_working_days_after_completion() -> None:
    edges = [Edge("a", "b", lag_days=2)]
    tuesday = date(2026, 11, 24)
    for day in (FRIDAY, date(2026, 11, 23)):
        assert blockers("b", edges, {"a": FRIDAY}, on=day, calendar=ENGLAND) == [Blocker("a", tuesday)]
    assert blockers("b", edges, {"a": FRIDAY}, on=tuesday, calendar=ENGLAND) == []
    assert blockers("b", edges, {}, on=tuesday, calendar=ENGLAND) == [Blocker("a")]


def test_a_soft_dependency_holds_nothing_back() -> None:
    assert ready_tasks("ab", [Edge("a", "b", hard=False)], {}, on=FRIDAY) == {"a", "b"}


@given(EDGES, st.dictionaries(IDS, st.integers(-9, 0)), st.sampled_from([None, ENGLAND]))
def test_ready_means_not_done_and_every_hard_predecessor_done_with_its_lag_passed(
    edges: list[Edge[int]], done: dict[int, int], calendar: object
) -> None:
    done_on = {task: FRIDAY + timedelta(days=ago) for task, ago in done.items()}

    def passed(edge: Edge[int]) -> bool:
        day, left = done_on[edge.before], edge.lag_days
        while left:
            day += timedelta(days=1)
            left -= calendar is None or ENGLAND.is_working_day(day)
        return day <= FRIDAY

    expected = {
        task
        for task in range(10)
        if task not in done_on and all(e.before in done_on and passed(e) for e in edges if e.after == task and e.hard)
    }
    assert ready_tasks(range(10), edges, done_on, on=FRIDAY, calendar=calendar) == expected  # type: ignore[arg-type]


def test_what_comes_after_a_task_is_found_near_before_far() -> None:
    edges = [Edge("a", "b"), Edge("b", "c"), Edge("a", "d"), Edge("x", "a")]
    assert successors("a", edges) == ["b", "d"]
    assert descendants("a", edges) == ["b", "d", "c"]
