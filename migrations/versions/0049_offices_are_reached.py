"""An office has a telephone number, an e-mail address and an address that its clients read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None
ADDED = ("phone", "email", "address")


def upgrade() -> None:
    for name in ADDED:
        op.add_column("office", sa.Column(name, sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    for name in reversed(ADDED):
        op.drop_column("office", name)
