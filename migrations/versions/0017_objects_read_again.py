"""When each stored object was last read again and compared with its digest, and what was wrong."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "object_check",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_object_check")),
    )
    op.create_index("ix_object_check_found", "object_check", ["key"], postgresql_where=sa.text("found <> ''"))


def downgrade() -> None:
    op.drop_table("object_check")
