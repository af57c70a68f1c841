"""An occurrence that nobody skipped by hand says why it was: the client was not served when it came due."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("occurrence", sa.Column("skipped_because", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("occurrence", "skipped_because")
