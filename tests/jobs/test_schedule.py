"""The critical path, against a brute-force definition over every chain."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from app.catalogue.graph import Edge
from app.firm.calendars import calendar_for
from app.jobs.schedule import Work, schedule

ENGLAND = calendar_for("GB-ENG")
MONDAY = date(2026, 11, 23)
DAY = 450


def test_the_longest_chain_is_critical_and_the_rest_has_slack() -> None:
    tasks = {"books": Work(2 * DAY), "bank": Work(60), "draft": Work(DAY), "review": Work(120)}
    edges = [Edge("books", "draft"), Edge("bank", "draft"), Edge("draft", "review")]
    found = schedule(tasks, edges, today=MONDAY, due=date(2026, 11, 27), calendar=ENGLAND)
    assert found.critical_path == ["books", "draft", "review"]
    assert found.finish == date(2026, 11, 26)
    assert [task for task, slot in found.slots.items() if slot.critical] == ["books", "draft", "review"]
    books, bank = found.slots["books"], found.slots["bank"]
    assert (books.earliest_start, books.earliest_finish) == (MONDAY, date(2026, 11, 24))
    assert books.slack_minutes == 5 * DAY - (3 * DAY + 120)
    assert (books.latest_start, books.latest_finish) == (date(2026, 11, 24), date(2026, 11, 26))
    assert bank.slack_minutes == books.slack_minutes + 2 * DAY - 60


def test_a_task_that_must_have_begun_already_shows_a_latest_start_in_the_past() -> None:
    found = schedule({"a": Work(3 * DAY)}, [], today=MONDAY, due=date(2026, 11, 24), calendar=ENGLAND)
    assert found.slots["a"].latest_start == date(2026, 11, 20)
    assert found.slots["a"].slack_minutes == -DAY


def test_weekends_and_holidays_are_skipped() -> None:
    found = schedule({"a": Work(2 * DAY)}, [], today=date(2026, 12, 24), calendar=ENGLAND)
    assert found.finish == date(2026, 12, 29)


def test_a_lag_and_a_date_not_before_push_the_start() -> None:
    tasks = {"a": Work(DAY), "b": Work(DAY), "c": Work(DAY, not_before=date(2026, 12, 1))}
    found = schedule(tasks, [Edge("a", "b", hard=False, lag_days=2)], today=MONDAY, calendar=ENGLAND)
    assert found.slots["b"].earliest_start == date(2026, 11, 26)
    assert found.slots["c"].earliest_start == date(2026, 12, 1)


def test_a_tasks_own_due_date_binds_all_before_it() -> None:
    tasks = {"a": Work(DAY), "b": Work(DAY, due=date(2026, 11, 24)), "c": Work(DAY)}
    found = schedule(tasks, [Edge("a", "b"), Edge("b", "c")], today=MONDAY, due=date(2026, 12, 31), calendar=ENGLAND)
    assert found.slots["a"].slack_minutes == found.slots["b"].slack_minutes == 0
    assert found.slots["c"].slack_minutes > 0


def test_done_work_takes_no_time_and_an_empty_job_is_finished_today() -> None:
    found = schedule({"a": Work(0), "b": Work(60)}, [Edge("a", "b")], today=MONDAY, calendar=ENGLAND)
    assert found.slots["a"].earliest_finish == found.slots["b"].earliest_finish == MONDAY
    assert schedule({}, [], today=MONDAY, calendar=ENGLAND).finish == MONDAY


def test_an_absurd_estimate_still_gives_a_date() -> None:
    assert schedule({"a": Work(10**12)}, [], today=MONDAY, calendar=ENGLAND).finish.year < 2100


GRAPHS = st.tuples(
    st.lists(st.integers(0, 900), min_size=1, max_size=7),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 2)), max_size=10),
)


@given(GRAPHS)
def test_start_finish_and_slack_agree_with_walking_every_chain(
    graph: tuple[list[int], list[tuple[int, int, int]]],
) -> None:
    minutes, links = graph
    tasks = {n: Work(length) for n, length in enumerate(minutes)}
    edges = [Edge(a, b, lag_days=lag) for a, b, lag in links if a < b < len(minutes)]

    def to_finish(task: int) -> int:
        """The longest chain that ends with the task, itself included."""
        before = [to_finish(e.before) + e.lag_days * DAY for e in edges if e.after == task]
        return minutes[task] + max(before, default=0)

    def from_finish(task: int) -> int:
        """The longest chain after the task, without it."""
        return max(
            (from_finish(e.after) + minutes[e.after] + e.lag_days * DAY for e in edges if e.before == task), default=0
        )

    end = max(map(to_finish, tasks))
    found = schedule(tasks, edges, today=MONDAY, calendar=ENGLAND)
    for task, slot in found.slots.items():
        assert slot.slack_minutes == end - from_finish(task) - to_finish(task) >= 0
        assert slot.critical == (slot.slack_minutes == 0)
        assert slot.earliest_start <= slot.earliest_finish <= slot.latest_finish
        assert slot.earliest_start <= slot.latest_start <= slot.latest_finish
    assert all(found.slots[task].critical for task in found.critical_path)
    assert found.slots[found.critical_path[-1]].earliest_finish == found.finish
    for one, other in zip(found.critical_path, found.critical_path[1:], strict=False):
        assert any((edge.before, edge.after) == (one, other) for edge in edges)


@given(GRAPHS, st.integers(0, 30))
def test_a_later_due_date_never_takes_slack_away(
    graph: tuple[list[int], list[tuple[int, int, int]]], later: int
) -> None:
    minutes, links = graph
    tasks = {n: Work(length) for n, length in enumerate(minutes)}
    edges = [Edge(a, b, lag_days=lag) for a, b, lag in links if a < b < len(minutes)]
    near = schedule(tasks, edges, today=MONDAY, due=MONDAY, calendar=ENGLAND)
    far = schedule(tasks, edges, today=MONDAY, due=ENGLAND.add_working_days(MONDAY, later), calendar=ENGLAND)
    for task in tasks:
        assert far.slots[task].slack_minutes - near.slots[task].slack_minutes == later * DAY
