"""An import keeps its file until it starts, and how it was read; what columns mean is kept under a name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None

FORMATS = ("1,234.56", "1.234,56", "1 234,56", "1'234.56", "12,34,567.89")


def upgrade() -> None:
    op.add_column("client_import", sa.Column("content", sa.LargeBinary()))
    op.add_column("client_import", sa.Column("reading", postgresql.JSONB(), server_default="{}", nullable=False))
    op.create_table(
        "column_mapping",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", postgresql.CITEXT(), nullable=False, unique=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("header", postgresql.JSONB(), nullable=False),
        sa.Column("columns", postgresql.JSONB(), nullable=False),
        sa.Column("number_format", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), sa.ForeignKey("person.id")),
        sa.CheckConstraint(sa.column("number_format").in_(FORMATS), name="number_format"),
    )


def downgrade() -> None:
    op.drop_table("column_mapping")
    op.drop_column("client_import", "reading")
    op.drop_column("client_import", "content")
