"""What is written on or off an item and what is billed of it are figures of their own, held by the database.

Until now what was written off was the difference of two other columns, and edits could lose it. The figure is taken
from the item's postings. Where an item says otherwise the ledger is made to agree, by postings of its own that carry
`PUT_RIGHT` as their reason: an item that has been divided, drafted or billed keeps what it has open; any other is open
by what was really written off it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PUT_RIGHT = "put right: what was written off had been lost by an edit or a split"
ITEMS = ("time_entry", "expense")
WHOLE = (
    "ADP", "AFN", "ALL", "BIF", "BYR", "CLP", "DJF", "ESP", "GNF", "IQD", "IRR", "ISK", "ITL", "JPY", "KMF", "KPW",
    "KRW", "LAK", "LBP", "LUF", "MGA", "MGF", "MMK", "MRO", "PYG", "RSD", "RWF", "SLL", "SOS", "STD", "SYP", "TMM",
    "TRL", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF", "YER", "ZMK", "ZWD",
)  # fmt: skip
MILS = ("BHD", "JOD", "KWD", "LYD", "OMR", "TND")
DIGITS = (
    f"CASE WHEN currency IN {WHOLE} THEN 0 WHEN currency IN {MILS} THEN 3 WHEN currency IN ('CLF', 'UYW') THEN 4"
    " ELSE 2 END"
)


def upgrade() -> None:
    for table in ITEMS:
        for name in ("written", "billed"):
            op.add_column(table, sa.Column(name, sa.Numeric(18, 4), server_default="0", nullable=False))
        op.execute(f"""
            UPDATE {table} item SET written = posted.amount FROM (
                SELECT p.item_id, p.currency, sum(p.amount) AS amount
                FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
                WHERE p.account = 'wip' AND t.kind IN ('written_on', 'written_off') GROUP BY 1, 2
            ) posted WHERE posted.item_id = item.id AND posted.currency = item.currency AND posted.amount <> 0
        """)
        op.execute(f"""
            UPDATE {table} item SET billed = taken.amount FROM (
                SELECT x.item_id, sum(x.billed) AS amount FROM invoice_item x JOIN invoice i ON i.id = x.invoice_id
                WHERE x.live AND x.treatment <> 'later' AND i.number IS NOT NULL AND i.kind = 'invoice' GROUP BY 1
            ) taken WHERE taken.item_id = item.id AND taken.amount <> 0
        """)
        for row in op.get_bind().execute(_differing(table)).all():
            _put_right(table, row)
        op.drop_column(table, "value_when_deleted")
        op.create_check_constraint(
            op.f(f"ck_{table}_open_value"),
            table,
            "open_value = CASE WHEN billable AND deleted_at IS NULL THEN value + written - billed ELSE 0 END"
            " AND open_value >= 0",
        )
        op.create_check_constraint(
            op.f(f"ck_{table}_nothing_open_when_done"),
            table,
            "state NOT IN ('billed', 'written_off') OR open_value = 0",
        )
    op.drop_constraint(op.f("ck_time_entry_non_billable_is_worth_nothing"), "time_entry")
    # What was posted before stays as it was, if it had fractions; from now on nothing has.
    op.execute(
        f"ALTER TABLE posting ADD CONSTRAINT ck_posting_whole_units CHECK (amount = round(amount, {DIGITS})) NOT VALID"
    )
    broken = sa.text(f"SELECT EXISTS (SELECT FROM posting WHERE amount <> round(amount, {DIGITS}))")
    if not op.get_bind().scalar(broken):
        op.execute("ALTER TABLE posting VALIDATE CONSTRAINT ck_posting_whole_units")


def _differing(table: str) -> sa.TextClause:
    """Items whose figures do not make what they have open; `written` is what their postings say."""
    family = "false" if table == "expense" else (
        "i.split_from_id IS NOT NULL OR EXISTS (SELECT FROM time_entry part WHERE part.split_from_id = i.id)"
    )  # fmt: skip
    return sa.text(f"""
        SELECT i.*, ({family}) OR i.state = 'drafted' OR i.billed <> 0 AS keeps_open, e.currency AS base
        FROM {table} i JOIN engagement g ON g.id = i.engagement_id JOIN entity e ON e.id = g.entity_id
        WHERE i.open_value <> CASE WHEN i.billable AND i.deleted_at IS NULL THEN i.value + i.written - i.billed
                                   ELSE 0 END
           OR i.billable AND i.value + i.written - i.billed < 0
           OR ({family}) AND (NOT i.billable OR i.deleted_at IS NOT NULL)
              AND i.written <> coalesce(i.value_when_deleted, 0) - CASE WHEN i.billable THEN i.value ELSE 0 END
        ORDER BY i.id
    """)


def _put_right(table: str, row: Any) -> None:
    if row.keeps_open:
        live = row.billable and row.deleted_at is None
        open_value = row.open_value if live else row.value_when_deleted or Decimal(0)
        written = open_value - (row.value if row.billable else 0) + row.billed
    else:
        written = max(row.written, row.billed - row.value) if row.billable else row.written
    change = written - row.written  # as written on or off, and taken back as repriced: nothing moves
    if change:
        _post(table, row, "written_on" if change > 0 else "written_off", change)
        _post(table, row, "repriced", -change)
    left = row.value + written - row.billed if row.billable and row.deleted_at is None else Decimal(0)
    if left != row.open_value:
        _post(table, row, "repriced", left - row.open_value)
    op.get_bind().execute(
        sa.text(
            f"UPDATE {table} SET written = :written, open_value = :left, version = version + 1, "
            "state = CASE WHEN state IN ('billed', 'written_off') AND :left <> 0 THEN 'open' ELSE state END "
            "WHERE id = :id"
        ),
        {"written": written, "left": left, "id": row.id},
    )


def _post(table: str, row: Any, kind: str, amount: Decimal) -> None:
    """One transaction of WIP against its memo, dated in the open, at the exchange rate that the item had last."""
    connection = op.get_bind()
    facts = {
        "kind": kind, "table": table, "id": row.id, "reason": PUT_RIGHT, "amount": amount, "currency": row.currency,
        "client": row.client_id, "engagement": row.engagement_id, "month": row.worked_on.replace(day=1),
        "base": row.base,
    }  # fmt: skip
    made = connection.scalar(
        sa.text("""
            INSERT INTO ledger_transaction (kind, posted_on, happened_on, source_kind, source_id, reason)
            SELECT :kind, greatest(current_date, (SELECT max(starts_on) + interval '1 month' FROM ledger_period
                                                  WHERE closed_at IS NOT NULL)::date),
                   current_date, :table, :id, :reason RETURNING id
        """),
        facts,
    )
    rate = connection.scalar(
        sa.text("""
            SELECT base_rate FROM posting WHERE item_id = :id AND currency = :currency
            ORDER BY transaction_id DESC LIMIT 1
        """),
        facts,
    )
    for line, account, sign in ((1, "wip", 1), (2, "wip_memo", -1)):
        connection.execute(
            sa.text(f"""
                INSERT INTO posting (transaction_id, line, account, amount, currency, base_amount, base_rate, client_id,
                                     engagement_id, item_id, age_month)
                SELECT :made, :line, :account, :sign * CAST(:amount AS numeric), :currency,
                       :sign * round(CAST(:amount AS numeric) * :rate, {DIGITS.replace("currency", "base")}), :rate,
                       :client, :engagement, :id, :month
                FROM (SELECT CAST(:base AS text) AS base) AS entity
            """),
            {**facts, "made": made, "line": line, "account": account, "sign": sign, "rate": rate or Decimal(1)},
        )
    connection.execute(
        sa.text("""
            INSERT INTO balance (client_id, engagement_id, account, currency, age_month, amount)
            VALUES (:client, :engagement, 'wip', :currency, :month, :amount)
            ON CONFLICT (client_id, engagement_id, account, currency, age_month)
            DO UPDATE SET amount = balance.amount + excluded.amount
        """),
        facts,
    )
    connection.execute(
        sa.text("""
            INSERT INTO client_balance (account, client_id, currency, amount)
            VALUES ('wip', :client, :currency, :amount)
            ON CONFLICT (account, client_id, currency) DO UPDATE SET amount = client_balance.amount + excluded.amount
        """),
        facts,
    )
    connection.execute(
        sa.text("""
            INSERT INTO account_balance (account, currency, age_month, amount)
            VALUES ('wip', :currency, :month, :amount)
        """),
        facts,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_posting_whole_units"), "posting")
    op.create_check_constraint(
        op.f("ck_time_entry_non_billable_is_worth_nothing"), "time_entry", "billable OR open_value = 0"
    )
    for table in ITEMS:
        op.drop_constraint(op.f(f"ck_{table}_nothing_open_when_done"), table)
        op.drop_constraint(op.f(f"ck_{table}_open_value"), table)
        op.add_column(table, sa.Column("value_when_deleted", sa.Numeric(18, 4), nullable=True))
        op.execute(f"""
            UPDATE {table} SET value_when_deleted =
                CASE WHEN NOT billable THEN nullif(written, 0) ELSE value + written - billed END
            WHERE NOT billable AND written <> 0 OR billable AND deleted_at IS NOT NULL
        """)
        for name in ("written", "billed"):
            op.drop_column(table, name)
