"""A date set by hand says so, and a job keeps the dates that its template names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, column in (("job", "due_locked"), ("deadline", "trigger_locked"), ("deadline", "due_locked")):
        op.add_column(table, sa.Column(column, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("job", sa.Column("named_dates", postgresql.JSONB(), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("job", "named_dates")
    for table, column in (("deadline", "due_locked"), ("deadline", "trigger_locked"), ("job", "due_locked")):
        op.drop_column(table, column)
