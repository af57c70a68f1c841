"""A deadline keeps the last day that it was found missed for, so that taking back a late filing tells nobody again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deadline", sa.Column("missed_day", sa.Date()))
    # What was missed is told by its state; of what was met or waived since, its own day was over before.
    op.execute("""
        UPDATE deadline SET missed_day = effective_on
        WHERE state = 'missed' OR (state IN ('satisfied', 'waived') AND decided_at::date > effective_on + 1)
    """)
    op.create_check_constraint("missed_day", "deadline", "state <> 'missed' OR missed_day IS NOT NULL")


def downgrade() -> None:
    op.drop_constraint("missed_day", "deadline", type_="check")
    op.drop_column("deadline", "missed_day")
