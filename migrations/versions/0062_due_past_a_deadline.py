"""Why a job may be due after a deadline stands on the job, and on what is planned of it by hand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

TABLES = ("job", "occurrence", "application_client")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("due_because", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "due_because")
