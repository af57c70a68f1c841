"""A request says when it is asked: its day or the opening of its step, the time of day, held or not, unreachable."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

NINE = sa.text("'09:00'")


def upgrade() -> None:
    op.add_column("template_request", sa.Column("send_rule", JSONB(), nullable=True))
    op.add_column("template_request", sa.Column("send_time", sa.Time(), nullable=False, server_default=NINE))
    op.add_column("client_request", sa.Column("send_time", sa.Time(), nullable=False, server_default=NINE))
    for name in ("send_when_open", "held"):
        op.add_column("client_request", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("client_request", sa.Column("unreachable_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_client_request_to_send", "client_request", ["send_on", "id"],
        postgresql_where=sa.text("state = 'scheduled' AND NOT held"),
    )
    op.create_check_constraint(
        op.f("ck_client_request_has_a_moment"), "client_request",
        "state <> 'scheduled' OR send_on IS NOT NULL OR send_when_open",
    )
    op.create_check_constraint(
        op.f("ck_client_request_held_is_unsent"), "client_request", "NOT held OR state = 'scheduled'"
    )
    # The step of what is already planned to be asked waits for it from now on.
    op.execute("""
        UPDATE task SET waits_for_client = true,
            state = CASE WHEN state IN ('ready', 'in_progress', 'in_review') THEN 'waiting' ELSE state END
        WHERE NOT waits_for_client AND state NOT IN ('done', 'cancelled') AND EXISTS (
            SELECT FROM client_request r WHERE r.task_id = task.id AND r.state = 'scheduled' AND r.closed_at IS NULL)
    """)


def downgrade() -> None:
    # What was to be asked when a step opens has no day of its own: it is a draft again.
    op.drop_constraint(op.f("ck_client_request_has_a_moment"), "client_request")
    op.drop_constraint(op.f("ck_client_request_held_is_unsent"), "client_request")
    op.execute("""
        UPDATE client_request SET state = 'draft', held = false
        WHERE state = 'scheduled' AND (held OR send_when_open OR send_on IS NULL)
    """)
    op.execute("""
        UPDATE task SET waits_for_client = false, state = CASE WHEN state <> 'waiting' THEN state
            WHEN started_at IS NULL THEN 'ready' WHEN kind = 'review' THEN 'in_review' ELSE 'in_progress' END
        WHERE waits_for_client AND state NOT IN ('done', 'cancelled') AND NOT EXISTS (
            SELECT FROM client_request r WHERE r.task_id = task.id AND r.closed_at IS NULL
            AND r.state IN ('sent', 'viewed', 'in_progress', 'returned', 'submitted'))
    """)
    op.drop_index("ix_client_request_to_send", "client_request")
    for name in ("unreachable_at", "held", "send_when_open", "send_time"):
        op.drop_column("client_request", name)
    op.drop_column("template_request", "send_time")
    op.drop_column("template_request", "send_rule")
