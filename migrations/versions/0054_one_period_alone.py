"""One period of a series may have people, a title and a note of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("occurrence", sa.Column("roles_by_hand", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("occurrence", sa.Column("title_by_hand", sa.Text(), server_default="", nullable=False))
    op.add_column("occurrence", sa.Column("note", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    for name in ("note", "title_by_hand", "roles_by_hand"):
        op.drop_column("occurrence", name)
