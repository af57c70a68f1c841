"""A change of a step is told to the jobs that wait for it, whoever has its steps."""

from __future__ import annotations

from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("load_change", "person_id", nullable=True)
    op.create_check_constraint("of", "load_change", "person_id IS NOT NULL OR job_id IS NOT NULL")


def downgrade() -> None:
    op.execute("DELETE FROM load_change WHERE person_id IS NULL")
    op.drop_constraint("of", "load_change", type_="check")
    op.alter_column("load_change", "person_id", nullable=False)
