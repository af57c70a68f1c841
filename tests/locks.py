"""Follows every transaction of the product through the tests and fails where a lock is taken against the order."""

from __future__ import annotations

import enum
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.util import to_list

from app.core import db as database
from app.core import locking
from app.core.db import Base, HouseSession, db
from app.core.locking import ORDER, RANK

# What a row is known by where that is not its key.
KNOWN_BY = {"number_series": ("kind", "entity_id")}
ASKED = "/* asked by the tests */"


class OutOfOrder(AssertionError):
    """A lock that comes too late: somebody who follows the order may hold it and wait for what is held here."""


# What was found, also where the product caught the error or another thread had it.
complaints: list[str] = []


class Unit:
    """One piece of work: the outermost transaction that the product itself opened, and what it holds."""

    def __init__(self) -> None:
        self.held: dict[str, set[Any]] = defaultdict(set)
        self.skipping: set[str] = set()
        self.own: set[tuple[str, Any]] = set()

    def copy(self) -> dict[str, set[Any]]:
        return {name: set(keys) for name, keys in self.held.items()}

    def complain(self, words: str) -> None:
        complaints.append(words)
        raise OutOfOrder(words)

    def take(self, name: str, keys: Iterable[Any]) -> None:
        wanted = {key for key in keys if (name, key) not in self.own} - self.held[name]
        if not wanted or name in self.skipping:
            return
        later = [other for other, theirs in self.held.items() if theirs and RANK[other] > RANK[name]]
        if later:
            last = max(later, key=RANK.__getitem__)
            self.complain(f"{name} is locked after {last}; the order is {', '.join(ORDER)}.")
        if lower := [key for key in wanted if any(_before(name, key, other) for other in self.held[name])]:
            self.complain(f"{name} {min(map(str, lower))} is locked after one of a higher id.")
        self.held[name] |= wanted


def _before(name: str, key: Any, other: Any) -> bool:
    """Whether a key comes before another of the same table and that matters."""
    if name == "turn of a form":  # a second one is of a row that is made on the way: nobody else knows its id
        return False
    if name == "balance":  # in order for each account: only who has a client's turn touches two of its accounts
        return bool(key[0] == other[0] and key < other)
    return bool(key < other)


def _unit() -> Unit | None:
    found: Unit | None = db.session().info.get("locks")
    return found


@contextmanager
def _block() -> Iterator[None]:
    info = db.session().info
    unit: Unit | None = info.get("locks")
    if unit is None:
        if not _is_products():
            yield
            return
        db.session.flush()  # what a test has changed is no part of it
        info["locks"] = Unit()
        try:
            yield
        finally:
            info["locks"] = None
        return
    before = unit.copy()
    try:
        yield
    except BaseException:
        unit.held = defaultdict(set, before)  # the savepoint is gone, and with it what was locked since
        raise


def _is_products() -> bool:
    """Whether the product opened it: a test that sets things up does many pieces of work in one transaction, and so
    does whatever is done in one piece, with nobody beside it."""
    if db.session().info.get("in_one_piece"):
        return False
    frame: Any = sys._getframe(2)
    while frame.f_globals["__name__"] in ("contextlib", "app.core.db", __name__):
        if frame.f_code.co_name == "in_one_piece":
            return False
        frame = frame.f_back
    name: str = frame.f_globals["__name__"]
    return name.split(".")[0] in ("app", "portal")


def _told(name: str, keys: Iterable[Any]) -> None:
    unit = _unit()
    if unit is not None:
        unit.take(name, [_known(key) if isinstance(key, tuple) else _known([key]) for key in keys])


def _made(name: str, keys: Iterable[Any]) -> None:
    unit = _unit()
    if unit is not None:
        unit.own |= {(name, _known([key])) for key in keys}


def _on_statement(state: ORMExecuteState) -> None:
    unit, statement = _unit(), state.statement
    if unit is None:
        return
    if isinstance(statement, sa.Select) and (how := statement._for_update_arg) is not None:
        for table in [locking.table_of(statement, each) for each in to_list(how.of) or [None]]:
            if how.skip_locked:  # it waits for nobody; which rows it gets shows only when it has them
                unit.skipping.add(table.name)
            else:
                unit.take(table.name, _keys(state, statement, table))
    elif isinstance(statement, sa.Update | sa.Delete) and isinstance(statement.table, sa.Table):
        table = statement.table
        if table.name in RANK and not statement._independent_ctes:
            asked = sa.select(*_columns(table)).where(*statement._where_criteria)
            if set(asked.get_final_froms()) == {table}:
                unit.take(table.name, _ask(state, asked))


def _keys(state: ORMExecuteState, statement: sa.Select[Any], table: sa.Table) -> list[Any]:
    plain: Any = statement.with_only_columns(*_columns(table), maintain_column_froms=True).options()
    plain._for_update_arg = None
    plain._with_options = ()
    return _ask(state, plain.execution_options(populate_existing=False))


def _ask(state: ORMExecuteState, statement: Any) -> list[Any]:
    parameters: Any = state.parameters if isinstance(state.parameters, dict) else {}
    with db.session.no_autoflush:
        rows = db.session().connection().execute(statement.prefix_with(ASKED), parameters or {}).all()
    return [_known(row) for row in rows]


def _columns(table: sa.Table) -> list[sa.Column[Any]]:
    return [table.c[name] for name in KNOWN_BY.get(table.name, table.primary_key.columns.keys())]


def _known(values: Iterable[Any]) -> Any:
    each = [
        f"{value:020d}" if isinstance(value, int) else str(value.value if isinstance(value, enum.Enum) else value)
        for value in values
    ]
    return each[0] if len(each) == 1 else tuple(each)


def _on_update(_mapper: Any, _connection: Any, row: Any) -> None:
    unit = _unit()
    if unit is not None and row.__tablename__ in RANK and db.session().is_modified(row):
        unit.take(row.__tablename__, [_key(row)])


def _on_insert(_mapper: Any, _connection: Any, row: Any) -> None:
    unit = _unit()
    if unit is not None and row.__tablename__ in RANK:
        unit.own.add((row.__tablename__, _key(row)))


def _key(row: Any) -> Any:
    names = KNOWN_BY.get(row.__tablename__, row.__table__.primary_key.columns.keys())
    return _known(getattr(row, name) for name in names)


def watch() -> None:
    """From now on, in this process."""
    database.watch_block = _block
    locking.follow_taken, locking.follow_made = _told, _made
    event.listen(HouseSession, "do_orm_execute", _on_statement)
    event.listen(Base, "before_update", _on_update, propagate=True)
    event.listen(Base, "after_insert", _on_insert, propagate=True)
    event.listen(Base, "before_delete", _on_update, propagate=True)


__all__ = ["ASKED", "OutOfOrder", "Session", "watch"]
