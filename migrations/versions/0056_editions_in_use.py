"""Which editions of statutory rules are in use is asked by the list of deadlines, each time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_deadline_edition", "deadline", ["rule", "edition"],
        postgresql_where=sa.text("NOT due_locked AND state IN ('open', 'missed')"),
    )


def downgrade() -> None:
    op.drop_index("ix_deadline_edition", "deadline")
