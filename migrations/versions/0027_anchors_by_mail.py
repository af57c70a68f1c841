"""The partners to whom the end of the event log is mailed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "anchor_recipient",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("since_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_anchor_recipient_person_id")),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_anchor_recipient_added_by")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_anchor_recipient")),
    )


def downgrade() -> None:
    op.drop_table("anchor_recipient")
