"""The event log by kind: without it the audit page reads every event to find the few of a rare kind."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_event_kind", "event", ["kind", "id"], postgresql_ops={"kind": "text_pattern_ops"})


def downgrade() -> None:
    op.drop_index("ix_event_kind", table_name="event")
