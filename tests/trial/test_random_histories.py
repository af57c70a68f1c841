"""Whatever is done with time, bills and money, in whatever order: the product's figures are those of a plain book."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy.orm import Session

from tests.make import Cast
from tests.trial.machine import Machine
from tests.trial.world import World

EXAMPLES = int(os.environ.get("FIRMAMENT_EXAMPLES", "50"))
STEPS, PARTS = 25, 20


@pytest.fixture
def world(session: Session, cast: Cast) -> World:
    return World(cast)


def run(machine: type[Machine], world: World, examples: int, **wanted: Any) -> None:
    """So many histories of a machine in a world."""
    placed = type(machine.__name__, (machine,), {"world": world})
    # Making a failing history small takes minutes: FIRMAMENT_SHRINK=1 asks for it.
    wanted.setdefault("phases", [Phase.generate] + [Phase.shrink] * bool(os.environ.get("FIRMAMENT_SHRINK")))
    run_state_machine_as_test(
        placed,
        settings=settings(
            max_examples=examples, stateful_step_count=STEPS, deadline=None, report_multiple_bugs=False,
            database=None, suppress_health_check=list(HealthCheck), **wanted,
        ),
    )  # fmt: skip


@pytest.mark.slow
def test_every_figure_is_that_of_the_book_after_any_history(world: World) -> None:
    """The same histories for the same code, so that a failure is the change's; `make soak` looks for new ones."""
    run(Machine, world, EXAMPLES, derandomize=True)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_figure_is_that_of_the_book_after_very_many_histories(world: World, part: int) -> None:
    run(Machine, world, -(-EXAMPLES // PARTS))
