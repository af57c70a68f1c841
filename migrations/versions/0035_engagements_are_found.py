"""Engagements are found by any part of their name and scope."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_engagement_words_trgm", "engagement", [sa.text("lower(name || ' ' || scope) gin_trgm_ops")],
        postgresql_using="gin",
    )


def downgrade() -> None:
    op.drop_index("ix_engagement_words_trgm", "engagement")
