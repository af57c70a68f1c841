"""In which order tests run, and how they are dealt to the processes of a run: what takes long begins first, on each."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
# The longest first. Also here: files whose tests share something dear, so that no other process takes half of them.
LONGEST = (
    "journeys/test_main_job.py", "billing/test_the_demo_firm_ties_out.py", "demo/test_an_interrupted_fill.py",
    "trial/test_random_histories.py", "billing/test_the_books_always_tie_out.py", "jobs/test_random_graph.py",
    "trial/test_two_at_once.py", "trial/test_faults_put_back.py", "simulation/test_simulation.py",
    "journeys/test_killed.py", "browser/test_behaviours.py", "test_served.py", "trial/test_lines_and_entries.py",
    "portal/test_in_browser.py",
)  # fmt: skip


def dealt(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """Each process is given one of as many equal parts of the list: the long files are dealt to their beginnings.

    Tests that want the machine for themselves come last, where nobody is in the middle of a long one.
    """
    files: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        files[str(item.path.relative_to(ROOT))].append(item)
    long = [files.pop(name) for name in LONGEST if name in files]
    others = [item for each in files.values() for item in each]
    others.sort(key=lambda item: item.get_closest_marker("alone") is not None)
    found: list[pytest.Item] = []
    for process in range(processes):
        heads = [item for each in long[process::processes] for item in each]
        # As the runner divides: what is left, by the processes that are left.
        size = (len(items) - len(found)) // (processes - process)
        taken = max(size - len(heads), 0)
        found += heads + others[:taken]
        others = others[taken:]
    return found + others
