"""A timer keeps on which day its time was gathered, so that work over midnight is divided there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("timer", sa.Column("by_day", JSONB(), server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("timer", "by_day")
