"""The random histories: how many of each kind `make test` plays, which share of it they have, and what they took.

`make soak` plays FIRMAMENT_EXAMPLES of them, from SEED on, in batches whose names are their seeds: what one evening
has not played, another does.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

SHARE = 240  # seconds of `make test` for all of them together
BATCH = 100
FIRST_SEED = int(os.environ.get("SEED", "1000"))


@dataclass(frozen=True)
class Budget:
    """How many are played, and what one takes, in seconds of an idle processor."""

    many: int
    each: float


BUDGETS = {
    "money": Budget(50, 2.0),
    "drafts": Budget(10, 2.0),
    "ties out": Budget(50, 0.7),
    "graph": Budget(60, 0.9),
}


def examples(kind: str) -> int:
    return int(os.environ.get("FIRMAMENT_EXAMPLES", BUDGETS[kind].many))


def batches(most: int = 10**9) -> Any:
    """For the tests of `make soak`: a parameter `seeds` with so many seeds in all."""
    many = min(int(os.environ.get("FIRMAMENT_EXAMPLES", "50")), most)
    last = FIRST_SEED + many
    found = [range(first, min(first + BATCH, last)) for first in range(FIRST_SEED, last, BATCH)]
    return pytest.mark.parametrize("seeds", found, ids=[f"{each.start}-{each.stop - 1}" for each in found])


def note_histories(item: pytest.Item) -> None:
    """Tell with the test's report which histories it plays."""
    marker = item.get_closest_marker("histories")
    if marker is not None:
        (kind,) = marker.args
        seeds = getattr(item, "callspec", None) and item.callspec.params.get("seeds")  # type: ignore[attr-defined]
        many = len(seeds) if seeds else examples(kind)
        item.user_properties.append(("histories", (kind, many, [seeds.start, seeds.stop] if seeds else None)))


def say_histories(terminalreporter: Any) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    told = [
        (value, report.duration, report.passed) for report in reports if report.when == "call"
        for name, value in report.user_properties if name == "histories"
    ]
    if told:
        terminalreporter.write_line(said(told))


def said(told: Iterable[tuple[tuple[str, int, list[int] | None], float, bool]]) -> str:
    """How many were played and how long that took; in batches also from which seed on others go on."""
    many: dict[str, int] = defaultdict(int)
    whole: dict[str, set[int]] = defaultdict(set)
    seconds, in_batches = 0.0, False
    for (kind, number, seeds), took, passed in told:
        many[kind] += number
        seconds += took
        in_batches = in_batches or seeds is not None
        if seeds and passed:
            whole[kind] |= set(range(*seeds))
    words = "random histories: " + ", ".join(f"{number} of {kind}" for kind, number in sorted(many.items()))
    words += f" in {seconds:.0f} s"
    if not in_batches:
        return f"{words} of the {SHARE} s that are theirs"
    for kind in sorted(many):
        to = FIRST_SEED
        while to in whole[kind]:
            to += 1
        words += f"; {kind} goes on with SEED={to}"
    return words
