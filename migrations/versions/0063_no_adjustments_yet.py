"""A bill as a whole has no allowance, charge or prepayment until its totals count them."""

from __future__ import annotations

from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None

BEFORE = "allowance >= 0 AND charge >= 0 AND prepaid >= 0 AND prepaid <= gross"


def upgrade() -> None:
    # No screen, import or command ever wrote one, so that every firm's bills hold to it.
    op.drop_constraint(op.f("ck_invoice_adjustments"), "invoice", type_="check")
    op.create_check_constraint(
        op.f("ck_invoice_adjustments"), "invoice", "allowance = 0 AND charge = 0 AND prepaid = 0"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_invoice_adjustments"), "invoice", type_="check")
    op.create_check_constraint(op.f("ck_invoice_adjustments"), "invoice", BEFORE)
