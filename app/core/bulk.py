"""Many rows in one INSERT: they travel as one JSON parameter, so the statement is the same however many there are."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from app.core.db import db
from app.core.locking import makes

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def insert_rows(
    table: Any, rows: Sequence[Mapping[str, Any]], *, common: Mapping[str, Any] | None = None, tail: str = ""
) -> int:
    """Insert rows that all name the same columns, with `common` in each. Returns how many were made.

    Columns that nobody names take the model's default, the same for all rows but for the key. `tail` is SQL of our
    own after the rows, such as ON CONFLICT DO NOTHING.
    """
    if not rows:
        return 0
    named = frozenset((*rows[0], *(common or ())))
    keys, others = _defaults(table, named)
    if keys:
        rows = [{**{name: make() for name, make in keys}, **row} for row in rows]
    shared = {**{name: make() for name, make in others}, **(common or {})}
    statement = _statement(table, tuple(rows[0]), tuple(shared), tail)
    values = {"rows": _json(rows)} | ({"common": _json(shared)} if shared else {})
    result: Any = db.session.execute(statement, values)
    if "id" in rows[0]:
        makes(table.__tablename__, [row["id"] for row in rows])
    return int(result.rowcount)


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain, separators=(",", ":"), ensure_ascii=False).replace("\\u0000", "")


Made = tuple[tuple[str, Callable[[], Any]], ...]


@lru_cache(maxsize=256)
def _defaults(table: Any, named: frozenset[str]) -> tuple[Made, Made]:
    """What the model itself puts into columns that are not named: for the key, and for the others."""
    found: tuple[list[tuple[str, Callable[[], Any]]], list[tuple[str, Callable[[], Any]]]] = ([], [])
    for column in table.__table__.columns:
        default = column.default
        if column.name in named or default is None or column.server_default is not None:
            continue
        if default.is_callable:
            found[not column.primary_key].append((column.name, partial(default.arg, None)))
        elif default.is_scalar:
            found[1].append((column.name, partial(_same, default.arg)))
    return tuple(found[0]), tuple(found[1])


def _same(value: Any) -> Any:
    return value


@lru_cache(maxsize=256)
def _statement(table: Any, own: tuple[str, ...], shared: tuple[str, ...], tail: str) -> sa.TextClause:
    columns = table.__table__.columns

    def typed(names: tuple[str, ...]) -> str:
        return ", ".join(f"{name} {columns[name].type.compile(_DIALECT)}" for name in names)

    listed = ", ".join((*own, *shared))
    same = f", jsonb_to_record(CAST(:common AS jsonb)) AS same({typed(shared)})" if shared else ""
    return sa.text(
        f"INSERT INTO {table.__tablename__} ({listed}) SELECT {listed} "
        f"FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS row({typed(own)}){same} {tail}"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dt.timedelta):
        return round(value.total_seconds())
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} cannot be written as JSON.")
