"""Proofs that what is kept of time equals its entries."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from app.core.copies import Copy, keeps
from app.core.db import db
from app.core.proofs import Finding, proof
from app.core.rounding import Piece, RoundingRule, charge_as_one
from app.timekeeping.commands.days import stays
from app.timekeeping.models import TimeEntry

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


CHARGED = keeps(Copy(
    "time_entry.charged", "what is charged of time that is rounded by day and job: together the rounded sum of the day",
    ("time recorded", "time of a day changed", "time taken back", "a draft taken apart", "a bill credited"),
    "app.timekeeping.commands.days.settle_days", "timekeeping.rounded_days",
))
# Days whose charge is not the rounded sum of what was recorded; what is on a bill may stand in the way of it.
_DAYS = sa.text("""
    WITH day AS (
        SELECT person_id, worked_on, engagement_id, job_id, billable, rounding,
               sum(recorded) AS recorded, sum(charged) AS charged,
               coalesce((rounding->>'increment')::int, 6) * 60 AS step,
               coalesce((rounding->>'minimum')::int, 0) * 60 AS least, coalesce(rounding->>'mode', 'up') AS mode
        FROM time_entry WHERE rounding->>'per' = 'day_and_job' AND deleted_at IS NULL
        GROUP BY person_id, worked_on, engagement_id, job_id, billable, rounding
    )
    SELECT * FROM day WHERE charged <> greatest(CASE mode
        WHEN 'none' THEN recorded
        WHEN 'nearest' THEN div(2 * recorded + step, 2 * step) * step
        WHEN 'down' THEN div(recorded, step) * step
        ELSE div(recorded + step - 1, step) * step END, least)
    ORDER BY worked_on, person_id LIMIT 1000
""")


@proof("timekeeping.rounded_days")
def prove_rounded_days() -> Iterator[Finding]:
    """A day that is rounded as one is charged its rounded sum, or as near to it as what is billed already lets it."""
    for row in db.session.execute(_DAYS):
        entries = db.session.scalars(sa.select(TimeEntry).where(
            TimeEntry.person_id == row.person_id, TimeEntry.worked_on == row.worked_on,
            TimeEntry.engagement_id == row.engagement_id, TimeEntry.job_id.is_not_distinct_from(row.job_id),
            TimeEntry.billable.is_(row.billable), TimeEntry.rounding == row.rounding, TimeEntry.deleted_at.is_(None),
        ).order_by(TimeEntry.id)).all()
        pieces = [
            Piece(int(each.recorded.total_seconds()), int(each.charged.total_seconds()), stays(each))
            for each in entries
        ]
        if charge_as_one(RoundingRule.from_json(row.rounding), pieces) != [piece.charged for piece in pieces]:
            yield Finding(
                f"time of {row.worked_on} on engagement {row.engagement_id}",
                f"{row.charged} s are charged of {row.recorded} s, which is not their rounded sum",
            )
