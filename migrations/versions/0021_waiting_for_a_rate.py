"""No rate is not a rate of 0: time that was recorded before any rate existed waits for one, and so does what is in a
currency without an exchange rate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

RULE = "NOT waiting OR billable AND value = 0 AND written = 0 AND billed = 0 AND state IN ('open', 'held')"
# Recorded at 0 without any card that said so.
UNRATED = "item.rate = 0 AND item.rate_id IS NULL"
WORTH_NOTHING = "item.value = 0 AND item.written = 0 AND item.billed = 0"


def upgrade() -> None:
    for table in ("time_entry", "expense"):
        op.add_column(table, sa.Column("waiting", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.alter_column("time_entry", "rate", nullable=True)
    # Taken along by a draft at 0: it leaves the draft, whose amounts stay what they are.
    op.execute(f"""
        WITH gone AS (
            DELETE FROM invoice_item x USING time_entry item, invoice i
            WHERE item.id = x.item_id AND i.id = x.invoice_id AND i.number IS NULL AND x.value = 0 AND x.billed = 0
              AND {UNRATED} AND {WORTH_NOTHING} AND item.billable
            RETURNING x.item_id
        )
        UPDATE time_entry item SET state = 'open' FROM gone WHERE gone.item_id = item.id AND item.state = 'drafted'
    """)
    op.execute(f"""
        UPDATE time_entry item SET rate = NULL, waiting = billable, version = version + 1
        WHERE {UNRATED} AND {WORTH_NOTHING} AND item.state IN ('open', 'held')
    """)
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks that are still to come cannot be altered
    op.create_check_constraint(
        op.f("ck_time_entry_waits_without_a_rate"), "time_entry", "waiting = (billable AND rate IS NULL)"
    )
    for table in ("time_entry", "expense"):
        op.create_check_constraint(op.f(f"ck_{table}_waiting"), table, RULE)
        op.create_index(f"ix_{table}_waiting", table, ["client_id", "worked_on"], postgresql_where=sa.text("waiting"))


def downgrade() -> None:
    for table in ("time_entry", "expense"):
        op.drop_index(f"ix_{table}_waiting", table_name=table)
        op.drop_constraint(op.f(f"ck_{table}_waiting"), table)
    op.drop_constraint(op.f("ck_time_entry_waits_without_a_rate"), "time_entry")
    op.execute("UPDATE time_entry SET rate = 0 WHERE rate IS NULL")
    op.alter_column("time_entry", "rate", nullable=False)
    for table in ("time_entry", "expense"):
        op.drop_column(table, "waiting")
