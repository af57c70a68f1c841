"""A service says whether its jobs share the client's engagement; applying it says which one each job goes to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

# The ready services that are matters; what a firm has made itself stays as it was.
MATTERS = ("UK-COMPANY-FORMATION", "US-LITIGATION-DEFENSE", "UK-LITIGATION-DEFENCE")


def upgrade() -> None:
    no = {"nullable": False, "server_default": sa.false()}
    op.add_column("service", sa.Column("own_engagement", sa.Boolean(), **no))
    op.add_column("application", sa.Column("own_engagement", sa.Boolean(), **no))
    op.add_column(
        "application_client",
        sa.Column(
            "engagement_id", sa.Uuid(),
            sa.ForeignKey("engagement.id", name=op.f("fk_application_client_engagement_id")), nullable=True,
        ),
    )
    op.add_column("application_client", sa.Column("new_engagement", sa.Text(), nullable=False, server_default=""))
    op.create_check_constraint(
        op.f("ck_application_client_one_engagement"), "application_client",
        "engagement_id IS NULL OR new_engagement = ''",
    )
    op.execute(
        sa.text("UPDATE service SET own_engagement = true WHERE code = ANY(:codes)").bindparams(codes=list(MATTERS))
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_application_client_one_engagement"), "application_client", type_="check")
    op.drop_column("application_client", "new_engagement")
    op.drop_column("application_client", "engagement_id")
    op.drop_column("application", "own_engagement")
    op.drop_column("service", "own_engagement")
