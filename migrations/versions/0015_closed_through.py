"""The books are closed through a day, for each entity; every closing is a row that stays."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

MONTH_END = "closed_through = (date_trunc('month', closed_through) + interval '1 month - 1 day')::date"


def upgrade() -> None:
    op.create_table(
        "closing",
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("closed_through", sa.Date(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(MONTH_END, name=op.f("ck_closing_month_end")),
        sa.ForeignKeyConstraint(["entity_id"], ["entity.id"], name=op.f("fk_closing_entity_id")),
        sa.PrimaryKeyConstraint("entity_id", "closed_through", name=op.f("pk_closing")),
    )
    op.execute("""
        INSERT INTO closing (entity_id, closed_through, closed_at, closed_by)
        SELECT e.id, (p.starts_on + interval '1 month - 1 day')::date, p.closed_at, p.closed_by
        FROM ledger_period p CROSS JOIN entity e WHERE p.closed_at IS NOT NULL
    """)
    # The trigger comes again with the SQL files, by entity.
    op.execute("DROP TRIGGER IF EXISTS period_open ON ledger_transaction")
    op.execute("DROP FUNCTION IF EXISTS check_period_open()")
    op.drop_table("ledger_period")


def downgrade() -> None:
    op.create_table(
        "ledger_period",
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("starts_on", name=op.f("pk_ledger_period")),
    )
    op.execute("""
        INSERT INTO ledger_period (starts_on, closed_at, closed_by)
        SELECT DISTINCT ON (1) date_trunc('month', closed_through)::date, closed_at, closed_by FROM closing ORDER BY 1
    """)
    op.drop_table("closing")
