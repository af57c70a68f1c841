"""The one order in which locks are taken, and the only way to take one: whoever follows it never waits in a circle.

A lock that waits is taken by `to_lock` (rows), `lock_row` (a row that is loaded) or `take_turn` (what has no row),
within a table in the order of ids. Raw SQL that locks as a side effect says so with `takes`. The tests follow every
transaction of the product and fail where one goes against the order; the running product does not look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.util import to_list

from app.core.db import Base, db

# Whoever holds something of a later name does not wait for something of an earlier one. Names are tables, or turns that
# have no row. `docs/architecture.md` says why they lie this way.
ORDER = (
    # What a piece of work is done for: readers, runs, files, what recurs.
    "reader_position", "event_payload", "client_import", "rate_file", "run", "run_item", "failed_work", "application",
    "redating", "series", "turn of a service", "occurrence",
    # A form's id, then a word that stands for a setting or a list: one at a time.
    "turn of a form", "turn", "person", "service", "job_template", "delivery", "client_request", "request_item",
    "turn of a contact", "document",
    # The firm's work and money.
    "turn of holding", "turn of a person", "contact", "client", "engagement", "arrangement",
    "turn of jobs", "job", "task",
    "rate", "turn of a day", "time_entry", "expense",
    "invoice", "payment",
    "turn of limits", "approval_limit", "approval",
    "number_series", "exchange_rate", "closing", "balance",
)  # fmt: skip
RANK = {name: rank for rank, name in enumerate(ORDER)}

Statement = TypeVar("Statement", bound=sa.Select[*tuple[Any, ...]])
Follow = Callable[[str, Iterable[Any]], None]
# For tests: told of what is about to be locked, and of what has just been made (which nobody else can hold).
follow_taken: Follow | None = None
follow_made: Follow | None = None


def takes(name: str, keys: Iterable[Any]) -> None:
    """Say that the statement that comes next locks these rows, which `to_lock` did not lock before."""
    if follow_taken is not None:
        follow_taken(name, keys)


def makes(name: str, keys: Iterable[Any]) -> None:
    """Say that a statement of raw SQL has made these rows."""
    if follow_made is not None:
        follow_made(name, keys)


def table_of(statement: sa.Select[*tuple[Any, ...]], of: Any = None) -> sa.Table:
    """The table whose rows a select locks: `of`, else that of its first column."""
    thing: Any = of if of is not None else statement.column_descriptions[0]["entity"]
    return Base.metadata.tables[getattr(thing, "__table__", thing).name]


def to_lock(
    statement: Statement, *, of: Any = None, lightly: bool = False, skip_taken: bool = False, shared: bool = False
) -> Statement:
    """A select that locks its rows in the order of their ids until the transaction ends, and reads them anew.

    `of`: the tables to lock where there are several, the first of their order first. `lightly`: others may still
    refer to the row. `skip_taken`: leave out what somebody else holds, in any order.
    """
    tables = [table_of(statement, each) for each in to_list(of) or [None]]
    for table in tables:
        if table.name not in RANK:
            raise LookupError(f"{table.name} has no place in the order of locks.")
    if not skip_taken:
        statement = statement.order_by(None).order_by(*(column for table in tables for column in table.primary_key))
    return statement.with_for_update(
        of=of, key_share=lightly, skip_locked=skip_taken, read=shared
    ).execution_options(populate_existing=True)


def lock_row(row: Any, *names: str) -> None:
    """Lock the row of something that is loaded, and read it (or these columns of it) anew."""
    if row.__tablename__ not in RANK:
        raise LookupError(f"{row.__tablename__} has no place in the order of locks.")
    db.session.refresh(row, attribute_names=names or None, with_for_update=True)


def take_turn(*about: UUID | str, at: str = "", shared: bool = False) -> None:
    """Wait for whoever makes the row of this id, or does what this word stands for; ours until the transaction ends.

    Several are taken in one order. `at` is the place in the order of locks. `shared`: those who share it wait only for
    who has it alone.
    """
    take = sa.func.pg_advisory_xact_lock_shared if shared else sa.func.pg_advisory_xact_lock
    for number, of_row in sorted({(_number(each), isinstance(each, UUID)) for each in about}):
        takes(at or ("turn of a form" if of_row else "turn"), [number])
        db.session.execute(sa.select(take(number)))


def try_turn(number: int) -> bool:
    """Take a turn that nobody has just now, without waiting."""
    return bool(db.session.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(number))))


def _number(about: UUID | str) -> int:
    number = about.int if isinstance(about, UUID) else int.from_bytes(hashlib.sha256(about.encode()).digest()[:8])
    return number % (1 << 62)
