"""How somebody writes numbers, and how a file does; nothing where it is as usual or as the file itself shows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

FORMATS = ("1,234.56", "1.234,56", "1 234,56", "1''234.56", "12,34,567.89")


def upgrade() -> None:
    listed = ", ".join(f"'{key}'" for key in FORMATS)
    for table in ("person", "client_import"):
        op.add_column(table, sa.Column("number_format", sa.Text(), nullable=True))
        op.create_check_constraint(op.f(f"ck_{table}_number_format"), table, f"number_format IN ({listed})")


def downgrade() -> None:
    for table in ("person", "client_import"):
        op.drop_constraint(op.f(f"ck_{table}_number_format"), table)
        op.drop_column(table, "number_format")
