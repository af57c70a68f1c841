"""The quick loop leaves out what needs a database, but for the rooms that were changed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.quick import ROOT, is_quick, room_of


def item(path: str, *fixtures: str, marks: tuple[str, ...] = ()) -> Any:
    markers = [getattr(pytest.mark, mark).mark for mark in marks]
    return SimpleNamespace(path=ROOT / path, fixturenames=fixtures, iter_markers=lambda: iter(markers))


@pytest.mark.parametrize(("path", "room"), [
    ("app/billing/commands/bills.py", "billing"), ("templates/billing/bill.html", "billing"),
    ("tests/billing/test_bills.py", "billing"), ("portal/views/home.py", "portal"), ("README.md", ""),
    ("app/factory.py", ""),
])
def test_a_change_belongs_to_the_room_that_its_path_names(path: str, room: str) -> None:
    assert room_of(Path(path)) == room


def test_a_test_of_the_database_is_run_where_its_room_changed() -> None:
    of_bills = item("tests/billing/test_bills.py", "session", "services")
    assert is_quick(of_bills, {"billing"}) and not is_quick(of_bills, {"jobs"})
    assert is_quick(item("tests/billing/test_sums.py"), set())


@pytest.mark.parametrize("mark", ["slow", "browser", "real", "soak", "audit", "alone"])
def test_what_takes_long_waits_for_the_whole_run(mark: str) -> None:
    assert not is_quick(item("tests/billing/test_bills.py", marks=(mark,)), {"billing"})
