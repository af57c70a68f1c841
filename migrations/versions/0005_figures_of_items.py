"""What is written off an item and what is billed of it are figures of their own, held by the database.

Until now what was written off was the difference of two other columns, so an edit or a split could part it from its
postings, and a move could carry it into a currency without such small units. What each item has open stays as it is, to
the whole unit of its currency, and so does every sum; where the figure and its postings differ, postings of the kinds
`written_on` or `written_off` and `repriced`, with `PUT_RIGHT` as their reason, make them agree without moving anything.
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

PUT_RIGHT = "put right: an edit, a split or a move had parted it from its figure"
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
            UPDATE {table} item SET billed = taken.amount FROM (
                SELECT x.item_id, sum(x.billed) AS amount FROM invoice_item x JOIN invoice i ON i.id = x.invoice_id
                WHERE x.live AND x.treatment <> 'later' AND i.number IS NOT NULL AND i.kind = 'invoice' GROUP BY 1
            ) taken WHERE taken.item_id = item.id AND taken.amount <> 0
        """)
        differences = op.get_bind().execute(_differing(table)).all()
        op.execute(f"""
            UPDATE {table} SET written = {WRITTEN}, open_value = round(open_value, {DIGITS})
            WHERE {WRITTEN} <> 0 OR open_value <> round(open_value, {DIGITS})
        """)
        for row in differences:
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


# What was written on or off by the columns of old: an item that was deleted or not billable kept it in mind.
WRITTEN = f"""round(CASE WHEN NOT billable THEN coalesce(value_when_deleted, 0)
                      WHEN deleted_at IS NOT NULL THEN coalesce(value_when_deleted, 0) - value
                      ELSE open_value + billed - value END, {DIGITS})"""


def _differing(table: str) -> sa.TextClause:
    """Items and currencies in which what is written on or off is not what is posted, or open is no whole unit."""
    return sa.text(f"""
        WITH posted AS (
            SELECT p.item_id, p.currency, sum(p.amount) AS amount, max(p.transaction_id) AS last
            FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
            WHERE p.account = 'wip' AND t.kind IN ('written_on', 'written_off') GROUP BY 1, 2
        ), item AS (
            SELECT id, currency, client_id, engagement_id, worked_on, {WRITTEN} AS written,
                   round(open_value, {DIGITS}) - open_value AS rounding
            FROM {table}
        )
        SELECT i.id, coalesce(p.currency, i.currency) AS currency,
               coalesce(p.currency, i.currency) = i.currency AS own, i.client_id, i.engagement_id,
               date_trunc('month', i.worked_on)::date AS month, i.rounding, p.last,
               CASE WHEN coalesce(p.currency, i.currency) = i.currency THEN i.written ELSE 0 END
                   - coalesce(p.amount, 0) AS change
        FROM item i LEFT JOIN posted p ON p.item_id = i.id
        WHERE CASE WHEN coalesce(p.currency, i.currency) = i.currency THEN i.written ELSE 0 END <> coalesce(p.amount, 0)
           OR i.rounding <> 0 AND coalesce(p.currency, i.currency) = i.currency
        UNION ALL
        SELECT i.id, i.currency, true, i.client_id, i.engagement_id, date_trunc('month', i.worked_on)::date, i.rounding,
               NULL, i.written
        FROM item i WHERE (i.written <> 0 OR i.rounding <> 0)
          AND EXISTS (SELECT FROM posted p WHERE p.item_id = i.id)
          AND NOT EXISTS (SELECT FROM posted p WHERE p.item_id = i.id AND p.currency = i.currency)
        ORDER BY 1, 2
    """)


def _put_right(table: str, row: Any) -> None:
    """Post what is missing as written on or off and take it back as repriced, where it lies: nothing moves by it."""
    place = {"client": row.client_id, "engagement": row.engagement_id, "month": row.month}
    if not row.own:
        found = op.get_bind().execute(
            sa.text(
                "SELECT client_id AS client, engagement_id AS engagement, age_month AS month FROM posting "
                "WHERE transaction_id = :last AND item_id = :id AND account = 'wip' AND currency = :currency LIMIT 1"
            ),
            {"last": row.last, "id": row.id, "currency": row.currency},
        )
        place = dict(found.mappings().one())
    rounding = row.rounding if row.own else Decimal(0)
    if row.change:
        _post(table, row, "written_on" if row.change > 0 else "written_off", row.change, place)
    if rounding != row.change:
        _post(table, row, "repriced", rounding - row.change, place)


def _post(table: str, row: Any, kind: str, amount: Decimal, place: dict[str, Any]) -> None:
    """One transaction of WIP against its memo, dated in the open, at the exchange rate that the item had last."""
    connection = op.get_bind()
    facts = {
        **place, "kind": kind, "table": table, "id": row.id, "reason": PUT_RIGHT, "amount": amount,
        "currency": row.currency,
    }  # fmt: skip
    facts["base"] = connection.scalar(
        sa.text("SELECT e.currency FROM engagement g JOIN entity e ON e.id = g.entity_id WHERE g.id = :engagement"),
        facts,
    )
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
