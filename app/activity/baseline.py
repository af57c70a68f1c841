"""What stood before events kept digests: told of once, by events of its own, so that it too is covered from then on.

A migration that comes upon a firm with a past leaves a mark; whoever migrates then records the baseline. Nothing else
does: what is found later without an event that tells of it stays a finding.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import append, canonical, payload_hash
from app.activity.covers import COVERS, LEDGER, Cover, differences, kinds, newest, versions
from app.core.actors import ActorKind
from app.core.clock import now
from app.core.db import db
from app.core.proofs import Finding

RECORDED = "activity.baseline.recorded"
WANTED = "activity.baseline"
CHUNK = 1_000
MOST = 2_000
_MARK = sa.text("SELECT position FROM reader_position WHERE reader = :name FOR UPDATE")
_UNMARK = sa.text("DELETE FROM reader_position WHERE reader = :name")
_FIRM = sa.text("SELECT id FROM firm LIMIT 1")


def record_if_wanted(connection: sa.Connection) -> bool:
    """Record the baseline if a migration asked for it; in the transaction that takes the mark away."""
    if connection.scalar(_MARK, {"name": WANTED}) is None:
        return False
    record_baseline(connection)
    connection.execute(_UNMARK, {"name": WANTED})
    return True


def record_baseline(connection: sa.Connection) -> None:
    """One event with the posted transactions in thousands, and each other covered row by its id, 2,000 an event."""
    until, chunks = _posted(connection)
    first: dict[str, Any] = {
        "ledger_until": until, "ledger_chunks": chunks, "ledger_version": newest(LEDGER).version
    }  # fmt: skip
    for some in _in_pieces(_standing(connection)):
        covers: dict[str, dict[str, str]] = {}
        for kind, row_id, digest in some:
            covers.setdefault(kind, {})[row_id] = digest
        _tell(connection, first | {COVERS: covers})
        first = {}
    if first:
        _tell(connection, first)


def _posted(connection: sa.Connection) -> tuple[int, dict[str, str]]:
    until = connection.scalar(sa.text("SELECT coalesce(max(id), 0) FROM ledger_transaction")) or 0
    rows = connection.execute(sa.text(_chunks(newest(LEDGER))), {"until": until})
    return until, {str(row.chunk): row.digest for row in rows}


def _chunks(one: Cover) -> str:
    """SQL: the digest of each thousand of transactions up to :until."""
    return f"""
        SELECT chunk, count(*) || ':'
                      || encode(sha256(convert_to(string_agg(digest, E'\\n' ORDER BY id), 'UTF8')), 'hex') AS digest
        FROM (SELECT x.id, x.id / {CHUNK} AS chunk, {one.digest()} AS digest FROM {one.table.name} x
              WHERE x.id <= :until) AS posted
        GROUP BY chunk ORDER BY chunk
    """


def _standing(connection: sa.Connection) -> Iterator[tuple[str, str, str]]:
    for kind in kinds():
        if kind == LEDGER:
            continue
        one = newest(kind)
        rows = connection.execute(
            sa.text(f'SELECT x.id::text AS id, {one.digest()} AS digest FROM "{one.table.name}" x WHERE {one.where} '
                    "ORDER BY x.id")
        )
        for row in rows:
            yield kind, row.id, row.digest


def _in_pieces(rows: Iterator[tuple[str, str, str]]) -> Iterator[list[tuple[str, str, str]]]:
    while piece := list(itertools.islice(rows, MOST)):
        yield piece


def _tell(connection: sa.Connection, data: dict[str, Any]) -> None:
    text, salt = canonical(data), secrets.token_bytes(16)
    append(connection, [{
        "kind": RECORDED, "subject_kind": "firm", "subject_id": connection.scalar(_FIRM) or UUID(int=0),
        "client_id": None, "engagement_id": None, "job_id": None, "actor_kind": ActorKind.SYSTEM.value,
        "actor_id": None, "at": now(),
        "request_id": "", "address": "", "cause": "", "salt": salt, "data": text,
        "payload_hash": payload_hash(salt, text),
    }])  # fmt: skip


_BASELINES = sa.text("""
    SELECT e.id, p.data FROM event e JOIN event_payload p ON p.event_id = e.id
    WHERE e.kind = :kind AND p.data ? 'ledger_until' ORDER BY e.id
""")


def posted_differences() -> Iterator[Finding]:
    """What was posted and does not stand as told, one by one; and what stood before the baseline, in thousands."""
    first = db.session.execute(_BASELINES, {"kind": RECORDED}).first()
    until = int(first.data["ledger_until"]) if first else 0
    yield from differences(LEDGER, "x.id > :until", until=until)
    if first is None:
        return
    told: dict[str, str] = first.data["ledger_chunks"]
    one = versions(LEDGER)[int(first.data.get("ledger_version", 1))]
    found = {str(row.chunk): row.digest for row in db.session.execute(sa.text(_chunks(one)), {"until": until})}
    for chunk in sorted(told.keys() | found.keys(), key=int):
        if told.get(chunk) != found.get(chunk):
            start = int(chunk) * CHUNK
            yield Finding(
                f"transactions {start} to {min(start + CHUNK - 1, until)}",
                f"are not what they were when event {first.id} was recorded",
            )
