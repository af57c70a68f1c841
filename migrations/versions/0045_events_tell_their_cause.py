"""Events tell what led to them; it is part of their hash from now on, and what was recorded before stays as it was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event", sa.Column("cause", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("event", "cause")
