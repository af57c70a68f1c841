"""A part of an entry can be put back into it; where an item stands follows from its figures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The trigger that writes postings holds them to whole units; what was posted before it stays.
    op.execute("ALTER TABLE posting DROP CONSTRAINT IF EXISTS ck_posting_whole_units")
    op.add_column("time_entry", sa.Column("rejoined_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_time_entry_rejoined"), "time_entry", "rejoined_at IS NULL OR deleted_at IS NOT NULL AND value = 0"
    )
    for table in ("time_entry", "expense"):
        # Written up while it was worth nothing, it was taken for written off.
        op.execute(f"""
            UPDATE {table} item SET state = 'open', version = version + 1
            WHERE state = 'written_off' AND written >= 0 AND NOT EXISTS (
                SELECT FROM invoice_item x WHERE x.item_id = item.id AND x.live AND x.treatment <> 'later')
        """)
        op.execute(f"""
            UPDATE {table} item SET state = 'billed', version = version + 1
            WHERE state = 'written_off' AND written >= 0
        """)
        op.execute(f"""
            UPDATE {table} SET state = CASE WHEN billed <> 0 THEN 'billed' ELSE 'written_off' END, version = version + 1
            WHERE state IN ('open', 'held') AND billable AND deleted_at IS NULL AND open_value = 0
              AND (billed <> 0 OR written < 0)
        """)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_time_entry_rejoined"), "time_entry")
    op.drop_column("time_entry", "rejoined_at")
