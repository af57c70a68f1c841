"""Whether a PDF may be shown by a browser; null for those that were kept before anybody looked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("document", sa.Column("download_only", sa.Boolean(), nullable=True))
    op.execute("UPDATE document SET download_only = false WHERE media_type <> 'application/pdf'")


def downgrade() -> None:
    op.drop_column("document", "download_only")
