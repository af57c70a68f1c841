"""Bills whose PDF could not be made are listed, and hold up no other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("invoice", sa.Column("paper_failed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("invoice", sa.Column("paper_error", sa.Text(), server_default="", nullable=False))
    op.create_index(
        "ix_invoice_failed", "invoice", ["paper_failed_at"], postgresql_where=sa.text("paper_failed_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_invoice_failed", "invoice")
    op.drop_column("invoice", "paper_error")
    op.drop_column("invoice", "paper_failed_at")
