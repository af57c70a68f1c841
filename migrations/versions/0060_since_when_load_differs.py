"""A change of somebody's load says from which day on, so that what must be done before it is not planned again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("load_change", sa.Column("job_id", sa.Uuid(), nullable=True))
    op.add_column("load_change", sa.Column("since", sa.Date(), nullable=True))


def downgrade() -> None:
    op.drop_column("load_change", "since")
    op.drop_column("load_change", "job_id")
