"""How a client's time stands on bills, and who pays them: on clients and engagements, with the entity's usual lines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    grouping = sa.Enum(
        "engagement", "job", "entry", name="grouping", native_enum=False, length=40, create_constraint=True
    )
    op.add_column("entity", sa.Column("line_grouping", grouping, server_default="engagement", nullable=False))
    for table in ("client", "engagement"):
        op.add_column(table, sa.Column("line_grouping", grouping))
        op.add_column(table, sa.Column("payer_id", sa.Uuid()))
        op.create_foreign_key(op.f(f"fk_{table}_payer_id"), table, "client", ["payer_id"], ["id"])
        op.create_index(
            f"ix_{table}_payer_id", table, ["payer_id"], postgresql_where=sa.text("payer_id IS NOT NULL")
        )
    op.create_check_constraint(op.f("ck_client_payer_is_another"), "client", "payer_id <> id")


def downgrade() -> None:
    for table in ("engagement", "client"):
        op.drop_column(table, "payer_id")
        op.drop_column(table, "line_grouping")
    op.drop_column("entity", "line_grouping")
