"""Proofs that approvals and their limits are what the event log says, and went by the limits of their time."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import sqlalchemy as sa

from app.activity.covers import differences
from app.core.proofs import Finding, proof
from app.ledger.proofs import asked

_LIMITS = sa.text("""
    SELECT * FROM (
        SELECT a.id, a.kind, a.amount, a.currency, a.decided_at, coalesce(a.limit_amount, 'Infinity') AS said,
               approval_limit_of(a.kind, a.entity_id, a.decided_by, a.decided_role, a.decided_on, a.decided_at) AS held,
               CASE WHEN a.written_off <> 0 THEN coalesce(a.written_off_limit, 'Infinity') END AS said_off,
               CASE WHEN a.written_off <> 0 THEN approval_limit_of(
                   'write_off', a.entity_id, a.decided_by, a.decided_role, a.decided_on, a.decided_at) END AS held_off
        FROM approval a WHERE a.decision = 'approved' AND a.decided_by IS NOT NULL
    ) each WHERE said <> held OR said_off <> held_off ORDER BY decided_at LIMIT 100
""")


@proof("approvals.limits")
def prove_limits() -> Iterator[Finding]:
    """What was approved went by the limit that held for whoever approved it, when they did."""
    for row in asked(_LIMITS):
        yield Finding(
            f"approval {row.id} of a {row.kind.replace('_', '-')} over {row.amount} {row.currency}",
            f"says that the limit was {_none(row.said)} ({_none(row.said_off)} for what it gives up), "
            f"and it was {_none(row.held)} ({_none(row.held_off)})",
        )


def _none(limit: Decimal | None) -> str:
    return str(limit) if limit is not None and limit.is_finite() else "none"


@proof("approvals.told")
def prove_told() -> Iterator[Finding]:
    """Every approval and every limit is what the event of its act says; no other is there."""
    for kind in ("approval", "approval_limit"):
        yield from differences(kind)
