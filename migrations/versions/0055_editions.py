"""Templates and deadlines name the edition of the statutory rule that they count with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

# Of every rule when editions began.
FIRST = "2026-11"


def upgrade() -> None:
    for table in ("template_deadline", "deadline"):
        op.add_column(table, sa.Column("edition", sa.Text(), server_default=FIRST, nullable=False))
    op.alter_column("template_deadline", "edition", server_default=None)
    op.alter_column("deadline", "edition", server_default="")
    op.execute("UPDATE deadline SET edition = '' WHERE rule = ''")
    op.create_check_constraint(op.f("ck_template_deadline_edition"), "template_deadline", "edition <> ''")
    op.create_check_constraint(op.f("ck_deadline_edition"), "deadline", "(rule = '') = (edition = '')")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_deadline_edition"), "deadline", type_="check")
    op.drop_constraint(op.f("ck_template_deadline_edition"), "template_deadline", type_="check")
    op.drop_column("deadline", "edition")
    op.drop_column("template_deadline", "edition")
