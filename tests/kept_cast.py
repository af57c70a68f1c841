"""The cast, written to a rolled-back database as the rows it became the first time: one statement in place of forty.

Making it anew was three fifths of what a small test took (157 tests of walls: 39.7 s, with this 11.5 s).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.orm import Session, make_transient_to_detached

from app.core.db import Base
from tests.make import Cast, make_cast

Rows = dict[str, list[dict[str, Any]]]
_WRITABLE = sa.text("""
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = :table AND is_generated = 'NEVER' ORDER BY ordinal_position
""")


@dataclass
class Kept:
    """What the first cast of this process became: a script that inserts its rows, and each of its objects' values."""

    script: sql.Composed
    values: dict[str, tuple[type[Any], dict[str, Any]]]


_kept: list[Kept] = []


def cast_in(session: Session) -> Cast:
    """The cast in this session's empty database, committed: a command that is refused takes none of it away."""
    cast = _cast_in(session)
    session.commit()
    return cast


def _cast_in(session: Session) -> Cast:
    if not _kept:
        before = _rows(session)
        cast = make_cast()
        _kept.append(Kept(_script(session, before, _rows(session)), _values(cast)))
        return cast
    kept = _kept[0]
    session.connection().connection.driver_connection.execute(kept.script, prepare=False)  # type: ignore[union-attr]
    found: dict[str, Any] = {}
    for name, (kind, values) in kept.values.items():
        found[name] = kind(**values)
        make_transient_to_detached(found[name])
        session.add(found[name])
    return Cast(**found)


def _values(cast: Cast) -> dict[str, tuple[type[Any], dict[str, Any]]]:
    found = {}
    for field in dataclasses.fields(cast):
        row = getattr(cast, field.name)
        loaded = {column.key: row.__dict__[column.key] for column in sa.inspect(type(row)).column_attrs
                  if column.key in row.__dict__}
        found[field.name] = type(row), loaded
    return found


def _rows(session: Session) -> Rows:
    found: Rows = {}
    for table in Base.metadata.sorted_tables:
        found[table.name] = list(session.scalars(sa.text(f'SELECT to_jsonb(t) FROM "{table.name}" t')))
    return found


def _script(session: Session, before: Rows, after: Rows) -> sql.Composed:
    """Each table's new rows, parents first. What a trigger adds by itself is there already when its turn comes."""
    parts = []
    for name, rows in after.items():
        new = [row for row in rows if row not in before[name]]
        if not new or any(column.identity for column in Base.metadata.tables[name].columns):
            continue  # numbered by the database itself: a trigger writes it again
        columns = sql.SQL(", ").join(map(sql.Identifier, session.scalars(_WRITABLE, {"table": name})))
        parts.append(sql.SQL(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, {rows}) "
            "ON CONFLICT DO NOTHING;"
        ).format(table=sql.Identifier(name), columns=columns, rows=sql.Literal(json.dumps(new))))
    return sql.Composed(parts)
