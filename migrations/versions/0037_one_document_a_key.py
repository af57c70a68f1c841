"""A key of storage on its way in belongs to one document."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_document_incoming_key", "document", ["incoming_key"], unique=True,
        postgresql_where=sa.text("incoming_key IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_document_incoming_key", "document")
