"""Of the random histories there are as many as was promised, and they fit into their share of a run."""

from __future__ import annotations

import re
from pathlib import Path

from tests.histories import BUDGETS, FIRST_SEED, SHARE, said

HERE = Path(__file__).parent
OWN = ("histories.py", Path(__file__).name)
SOURCES = {path: path.read_text() for path in HERE.rglob("*.py") if path.name not in OWN}
# They commit for good, so they are few: what `make soak` plays of them is a part of what it plays of the others.
APART = {"simulation/test_simulation.py", "trial/test_two_at_once.py", "journeys/test_killed_often.py"}


def test_fifty_of_money_and_sixty_of_the_graph_fit_with_all_others_into_four_minutes() -> None:
    assert BUDGETS["money"].many >= 50 and BUDGETS["graph"].many >= 60
    assert sum(each.many * each.each for each in BUDGETS.values()) <= SHARE == 240


def test_each_test_of_random_histories_has_a_budget_and_is_told_of() -> None:
    marked = {kind for text in SOURCES.values() for kind in re.findall(r'mark\.histories\("([^"]+)"\)', text)}
    counted = {kind for text in SOURCES.values() for kind in re.findall(r'\bexamples\("([^"]+)"\)', text)}
    assert marked == counted == set(BUDGETS)
    by_themselves = {str(path.relative_to(HERE)) for path, text in SOURCES.items() if "FIRMAMENT_EXAMPLES" in text}
    assert by_themselves == APART


def test_a_run_says_what_was_played_and_where_another_goes_on() -> None:
    assert said([(("money", 50, None), 61.2, True), (("graph", 60, None), 40.0, True)]) == (
        "random histories: 60 of graph, 50 of money in 101 s of the 240 s that are theirs"
    )
    played = [
        (("graph", 100, [first, first + 100]), 80.0, first != FIRST_SEED + 200)
        for first in range(FIRST_SEED, FIRST_SEED + 400, 100)
    ]
    assert said(played) == f"random histories: 400 of graph in 320 s; graph goes on with SEED={FIRST_SEED + 200}"
