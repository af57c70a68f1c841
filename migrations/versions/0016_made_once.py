"""What a form makes keeps a digest of what the form said, so that its id with other facts is a conflict."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TABLES = (
    "application", "arrangement", "client", "client_import", "client_request", "closure", "comment", "contact",
    "document", "engagement", "entity", "exchange_rate", "expense", "invoice", "invoice_line", "job", "office",
    "payment", "person", "rate", "run", "service", "stage", "task", "tax_rate", "template_step", "time_entry", "timer",
    "wall",
)


def upgrade() -> None:
    """What was made before has none, and is answered as it is."""
    for table in TABLES:
        op.add_column(table, sa.Column("made_from", sa.Uuid(), nullable=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "made_from")
