"""Proofs that what is kept of time equals its entries."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from app.core.copies import Copy, keeps
from app.core.db import db
from app.core.proofs import Finding, proof

_SPENT = sa.text("""
    SELECT t.id, t.name, t.spent, coalesce(sum(e.recorded), 0) AS recorded
    FROM task t LEFT JOIN time_entry e ON e.task_id = t.id AND e.deleted_at IS NULL
    GROUP BY t.id HAVING t.spent <> coalesce(sum(e.recorded), 0)
    ORDER BY t.id LIMIT 1000
""")


SPENT = keeps(Copy(
    "task.spent", "the time recorded on a step",
    ("time recorded", "time moved to another step", "time taken back"),
    "app.timekeeping.commands.entries.record_entry", "timekeeping.spent",
))


@proof("timekeeping.spent")
def prove_spent() -> Iterator[Finding]:
    """The time spent on a task is the sum of its entries."""
    for row in db.session.execute(_SPENT):
        yield Finding(f"task {row.id}", f"{row.name}: {row.spent} s kept, {row.recorded} s recorded")
