"""Who a mail was sent for, until when it helps, since when it fails, whether somebody saw to it; work that failed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None
STATES = ("queued", "sent", "kept", "failed")


def upgrade() -> None:
    op.add_column("delivery", sa.Column("sent_by", sa.Uuid(), nullable=True))
    for name in ("useful_until", "failed_at", "settled_at"):
        op.add_column("delivery", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    _allow((*STATES, "dropped"))
    op.execute("UPDATE delivery SET failed_at = created_at, settled_at = now() WHERE state = 'failed'")
    op.create_index(
        "ix_delivery_failed", "delivery", ["failed_at"],
        postgresql_where=sa.text("failed_at IS NOT NULL AND settled_at IS NULL"),
    )
    op.create_table(
        "failed_work",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("said", sa.LargeBinary(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_again_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_work")),
        sa.UniqueConstraint("said", name=op.f("uq_failed_work_said")),
    )


def _allow(states: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_delivery_deliverystate"), "delivery", type_="check")
    listed = ", ".join(f"'{state}'" for state in states)
    op.create_check_constraint(op.f("ck_delivery_deliverystate"), "delivery", f"state IN ({listed})")


def downgrade() -> None:
    op.drop_table("failed_work")
    op.drop_index("ix_delivery_failed", "delivery")
    op.execute("UPDATE delivery SET state = 'failed' WHERE state = 'dropped'")
    _allow(STATES)
    for name in ("settled_at", "failed_at", "useful_until", "sent_by"):
        op.drop_column("delivery", name)
