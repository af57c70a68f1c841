"""Faults that there once were, put back one at a time: random histories find each, and say which one it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.billing.commands import adding, items, lines, wip
from app.timekeeping.commands import entries, expenses, figures
from app.timekeeping.models import WipItem
from tests.make import Cast
from tests.trial.machine import Broken, only
from tests.trial.test_random_histories import run
from tests.trial.world import World

Patch = pytest.MonkeyPatch
EXAMPLES = 60


def nothing(*_args: Any, **_named: Any) -> None:
    """What the fault leaves out."""


def _billed_where_it_is_no_more(patch: Patch) -> None:
    """A draft remembers by its id what it had left for later, and bills it wherever it is by now."""
    patch.setattr(lines, "_take_back", nothing)


def _written_off_as_a_difference(patch: Patch) -> None:
    """What is written off is whatever the value is above what is open, and becomes less with the value."""
    settle = figures.settle

    def by_difference(item: WipItem) -> None:
        if item.left < 0:
            item.written -= item.left
        settle(item)

    for room in (figures, entries):
        patch.setattr(room, "settle", by_difference)


def _written_off_in_another_currency(patch: Patch) -> None:
    for room in (entries, expenses):
        patch.setattr(room, "refuse_other_currency", nothing)


def _added_to_a_fee_at_nothing(patch: Patch) -> None:
    patch.setattr(adding, "spread_over", nothing)


def _a_day_not_settled_again(patch: Patch) -> None:
    for room in (entries, items, wip):
        patch.setattr(room, "settle_days", nothing)


@dataclass(frozen=True)
class Fault:
    """How it is put back, the acts that it takes, what the histories say of it, and triggers that would stop it."""

    name: str
    put_back: Callable[[Patch], None]
    acts: tuple[str, ...]
    said: str
    unguarded: tuple[tuple[str, str], ...] = ()


FAULTS = (
    Fault("billed for another client", _billed_where_it_is_no_more, ("begin", "draft", "leave_move_and_bill"),
          "somebody is billed for another's work", (("time_entry", "moved"), ("expense", "moved"))),
    Fault("a write-off as a difference", _written_off_as_a_difference, ("begin", "record", "write_off_and_edit"),
          "time is worth less than was written off of it"),
    Fault("a write-off in another currency", _written_off_in_another_currency,
          ("begin", "record", "write_off_and_move"), "an amount written off followed into another currency",
          (("posting", "same_act"),)),
    Fault("time added to a fee at nothing", _added_to_a_fee_at_nothing, ("begin", "record", "draft", "add_new"),
          "time added to a fixed fee is not billed at its share"),
    Fault("a rounded day not settled again", _a_day_not_settled_again, ("begin", "record_a_few", "delete"),
          "a day's time is charged"),
)  # fmt: skip
@pytest.fixture
def unguarded(fault: Fault, app: Flask) -> Iterator[None]:
    """The database without what would stop the fault; it is there again after."""
    engine = sa.create_engine(app.config["SETTINGS"].database_url, poolclass=sa.NullPool)

    def turn(state: str) -> None:
        with engine.begin() as connection:
            for table, trigger in fault.unguarded:
                connection.exec_driver_sql(f"ALTER TABLE {table} {state} TRIGGER {trigger}")

    turn("DISABLE")
    yield
    turn("ENABLE")


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_that_is_put_back_is_found_and_named(
    fault: Fault, unguarded: None, session: Session, cast: Cast, monkeypatch: Patch
) -> None:
    world = World(cast)
    fault.put_back(monkeypatch)
    with pytest.raises(Broken, match=fault.said):
        run(only(*fault.acts), world, EXAMPLES, derandomize=True)


@pytest.mark.slow
def test_without_them_the_same_acts_find_nothing(session: Session, cast: Cast) -> None:
    acts = {act for fault in FAULTS for act in fault.acts}
    run(only(*sorted(acts)), World(cast), 8, derandomize=True)
