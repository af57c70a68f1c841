"""Proofs that bills and write-offs were approved as they are, from the day on which somebody first had a limit."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from app.activity.covers import differences
from app.core.proofs import Finding, proof
from app.ledger.proofs import asked

_BILLS = sa.text("""
    WITH since AS (SELECT entity_id, min(created_at) AS at FROM approval_limit GROUP BY 1)
    SELECT i.number, i.gross, i.currency, a.id, a.amount, a.digest = digest_of_bill(i.id, i.facts) AS same
    FROM invoice i LEFT JOIN since s ON s.entity_id = i.entity_id
    LEFT JOIN approval a ON a.kind = 'bill' AND a.subject_id = i.id AND a.decision = 'approved'
    WHERE i.number IS NOT NULL AND i.kind = 'invoice'
      AND CASE WHEN a.id IS NULL THEN i.approved_at >= s.at
               ELSE (a.amount, a.decided_by) IS DISTINCT FROM (i.gross, i.approved_by)
                    OR a.digest IS DISTINCT FROM digest_of_bill(i.id, i.facts) END
    ORDER BY i.number LIMIT 100
""")
_UNAPPROVED = sa.text("""
    WITH since AS (SELECT entity_id, min(created_at) AS at FROM approval_limit WHERE kind = 'write_off' GROUP BY 1)
    SELECT t.id, p.item_id, -p.amount AS amount, p.currency
    FROM ledger_transaction t JOIN posting p ON p.transaction_id = t.id AND p.account = 'wip'
    JOIN since s ON s.entity_id = p.entity_id
    WHERE t.kind = 'written_off' AND t.reverses_id IS NULL AND t.source_kind IN ('time_entry', 'expense')
      AND t.made_at >= s.at AND NOT EXISTS (SELECT FROM write_off_item x WHERE x.transaction_id = t.id)
    ORDER BY t.id LIMIT 100
""")
_WRITE_OFFS = sa.text("""
    SELECT a.id, a.decision, a.amount, a.currency, x.amount AS entries, x.posted, x.done, x.rows,
           a.digest = digest_of_write_off(a.id, a.reason) AS same
    FROM approval a LEFT JOIN (
        SELECT w.approval_id, sum(w.amount) AS amount, count(*) AS rows, count(w.transaction_id) AS done,
               -sum(p.amount) AS posted
        FROM write_off_item w LEFT JOIN posting p
          ON p.transaction_id = w.transaction_id AND p.account = 'wip' AND p.item_id = w.item_id
        GROUP BY 1
    ) x ON x.approval_id = a.id
    WHERE a.kind = 'write_off' AND (
        a.digest IS DISTINCT FROM digest_of_write_off(a.id, a.reason) OR a.amount IS DISTINCT FROM x.amount
        OR CASE WHEN a.decision = 'approved' THEN x.done <> x.rows OR x.posted IS DISTINCT FROM a.amount
                ELSE x.done <> 0 END)
    ORDER BY a.asked_at LIMIT 100
""")


@proof("billing.approvals")
def prove_approvals() -> Iterator[Finding]:
    """What was issued and written off is what was approved; nothing that waits or was declined is posted."""
    for row in asked(_BILLS):
        said = f"approved over {row.amount}, and {'as it is' if row.same else 'not as it is'}"
        yield Finding(f"bill {row.number} over {row.gross} {row.currency}", said if row.id else "nobody approved it")
    for row in asked(_UNAPPROVED):
        yield Finding(f"entry {row.item_id}", f"{row.amount} {row.currency} written off, and nobody approved it")
    for row in asked(_WRITE_OFFS):
        yield Finding(
            f"write-off {row.id}, {row.decision}",
            f"{row.amount} {row.currency} asked for, its entries {row.entries}, posted {row.posted or 0}"
            f"{'' if row.same else ', and not as it was asked for'}",
        )
    yield from differences("write_off")
