"""Whatever is done with a draft, in whatever order: each line charges what is billed of its entries."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from tests.histories import batches, examples
from tests.make import Cast
from tests.trial.machine import only
from tests.trial.test_random_histories import run
from tests.trial.world import World

# The acts that give a line its amount or change what lies on it, and what they need.
KEPT = {
    "begin", "record", "spend", "write", "take_back", "draft", "bill", "approve", "add_new", "treat", "change_net",
    "adjust", "add_words", "close",
}  # fmt: skip
Drafts = only(*KEPT)


@pytest.mark.slow
@pytest.mark.histories("drafts")
def test_a_line_is_what_is_billed_of_its_entries_after_any_history_of_a_draft(session: Session, cast: Cast) -> None:
    run(Drafts, World(cast), examples("drafts"), derandomize=True)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.histories("drafts")
@batches()
def test_it_is_after_very_many(session: Session, cast: Cast, seeds: range) -> None:
    run(Drafts, World(cast), len(seeds), seeds.start)
