"""The state or region of a client: where its own holidays move a statutory date."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client", sa.Column("region", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("client", "region")
