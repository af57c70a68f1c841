"""What random histories do with money is what two sessions do at once: one list, with a reason for each exception."""

from __future__ import annotations

import ast
import inspect
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.db import db
from tests.trial import acts, machine, world
from tests.trial.acts import ACTS
from tests.trial.machine import Machine
from tests.trial.test_two_at_once import attempt, begin_with, new_world
from tests.trial.told import DONE, Log
from tests.trial.world import World

__all__ = ["new_world"]
RULES = {name for name, each in inspect.getmembers(Machine) if hasattr(each, "hypothesis_stateful_rule")}
IN_ONE_GO = "several acts of the list one after the other, which two sessions come to by themselves"
ALONE = {
    "bill": IN_ONE_GO, "write_off_and_edit": IN_ONE_GO, "write_off_and_move": IN_ONE_GO,
    "leave_move_and_bill": IN_ONE_GO, "free_one_of_a_day": IN_ONE_GO,
    "wait": "there is one day for all who work at once",
}  # fmt: skip
NO_FIGURE = "the book has no figure of its own for it; plain SQL asks afterwards what must hold"
TOGETHER = {"move": NO_FIGURE, "redate": NO_FIGURE, "agree": NO_FIGURE, "regroup": NO_FIGURE, "let_pay": NO_FIGURE}
# What the others need is done before; an act that finds nothing to do it on does nothing. Credit is there before bills.
BEFORE = ("pay", "pay", *["record"] * 3, "split", "spend", "draft", "approve", *["record"] * 3, "draft")


def commands(*modules: ModuleType) -> set[str]:
    """The product's commands that these modules import."""
    return {
        f"{node.module}.{name.name}"
        for module in modules
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app.")
        for name in node.names
        if name.name.islower() and not name.name.startswith("_")
        and (".commands" in str(node.module) or node.module == "app.ledger.rates")
    }  # fmt: skip


def test_two_at_once_do_every_act_of_the_random_histories_and_the_other_way_round() -> None:
    assert set(ALONE) <= RULES and set(TOGETHER) <= set(ACTS), "an exception is of an act that there is no more"
    assert not set(ALONE) & set(ACTS) and not set(TOGETHER) & RULES, "an exception is on both lists by now"
    assert RULES - set(ALONE) == set(ACTS) - set(TOGETHER)


def test_two_at_once_call_every_command_that_the_random_histories_call() -> None:
    """So that an act which stands on both lists does no less in one of them."""
    assert commands(machine) - commands(acts, world) == set()


@pytest.mark.real
@pytest.mark.slow
def test_each_act_of_two_at_once_moves_something(real_app: Flask, new_world: World) -> None:
    dice, log, still = random.Random(5), Log(), set(ACTS)
    begin_with(new_world, *["record"] * 6)  # nothing is drafted yet: a job may move
    for _ in range(20):
        for name in sorted(still, reverse=True) * 3:
            before = moved()
            if attempt(new_world, name, dice, log) == DONE and moved() != before:
                still.discard(name)
        if still:
            begin_with(new_world, *BEFORE)
    assert still == set()


def moved() -> Any:
    """Each act tells of itself by an event; gathering, which moves nothing, by the rows that are left."""
    seen = db.session.execute(sa.text("SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM account_balance)"))
    counts = tuple(seen.one())
    db.session.rollback()
    return counts
