"""Events vouch for rows: those that do are found at once, and what stood before them is told of by whoever migrates."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX ix_event_payload_covers ON event_payload (event_id) WHERE data ? 'covers'")
    op.execute(
        "INSERT INTO reader_position (reader, position) SELECT 'activity.baseline', 0 WHERE EXISTS (SELECT FROM event)"
    )


def downgrade() -> None:
    op.execute("DELETE FROM reader_position WHERE reader = 'activity.baseline'")
    op.execute("DROP INDEX ix_event_payload_covers")
