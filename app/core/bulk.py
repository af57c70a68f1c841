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

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def insert_rows(table: Any, rows: Sequence[Mapping[str, Any]], *, tail: str = "") -> int:
    """Insert rows that all name the same columns; the others take the model's default. Returns how many were made.

    `tail` is SQL of our own after the rows, such as ON CONFLICT DO NOTHING.
    """
    if not rows:
        return 0
    defaults = _defaults(table, frozenset(rows[0]))
    full = [{**{name: make() for name, make in defaults}, **row} for row in rows]
    text = json.dumps(full, default=_plain, separators=(",", ":"), ensure_ascii=False).replace("\\u0000", "")
    result: Any = db.session.execute(_statement(table, tuple(full[0]), tail), {"rows": text})
    return int(result.rowcount)


@lru_cache(maxsize=256)
def _defaults(table: Any, named: frozenset[str]) -> tuple[tuple[str, Callable[[], Any]], ...]:
    """What the model itself puts into the columns that are not named."""
    found: list[tuple[str, Callable[[], Any]]] = []
    for column in table.__table__.columns:
        default = column.default
        if column.name in named or default is None or column.server_default is not None:
            continue
        if default.is_callable:
            found.append((column.name, partial(default.arg, None)))
        elif default.is_scalar:
            found.append((column.name, partial(_same, default.arg)))
    return tuple(found)


def _same(value: Any) -> Any:
    return value


@lru_cache(maxsize=256)
def _statement(table: Any, names: tuple[str, ...], tail: str) -> sa.TextClause:
    columns = table.__table__.columns
    typed = ", ".join(f"{name} {columns[name].type.compile(_DIALECT)}" for name in names)
    listed = ", ".join(names)
    return sa.text(
        f"INSERT INTO {table.__tablename__} ({listed}) SELECT {listed} "
        f"FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS row({typed}) {tail}"
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
