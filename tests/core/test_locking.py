"""Locks are taken in one order, through one door, and a test that sees one taken against it fails."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.clients.models import Client
from app.core.db import Base, db, transaction
from app.core.locking import ORDER, lock_row, take_turn, takes, to_lock
from app.firm.models import Firm
from app.jobs.models import Task
from app.timekeeping.models import TimeEntry
from tests import locks
from tests.billing.make_billing import make_entry, make_rate
from tests.jobs.make_jobs import make_chain, make_job
from tests.locks import OutOfOrder
from tests.make import Cast

ROOT = Path(__file__).resolve().parents[2]
LOCKS = re.compile(r"FOR (NO KEY |KEY )?(UPDATE|SHARE)\b|pg_(try_)?advisory|with_for_update")
# How many there are in a file, and why they do not go through `core/locking.py`.
ELSEWHERE = {
    "app/core/locking.py": (5, "the door itself"),
    "app/jobs/commands/readiness.py": (4, "one statement locks and derives; it says what it takes"),
    "app/ledger/commands.py": (3, "gathering skips what is locked; closing says what it takes"),
    "app/timekeeping/commands/timers.py": (1, "in the same round trip as the question; it says what it takes"),
    "app/activity/baseline.py": (1, "at the start of the program, on a connection of its own"),
    "app/exchange/restore.py": (1, "into an empty firm, on a connection of its own"),
    "app/demo/seed.py": (2, "one fill at a time, on a connection of its own"),
    "app/core/migration.py": (1, "before the program runs"),
    "app/core/backing/provision.py": (1, "before there is a database"),
}  # fmt: skip


def test_every_lock_goes_through_one_door() -> None:
    found = {}
    for path in sorted([*ROOT.glob("app/**/*.py"), *ROOT.glob("portal/**/*.py")]):
        tree = ast.parse(path.read_text())
        told = {id(node.body[0].value) for node in ast.walk(tree) if _has_docstring(node)}
        number = sum(
            len(LOCKS.findall(_said(node))) for node in ast.walk(tree) if id(node) not in told
        )
        if number:
            found[str(path.relative_to(ROOT))] = number
    assert found == {path: number for path, (number, _why) in ELSEWHERE.items()}


def _has_docstring(node: ast.AST) -> bool:
    body = getattr(node, "body", None)
    return isinstance(body, list) and bool(body) and isinstance(body[0], ast.Expr)


def _said(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.arg or "" if isinstance(node, ast.keyword) else ""


def test_the_order_names_tables_that_there_are_and_stands_in_the_account_of_the_house(app: Flask) -> None:
    tables = [name for name in ORDER if not name.startswith("turn")]
    assert set(tables) - {"closing"} <= set(Base.metadata.tables) and len(set(ORDER)) == len(ORDER)
    told = " ".join((ROOT / "docs" / "architecture.md").read_text().split())
    assert ", ".join(ORDER) in told


class Held:
    """What there is to lock: two tasks in order, an entry, a client."""

    def __init__(self, cast: Cast) -> None:
        make_rate("100")
        self.cast, self.entry = cast, make_entry(cast)
        self.first, self.second = sorted(make_chain(make_job(cast.acme_work), "One", "Two"), key=lambda task: task.id)

    def lock(self, task: Task) -> None:
        db.session.execute(to_lock(sa.select(Task.id).where(Task.id == task.id)))


@pytest.mark.parametrize("wrong", [
    lambda held: (lock_row(held.entry), held.lock(held.first)),
    lambda held: (held.lock(held.second), held.lock(held.first)),
    lambda held: (takes("balance", [("wip", held.cast.acme.id, "GBP")]), lock_row(held.entry)),
    lambda held: (lock_row(held.entry), _rename(held.cast.acme)),
    lambda held: (lock_row(held.entry), db.session.execute(sa.update(Client).values(name="New"))),
    lambda held: (lock_row(held.entry), take_turn("a list")),
])  # fmt: skip
def test_a_lock_against_the_order_is_found(
    session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Held], object]
) -> None:
    held = Held(cast)
    monkeypatch.setattr(locks, "_is_products", lambda: True)
    with pytest.raises(OutOfOrder), transaction():
        wrong(held)
    assert locks.complaints
    locks.complaints.clear()


def _rename(client: Client) -> None:
    client.name = "New"
    db.session.flush()


def test_what_is_held_or_made_is_free_and_a_savepoint_that_is_undone_lets_go(
    session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(cast)
    monkeypatch.setattr(locks, "_is_products", lambda: True)
    with transaction():
        held.lock(held.first)
        lock_row(held.entry)
        held.lock(held.first)
    with transaction():
        with pytest.raises(RuntimeError), transaction():
            lock_row(held.entry)
            raise RuntimeError
        held.lock(held.first)
        new = make_chain(make_job(cast.acme_work), "Three")[0]
        lock_row(held.entry)
        new.name = "Four"
        session.flush()
        session.execute(to_lock(sa.select(TimeEntry.id), skip_taken=True))


def test_a_table_without_a_place_is_not_locked(session: Session) -> None:
    with pytest.raises(LookupError, match="no place in the order"):
        to_lock(sa.select(Firm.id))
