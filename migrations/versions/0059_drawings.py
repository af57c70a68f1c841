"""Documents are drawn small for lists, and a phone's HEIC is kept as JPEG beside it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("document", sa.Column("thumbnail_key", sa.Text(), nullable=True))
    op.add_column("document", sa.Column("jpeg_key", sa.Text(), nullable=True))
    op.add_column("document", sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_document_undrawn", "document", ["created_at"],
        postgresql_where=sa.text("state = 'available' AND drawn_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_document_undrawn", "document")
    op.drop_column("document", "drawn_at")
    op.drop_column("document", "jpeg_key")
    op.drop_column("document", "thumbnail_key")
