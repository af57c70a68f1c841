"""What the benchmark counts as a page, and what it writes down."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.browse import fragments_of
from tests.bench.fill.ids import Kind, bench_id
from tests.bench.measure import Found, Measured, _page_row, _row
from tests.bench.money import MONEY
from tests.bench.report import Report, Row


def test_a_page_counts_what_it_loads_by_itself_and_nothing_that_waits_for_a_click() -> None:
    html = """<div hx-get="/a" hx-trigger="load"></div><div hx-get="b?x=1" hx-trigger="revealed once"></div>
        <a hx-get="/c">Open</a><section hx-get="/d" hx-trigger="live"></section>"""
    assert fragments_of(html, "/jobs/1") == ["/a", "/jobs/b?x=1"]


def test_ids_rise_with_their_number_and_differ_by_kind() -> None:
    ids = [bench_id(Kind.TASK, n) for n in (0, 1, 70_000, 9_000_000)]
    assert ids == sorted(ids) and {i.version for i in ids} == {7}
    assert bench_id(Kind.TASK, 5) != bench_id(Kind.JOB, 5)


def test_a_page_falls_short_when_it_is_slow_or_heavy() -> None:
    floor, page = Measured([0.002], {1}, 100), Measured([0.007], {6}, 50_000)
    assert _row("My work", 100, page, floor, "", 4.0).ok is True
    assert _row("My work", 100, page, floor, "", 3.0).ok is False
    page.bytes = 60_001
    assert _row("My work", 100, page, floor, "", 4.0).ok is False
    assert _row("My work", 100, Measured(failure="answered 404"), floor, "", 4.0).ok is False


def test_a_narrower_list_is_told_beside_the_whole_one_and_a_past_day_is_held_to_two_seconds() -> None:
    pages = {page.name: page for page in MONEY}
    found: Found = {("receivables", 100): Measured([0.01], {5}, 100)}
    walled = _page_row(pages["receivables, before a wall"], 100, Measured([0.04], {7}, 100), found)
    assert (walled.ratio, walled.ok, walled.goal) == (4.0, None, "beside receivables")
    past = pages["receivables, past day"]
    assert _page_row(past, 100, Measured([1.9], {4}, 100), found).ok is True
    assert _page_row(past, 100, Measured([2.1], {4}, 100), found).ok is False
    assert _page_row(past, 100, Measured(failure="answered 500"), found).ok is False


def test_the_file_has_the_fields_that_scripts_rely_on(tmp_path: Path) -> None:
    report = Report(2.5, 3.5, [Row("My work", 100, 9.0, 12.0, 6, 48_000, 3.6, "≤ 4 × read floor", True)])
    report.write(tmp_path / "bench.json")
    told = json.loads((tmp_path / "bench.json").read_text())
    assert set(told) == {"read_floor_ms", "write_floor_ms", "machine", "rows"}
    assert set(told["rows"][0]) == {
        "name", "size", "p50_ms", "p95_ms", "queries", "bytes", "ratio", "goal", "ok",
    }  # fmt: skip
