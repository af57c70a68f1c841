"""Whatever is done with time, bills and money, in whatever order: the product's figures are those of a plain book."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy.orm import Session

from tests.histories import batches, examples
from tests.make import Cast
from tests.trial.machine import Machine
from tests.trial.world import World

EXAMPLES = examples("money")
STEPS = 25


@pytest.fixture
def world(session: Session, cast: Cast) -> World:
    return World(cast)


def run(machine: type[Machine], world: World, many: int, first: int | None = None, **wanted: Any) -> None:
    """So many histories of a machine in a world: those of a seed, where one is given."""
    placed = type(machine.__name__, (machine,), {"world": world})
    if first is not None:
        placed = seed(first)(placed)
    # Making a failing history small takes minutes: FIRMAMENT_SHRINK=1 asks for it.
    wanted.setdefault("phases", [Phase.generate] + [Phase.shrink] * bool(os.environ.get("FIRMAMENT_SHRINK")))
    run_state_machine_as_test(
        placed,
        settings=settings(
            max_examples=many, stateful_step_count=STEPS, deadline=None, report_multiple_bugs=False,
            database=None, suppress_health_check=list(HealthCheck), **wanted,
        ),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.histories("money")
def test_every_figure_is_that_of_the_book_after_any_history(world: World) -> None:
    """The same histories for the same code, so that a failure is the change's; `make soak` looks for new ones."""
    run(Machine, world, EXAMPLES, derandomize=True)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.histories("money")
@batches()
def test_every_figure_is_that_of_the_book_after_very_many_histories(world: World, seeds: range) -> None:
    run(Machine, world, len(seeds), seeds.start)
