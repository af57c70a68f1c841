"""One period of a series may start and be due on other days than its rule says."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("occurrence", sa.Column("starts_by_hand", sa.Date(), nullable=True))
    op.add_column("occurrence", sa.Column("due_by_hand", sa.Date(), nullable=True))
    op.create_check_constraint(op.f("ck_occurrence_by_hand"), "occurrence", "due_by_hand >= starts_by_hand")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_occurrence_by_hand"), "occurrence", type_="check")
    op.drop_column("occurrence", "due_by_hand")
    op.drop_column("occurrence", "starts_by_hand")
