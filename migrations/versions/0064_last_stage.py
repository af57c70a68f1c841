"""A job with open required steps that stands in its service's last stage goes back to the one before it."""

from __future__ import annotations

from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        UPDATE job SET stage_id = (
            SELECT o.id FROM stage o WHERE o.service_id = s.service_id AND o.position < s.position
            ORDER BY o.position DESC LIMIT 1
        ), stage_since = current_date
        FROM stage s WHERE s.id = job.stage_id AND job.status IN ('active', 'on_hold')
            AND EXISTS (SELECT FROM stage o WHERE o.service_id = s.service_id AND o.position < s.position)
            AND NOT EXISTS (SELECT FROM stage o WHERE o.service_id = s.service_id AND o.position > s.position)
            AND EXISTS (SELECT FROM task t WHERE t.job_id = job.id AND t.required
                        AND t.state NOT IN ('done', 'cancelled'))
    """)


def downgrade() -> None:
    """They stay where they went."""
