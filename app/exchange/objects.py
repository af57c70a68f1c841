"""Stored objects are what their rows say: bytes read again and their SHA-256 compared, some daily, all on demand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.permissions import authorize
from app.core.proofs import Finding, proof
from app.core.storage import ObjectMissing, storage
from app.core.stored import stored_kinds
from app.exchange.models import ObjectCheck

SAMPLE = 500
CHANGED, MISSING = "is not what was kept: its bytes have changed", "is missing from storage"
# How many objects `verify` reads: those that were read longest ago first; None for all.
reading: ContextVar[int | None] = ContextVar("reading", default=SAMPLE)


@dataclass(frozen=True)
class Kept:
    """An object whose digest a row keeps."""

    what: str
    name: str
    key: str
    sha256: bytes


def can_check_objects(by: Actor) -> bool:
    return by.is_system


def _kept() -> sa.Subquery:
    kinds = stored_kinds()
    every = [sa.select(sa.literal(what).label("what"), *rows.subquery().c) for what, rows in sorted(kinds.items())]
    return sa.union_all(*every).subquery("kept")


def longest_unread(limit: int | None) -> list[Kept]:
    """Objects with a kept digest: first those last found wrong, then never read, then read longest ago."""
    kept = _kept()
    statement = (
        sa.select(kept.c.what, kept.c.name, kept.c.key, kept.c.sha256)
        .outerjoin(ObjectCheck, ObjectCheck.key == kept.c.key)
        .where(kept.c.sha256.is_not(None))
        .order_by(sa.func.coalesce(ObjectCheck.found, "") == "", ObjectCheck.checked_at.nulls_first(), kept.c.key)
        .limit(limit)
    )
    return [Kept(row.what, row.name, row.key, bytes(row.sha256)) for row in db.session.execute(statement)]


def fault_of(kept: Kept) -> str:
    """What is wrong with an object; empty when it is what was kept. Reads it piece by piece."""
    try:
        return "" if storage().sha256(kept.key) == kept.sha256 else CHANGED
    except ObjectMissing:
        return MISSING


def check_objects(limit: int = SAMPLE, *, by: Actor) -> int:
    """Read the objects read longest ago and keep what was found. Returns how many were wrong."""
    authorize(by, can_check_objects)
    with transaction():  # ended before storage is spoken to
        chosen = longest_unread(limit)
    found: list[dict[str, Any]] = [{"key": one.key, "checked_at": now(), "found": fault_of(one)} for one in chosen]
    if not found:
        return 0
    statement = insert(ObjectCheck).values(found)
    with transaction() as session:
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["key"],
                set_={"checked_at": statement.excluded.checked_at, "found": statement.excluded.found},
            )
        )
    return sum(bool(row["found"]) for row in found)


@dataclass(frozen=True)
class FaultFound:
    """A stored object that the daily reading found wrong."""

    subject: str
    found: str
    checked_at: dt.datetime


def faults_found() -> list[FaultFound]:
    """What the daily reading found wrong and nobody has mended since."""
    kept = _kept()
    rows = db.session.execute(
        sa.select(kept.c.what, kept.c.name, ObjectCheck.found, ObjectCheck.checked_at)
        .join(ObjectCheck, ObjectCheck.key == kept.c.key)
        .where(kept.c.sha256.is_not(None), ObjectCheck.found != "").order_by(ObjectCheck.checked_at, kept.c.key)
    )  # fmt: skip
    return [FaultFound(f"{row.what} {row.name}", row.found, row.checked_at) for row in rows]


def count_read() -> tuple[int, int, dt.datetime | None]:
    """Of the objects with a kept digest: how many were read again, how many there are, and when the last one was."""
    kept = _kept()
    row = db.session.execute(
        sa.select(sa.func.count(ObjectCheck.key), sa.func.count(), sa.func.max(ObjectCheck.checked_at))
        .select_from(kept.outerjoin(ObjectCheck, ObjectCheck.key == kept.c.key)).where(kept.c.sha256.is_not(None))
    ).one()  # fmt: skip
    return row[0], row[1], row[2]


@proof("objects.digests")
def objects_are_what_was_kept() -> Iterator[Finding]:
    """Of the stored objects, those read now and those found wrong by the daily reading are what their rows keep."""
    read = longest_unread(reading.get())
    for one in read:
        if fault := fault_of(one):
            yield Finding(f"{one.what} {one.name}", fault)
    now_read, kept = {one.key for one in read}, _kept()
    rows = db.session.execute(
        sa.select(kept.c.what, kept.c.name, kept.c.key, ObjectCheck.checked_at, ObjectCheck.found)
        .outerjoin(ObjectCheck, ObjectCheck.key == kept.c.key).where(kept.c.sha256.is_not(None))
    ).all()  # fmt: skip
    for row in rows:
        if row.found and row.key not in now_read:
            yield Finding(f"{row.what} {row.name}", f"{row.found} ({row.checked_at:%-d %B %Y})")
    never = sum(row.checked_at is None and row.key not in now_read for row in rows)
    if never:
        yield Finding("storage", f"{never} of {len(rows)} objects were never read again; --objects all does", note=True)
