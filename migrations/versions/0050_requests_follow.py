"""A request keeps whether its days were set by hand; the others follow the job's dates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("due_locked", "send_locked"):
        op.add_column(
            "client_request", sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )
    # Asked when its step opens, says its template; asked on a day of its own, said a person.
    op.execute("""
        UPDATE client_request r SET send_locked = true FROM template_request t
        WHERE t.id = r.template_request_id AND t.send_rule IS NULL AND NOT r.send_when_open
          AND r.state IN ('draft', 'scheduled')
    """)


def downgrade() -> None:
    op.drop_column("client_request", "send_locked")
    op.drop_column("client_request", "due_locked")
