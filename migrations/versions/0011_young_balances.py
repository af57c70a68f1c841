"""Pages read the balances of the last days alone; those that have come to nothing are found and dropped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SOMETHING = sa.text("amount <> 0")


def upgrade() -> None:
    op.drop_index("ix_balance_account", "balance")
    op.create_index(
        "ix_balance_account", "balance", ["account", "client_id", "aged_on"], postgresql_where=SOMETHING
    )
    op.create_index("ix_balance_nothing", "balance", ["client_id"], postgresql_where=sa.text("amount = 0"))


def downgrade() -> None:
    op.drop_index("ix_balance_nothing", "balance")
    op.drop_index("ix_balance_account", "balance")
    op.create_index("ix_balance_account", "balance", ["account", "client_id"], postgresql_where=SOMETHING)
