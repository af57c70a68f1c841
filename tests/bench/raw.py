"""Raw SQL for comparison: the very rows that the product wrote, one multi-row INSERT a table and client."""

from __future__ import annotations

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa
from psycopg.types.json import Jsonb

from app.core.db import db
from tests.bench.place import connect

# What the rows refer to and was there before the work began; put in outside the clock, under no client.
BEFORE = {
    "service": "SELECT NULL::uuid AS whose, t.* FROM service t WHERE created_at >= :since",
    "stage": "SELECT NULL::uuid AS whose, t.* FROM stage t JOIN service s ON s.id = t.service_id "
             "WHERE s.created_at >= :since",
    "job_template": "SELECT NULL::uuid AS whose, t.* FROM job_template t WHERE created_at >= :since",
    "run": "SELECT NULL::uuid AS whose, t.* FROM run t WHERE created_at >= :since",
}
# Whose rows they are, and how those written since a moment are found; parents first.
QUERIES = {
    "engagement": "SELECT client_id AS whose, t.* FROM engagement t WHERE created_at >= :since",
    "arrangement": "SELECT e.client_id AS whose, t.* FROM arrangement t JOIN engagement e ON e.id = t.engagement_id "
                   "WHERE t.created_at >= :since",
    "job": "SELECT client_id AS whose, t.* FROM job t WHERE {new}",
    "job_role": "SELECT j.client_id AS whose, t.* FROM job_role t JOIN job j ON j.id = t.job_id WHERE j.{new}",
    "task": "SELECT client_id AS whose, t.* FROM task t WHERE job_id IN (SELECT id FROM job WHERE {new})",
    "dependency": "SELECT k.client_id AS whose, t.* FROM dependency t JOIN task k ON k.id = t.task_id "
                  "WHERE k.job_id IN (SELECT id FROM job WHERE {new})",
    "invoice": "SELECT client_id AS whose, t.* FROM invoice t WHERE created_at >= :since",
    "invoice_line": "SELECT v.client_id AS whose, t.* FROM invoice_line t JOIN invoice v ON v.id = t.invoice_id "
                    "WHERE v.created_at >= :since",
    "invoice_item": "SELECT v.client_id AS whose, t.* FROM invoice_item t JOIN invoice v ON v.id = t.invoice_id "
                    "WHERE v.created_at >= :since",
    "event": "SELECT client_id AS whose, t.* FROM event t WHERE id > :event AND client_id IS NOT NULL",
    "event_payload": "SELECT e.client_id AS whose, t.* FROM event_payload t JOIN event e ON e.id = t.event_id "
                     "WHERE e.id > :event AND e.client_id IS NOT NULL",
    "outbox": "SELECT e.client_id AS whose, t.* FROM outbox t JOIN event e ON e.id = t.event_id "
              "WHERE e.id > :event AND e.client_id IS NOT NULL",
}  # fmt: skip
TAKEN = "UPDATE time_entry SET state = 'drafted', version = version + 1 WHERE id = ANY(%s)"
NEW = "id > CAST(:first AS uuid)"


@dataclass(frozen=True)
class Batch:
    """One table's rows of one client."""

    table: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def statement(self) -> bytes:
        one = "(" + ", ".join(["%s"] * len(self.columns)) + ")"
        values = ", ".join([one] * len(self.rows))
        return f"INSERT INTO {self.table} ({', '.join(self.columns)}) VALUES {values}".encode()


Written = dict[UUID | None, list[Batch]]


def rows_written(since: dt.datetime, event: int) -> Written:
    """What was written since, by client, in an order in which it can be written again."""
    found: Written = defaultdict(list)
    first = _first_id(since)
    for table, query in {**BEFORE, **QUERIES}.items():
        result = db.session.execute(
            sa.text(query.replace("{new}", NEW)), {"since": since, "event": event, "first": first}
        )
        columns = tuple(result.keys())[1:]
        by_client: dict[UUID | None, list[tuple[Any, ...]]] = defaultdict(list)
        for row in result:
            by_client[row[0]].append(tuple(_plain(value) for value in row[1:]))
        for client_id, rows in by_client.items():
            found[client_id].append(Batch(table, columns, rows))
    db.session.rollback()
    return found


def _first_id(since: dt.datetime) -> str:
    """The smallest UUIDv7 of a moment: ids go by the machine's clock, whatever the product's says."""
    milliseconds = int(since.timestamp() * 1000)
    return str(UUID(int=milliseconds << 80))


def _plain(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, (dict, list)) else value


def write_raw(url: str, written: Written) -> float:
    """Seconds that raw SQL takes for the same rows, a transaction a client."""
    with connect(url) as connection:
        _write(connection, written.get(None, []))
        started = time.perf_counter()
        for client_id, batches in written.items():
            if client_id is not None:
                _write(connection, batches)
        return time.perf_counter() - started


def _write(connection: psycopg.Connection[Any], batches: Sequence[Batch]) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        for batch in batches:
            cursor.execute(batch.statement(), [value for row in batch.rows for value in row])
            if batch.table == "invoice_item":
                items = [row[batch.columns.index("item_id")] for row in batch.rows]
                cursor.execute(TAKEN, [items])
