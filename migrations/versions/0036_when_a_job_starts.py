"""A template says when a job about a period starts, where that is not the day after the period."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job_template", sa.Column("start_rule", JSONB(), nullable=True))


def downgrade() -> None:
    # The trigger names the column; it is made again, without it, by the version that is gone back to.
    op.execute("DROP TRIGGER IF EXISTS keep_published ON job_template")
    op.drop_column("job_template", "start_rule")
