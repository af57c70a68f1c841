"""A fee that becomes less is approved as a write-off is: a kind of its own, without a limit of its own."""

from __future__ import annotations

from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("approval", "approval_limit"):
        op.drop_constraint(op.f(f"ck_{table}_approvalkind"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_approvalkind"), table, "kind IN ('bill', 'write_off', 'fee')")
    op.create_check_constraint(op.f("ck_approval_limit_kind"), "approval_limit", "kind <> 'fee'")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_approval_limit_kind"), "approval_limit", type_="check")
    for table in ("approval", "approval_limit"):
        op.drop_constraint(op.f(f"ck_{table}_approvalkind"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_approvalkind"), table, "kind IN ('bill', 'write_off')")
