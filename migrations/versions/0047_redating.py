"""What recurs follows a changed calendar or service in pieces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "redating",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("office_id", sa.Uuid(), nullable=True),
        sa.Column("service_id", sa.Uuid(), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("after_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_redating_office_id")),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name=op.f("fk_redating_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redating")),
    )


def downgrade() -> None:
    for table in ("closure", "office"):
        op.execute(f"DROP TRIGGER IF EXISTS redating_changed ON {table}")
    op.execute("DROP FUNCTION IF EXISTS tell_redating_of_closure(), tell_redating_of_office()")
    op.drop_table("redating")
