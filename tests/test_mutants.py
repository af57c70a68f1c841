"""The faults that `make mutants` puts into commands: one call at a time, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

from tests.mutants import chosen, faults_in, reaching_tests

SOURCE = """
def close(row, *, by):
    authorize(by, can_close, row)
    if row.open: record("é", row); note(
        row,
    )
    session.flush()
    count = tell(row)


def helper(row):
    record("x", row)


def _part(row, *, by):
    record("x", row)
"""


def test_each_call_statement_of_a_command_is_taken_out_by_itself() -> None:
    faults = list(faults_in("app/jobs/commands.py", SOURCE))
    assert [(fault.command, str(fault).partition(": ")[2]) for fault in faults] == [
        ("close", "authorize(by, can_close, row)"), ("close", "record('é', row)"), ("close", "note(row)"),
    ]
    assert faults[0].put_into(SOURCE) == SOURCE.replace("authorize(by, can_close, row)", "pass")
    assert faults[1].put_into(SOURCE) == SOURCE.replace('record("é", row)', "pass", 1)
    assert "; pass\n    session.flush()" in faults[2].put_into(SOURCE)


def test_a_seed_gives_the_same_faults_and_none_twice() -> None:
    faults = list(faults_in("app/jobs/commands.py", SOURCE))
    assert chosen(faults, 2, 7) == chosen(faults, 2, 7) and len(set(chosen(faults, 9, 7))) == 3


def test_those_tests_are_run_that_name_a_command_or_what_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "jobs"
    folder.mkdir(parents=True)
    (folder / "test_a.py").write_text("""
from app.jobs.commands import close


def closed(row):
    close(row)


def test_one(): closed(1)
def test_two(): closer(1)
def test_three(): close(1)
""")
    (tmp_path / "tests" / "test_b.py").write_text("ALL = [close]\ndef test_four(): pass\n")
    (tmp_path / "tests" / "test_c.py").write_text("def test_five(): enclose(1)\n")
    (tmp_path / "tests" / "test_d.py").write_text("""
from app.jobs.commands import close as shut


@pytest.mark.parametrize("act", [shut])
def test_six(act): act(1)
""")
    fault = next(faults_in("app/jobs/commands.py", SOURCE))
    assert reaching_tests(fault, tmp_path) == ["tests/jobs/test_a.py::test_one", "tests/jobs/test_a.py::test_three",
                                         "tests/test_b.py", "tests/test_d.py::test_six"]
