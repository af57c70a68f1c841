"""A series keeps that its dates could not be worked out after a change, so that they are tried again and shown."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("series", sa.Column("is_stuck", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index("ix_series_stuck", "series", ["id"], postgresql_where=sa.text("is_stuck"))


def downgrade() -> None:
    op.drop_index("ix_series_stuck", "series")
    op.drop_column("series", "is_stuck")
