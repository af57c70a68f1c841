"""Filling: the small things by the product's commands, the many rows by SQL inside the database."""

from __future__ import annotations

import datetime as dt
import enum
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

from app.config import Settings
from app.core.clock import today
from app.core.db import db
from tests.bench import place as places
from tests.bench.fill.firm import Base, make_firm
from tests.bench.fill.plans import Tables, tables_for
from tests.bench.place import Place

HERE = Path(__file__).parent
BIG = (
    "job", "job_role", "task", "dependency", "time_entry", "ledger_transaction", "posting", "invoice", "invoice_line",
    "invoice_item", "payment", "allocation", "balance", "client_balance", "account_balance",
    "client_request", "request_item", "request_recipient",
    "occurrence", "series", "arrangement", "engagement", "client", "contact", "contact_address", "client_contact",
    "event", "event_payload",
)  # fmt: skip
Say = Callable[[str], None]
Connection = psycopg.Connection[tuple[Any, ...]]


def filled(place: Place, size: int, say: Say, app_for: Callable[[Settings], AbstractContextManager[object]]) -> str:
    """The name of the filled database of this size, made now unless it is there already."""
    name, mark = places.name_of(size), places.fingerprint()
    if places.mark_of(place, name) == mark:
        return name
    started = time.monotonic()
    say(f"Filling {name} …")
    settings = places.make_empty(place, name)
    with app_for(settings):
        base = make_firm(size, today())
        plans = tables_for(base, today())
    _fill(place, name, size, base, plans, say)
    with app_for(settings):
        _finish(say)
    with place.admin(name) as admin:
        admin.execute("VACUUM (ANALYZE)")
    places.set_mark(place, name, mark)
    size_gb = places.size_on_disk(place, name) / 1e9
    say(f"{name} is filled: {time.monotonic() - started:.0f} s, {size_gb:.2f} GB.")
    return name


def _fill(place: Place, name: str, size: int, base: Base, plans: Tables, say: Say) -> None:
    with place.admin(name) as admin:
        for setting, value in {
            "session_replication_role": "replica", "synchronous_commit": "off", "work_mem": "256MB",
            "maintenance_work_mem": "512MB", "timezone": "UTC",
        }.items():
            admin.execute(sql.SQL("SET {} = {}").format(sql.Identifier(setting), sql.Literal(value)))
        words = {
            ":clients": str(size), ":partners": str(base.partners), ":managers": str(base.managers),
            ":staff": str(base.staff), ":today": base.today.isoformat(),
        }
        with defaults(admin):
            again = take_indexes_off(admin)
            for path in sorted(HERE.glob("*.sql")):
                _run(admin, path, words, say)
                if path.name.startswith("10"):
                    _load(admin, plans)
            started = time.monotonic()
            for statement in again:
                admin.execute(statement)
            say(f"  indexes: {time.monotonic() - started:.0f} s")
        admin.execute("DROP SCHEMA bench CASCADE")


def _run(admin: Connection, path: Path, words: dict[str, str], say: Say) -> None:
    started = time.monotonic()
    text = path.read_text()
    for word, value in words.items():
        text = text.replace(word, value)
    with admin.transaction():
        admin.execute(text.encode())
    say(f"  {path.stem}: {time.monotonic() - started:.0f} s")


def _load(admin: Connection, plans: Tables) -> None:
    for table, rows in plans.items():
        with admin.cursor() as cursor, cursor.copy(
            sql.SQL("COPY {} FROM STDIN").format(sql.Identifier("bench", table))
        ) as copy:
            for row in rows:
                copy.write_row(row)


class defaults:
    """Inside: columns have the defaults that the models put in, so that the SQL names only what differs."""

    def __init__(self, admin: Connection) -> None:
        self.admin = admin
        self.set: list[tuple[str, str]] = []

    def __enter__(self) -> None:
        from app.models import metadata

        for table in metadata.sorted_tables:
            for column in table.columns:
                literal = None if column.server_default is not None else _literal(column)
                if literal is not None:
                    self._alter(table.name, column.name, sql.SQL("SET DEFAULT {}").format(literal))
                    self.set.append((table.name, column.name))

    def __exit__(self, *_: object) -> None:
        for table, column in self.set:
            self._alter(table, column, sql.SQL("DROP DEFAULT"))

    def _alter(self, table: str, column: str, what: sql.Composable) -> None:
        self.admin.execute(sql.SQL("ALTER TABLE {} ALTER COLUMN {} {}").format(
            sql.Identifier(table), sql.Identifier(column), what))


def _literal(column: sa.Column[Any]) -> sql.Composable | None:
    default = column.default
    if default is None:
        return None
    given: Any = default
    if default.is_callable:
        value = given.arg(None) if isinstance(column.type, (sa.ARRAY, sa.JSON)) else None
        return sql.Literal("{}") if value == {} or (value == [] and isinstance(column.type, sa.ARRAY)) else (
            sql.Literal("[]") if value == [] else None
        )
    value = given.arg
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, dt.timedelta):
        value = int(value.total_seconds())
    return sql.Literal(value) if isinstance(value, (str, int, bool, Decimal, dt.date)) else None


def take_indexes_off(admin: Connection) -> list[bytes]:
    """Drop what no key is made of from the big tables; returns what makes it again."""
    rows = admin.execute("""
        SELECT c.oid::regclass::text, i.indexrelid::regclass::text, con.conname, pg_get_constraintdef(con.oid),
            pg_get_indexdef(i.indexrelid)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        LEFT JOIN pg_constraint con ON con.conindid = i.indexrelid AND con.contype IN ('u', 'x')
        WHERE c.relname = ANY(%s) AND NOT i.indisprimary
          AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = i.indexrelid) ORDER BY 1, 2
    """, (list(BIG),)).fetchall()
    again = []
    for table, index, constraint, definition, created in rows:
        if constraint:
            admin.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}".encode())
            again.append(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition}".encode())
        else:
            admin.execute(f"DROP INDEX {index}".encode())
            again.append(str(created).encode())
    return again


def _finish(say: Say) -> None:
    """The product's own functions for the rest: sealing the chain, planning the open jobs."""
    from app.activity.baseline import record_baseline
    from app.activity.commands import readers, seal_events
    from app.jobs.commands.plan import plan_stale_jobs

    started = time.monotonic()
    record_baseline(db.session.connection())  # what was filled in by SQL, no event told of
    db.session.commit()
    say(f"  baseline: {time.monotonic() - started:.0f} s")
    started = time.monotonic()
    while seal_events():
        db.session.expire_all()
    for reader in readers():
        db.session.execute(sa.text(
            "INSERT INTO reader_position (reader, position) SELECT :reader, coalesce(max(position), 0) FROM event_seal "
            "ON CONFLICT (reader) DO UPDATE SET position = excluded.position"
        ), {"reader": reader})
    db.session.commit()
    say(f"  sealing: {time.monotonic() - started:.0f} s")
    started = time.monotonic()
    while plan_stale_jobs():
        db.session.remove()
    say(f"  planning: {time.monotonic() - started:.0f} s")
