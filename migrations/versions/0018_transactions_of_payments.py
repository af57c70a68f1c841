"""Payments and allocations name their transactions; what was closed in its currency is closed in base.

Until now a payment was allocated, and taken back, at the rate of another day than its bill or itself: a difference in
base stayed on the closed account for ever. It is posted to gain and loss, in base alone, with `SETTLED` as its reason.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SETTLED = "put right: the difference of exchange rates had stayed on an account that was closed"
_PAYMENTS = """
    UPDATE payment y SET transaction_id = made.id FROM (
        SELECT t.source_id, min(t.id) AS id FROM ledger_transaction t JOIN posting p ON p.transaction_id = t.id
        WHERE t.kind = 'paid' AND t.source_kind = 'payment' AND t.reverses_id IS NULL AND p.account = 'bank'
          AND p.amount > 0 GROUP BY 1
    ) made WHERE made.source_id = y.id
"""
# The same part of a payment may have gone to the same bill more than once: in the order in which it did.
_ALLOCATIONS = """
    UPDATE allocation a SET transaction_id = made.transaction_id FROM (
        SELECT p.transaction_id, p.payment_id, p.invoice_id, -sum(p.amount) AS amount,
               row_number() OVER (PARTITION BY p.payment_id, p.invoice_id, sum(p.amount) ORDER BY p.transaction_id) AS n
        FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
        WHERE t.kind = 'allocated' AND t.reverses_id IS NULL AND p.account = 'receivable' AND p.payment_id IS NOT NULL
        GROUP BY 1, 2, 3 HAVING sum(p.amount) < 0
    ) made, (
        SELECT id, payment_id, invoice_id, amount,
               row_number() OVER (PARTITION BY payment_id, invoice_id, amount ORDER BY id) AS n FROM allocation
    ) named
    WHERE named.id = a.id AND (made.payment_id, made.invoice_id, made.amount, made.n)
        = (named.payment_id, named.invoice_id, named.amount, named.n)
"""
# First each act that was taken back at another rate, then each bill and payment that is closed.
_OFF = """
    SELECT account, invoice_id, payment_id, currency, entity_id, client_id, engagement_id, aged_on, base_rate, off
    FROM (
        SELECT p.account, {invoice} AS invoice_id, {payment} AS payment_id,
               min(p.currency) AS currency, (array_agg(p.entity_id))[1] AS entity_id,
               (array_agg(p.client_id))[1] AS client_id, (array_agg(p.engagement_id))[1] AS engagement_id,
               min(p.aged_on) AS aged_on, sum(p.amount) AS amount, sum(p.base_amount) AS off,
               (array_agg(p.base_rate ORDER BY p.transaction_id))[1] AS base_rate
        FROM posting p WHERE p.account IN ('receivable', 'credit', 'bank') GROUP BY 1, 2, 3
    ) side WHERE amount = 0 AND off <> 0 AND coalesce(invoice_id, payment_id) IS NOT NULL
    ORDER BY account, invoice_id, payment_id
"""
_ACTS = _OFF.format(invoice="p.invoice_id", payment="p.payment_id")
_CLOSED = _OFF.format(
    invoice="CASE p.account WHEN 'receivable' THEN p.invoice_id END",
    payment="CASE p.account WHEN 'receivable' THEN NULL ELSE p.payment_id END",
)


def upgrade() -> None:
    for table in ("payment", "allocation"):
        op.add_column(table, sa.Column("transaction_id", sa.BigInteger()))
    op.execute(_PAYMENTS)
    op.execute(_ALLOCATIONS)
    _settle(_ACTS)
    _settle(_CLOSED)
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for table in ("payment", "allocation"):
        op.create_foreign_key(
            op.f(f"fk_{table}_transaction_id"), table, "ledger_transaction", ["transaction_id"], ["id"]
        )
        op.create_unique_constraint(op.f(f"uq_{table}_transaction_id"), table, ["transaction_id"])


def _settle(off: str) -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.text(off)).mappings().all():
        facts = {**row, "reason": SETTLED, "source_kind": "payment" if row["payment_id"] else "invoice",
                 "source_id": row["payment_id"] or row["invoice_id"],
                 "kind": "paid" if row["account"] == "bank" else "allocated"}  # fmt: skip
        made = connection.scalar(
            sa.text("""
                INSERT INTO ledger_transaction (kind, posted_on, happened_on, source_kind, source_id, reason,
                                                exchange_rate_id)
                SELECT :kind, greatest(current_date, (SELECT max(closed_through) + 1 FROM closing
                                                      WHERE entity_id = :entity_id)),
                       current_date, :source_kind, :source_id, :reason,
                       (SELECT t.exchange_rate_id FROM ledger_transaction t JOIN posting p ON p.transaction_id = t.id
                        WHERE p.base_rate = :base_rate AND p.currency = :currency AND t.exchange_rate_id IS NOT NULL
                        ORDER BY t.id LIMIT 1)
                RETURNING id
            """),
            facts,
        )
        for line, account, sign in ((1, row["account"], -1), (2, "gain_loss", 1)):
            connection.execute(
                sa.text("""
                    INSERT INTO posting (transaction_id, line, entity_id, account, amount, currency, base_amount,
                                         base_rate, client_id, engagement_id, invoice_id, payment_id, aged_on)
                    VALUES (:made, :line, :entity_id, :side, 0, :currency, :sign * CAST(:off AS numeric), :base_rate,
                            :client_id, :engagement_id, :invoice_id, :payment_id, :aged_on)
                """),
                {**facts, "made": made, "line": line, "side": account, "sign": sign},
            )


def downgrade() -> None:
    for table in ("payment", "allocation"):
        op.drop_column(table, "transaction_id")
