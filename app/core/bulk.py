"""Many rows in one INSERT: the rows travel as one JSON parameter, so the statement is the same however many there are."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from app.core.db import db

_DIALECT = postgresql.dialect()


def insert_rows(table: type[Any], rows: Sequence[Mapping[str, Any]], *, tail: str = "") -> sa.CursorResult[Any] | None:
    """Insert rows that name the same columns; what they leave out takes the database's default or NULL.

    `tail` is SQL of our own after the rows, such as ON CONFLICT DO NOTHING. Nothing happens without rows.
    """
    if not rows:
        return None
    statement = _statement(table, tuple(rows[0]), tail)
    text = json.dumps(list(rows), default=_plain, separators=(",", ":"), ensure_ascii=False)
    result: Any = db.session.execute(statement, {"rows": text.replace("\\u0000", "")})
    return result  # type: ignore[no-any-return]


@lru_cache(maxsize=256)
def _statement(table: type[Any], names: tuple[str, ...], tail: str) -> sa.TextClause:
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
