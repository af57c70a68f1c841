"""An expense says how its bill taxes it, and a disbursement keeps the evidence that the client owed it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

EVIDENCE = (
    "bill_tax <> 'disbursement' OR mark_up_percent = 0 AND receipt_name <> '' "
    "AND (evidence <> '' OR document_id IS NOT NULL)"
)


def upgrade() -> None:
    how = sa.Enum("engagement", "code", "disbursement", name="billtax", native_enum=False, length=40,
                  create_constraint=True)
    op.add_column("expense", sa.Column("bill_tax", how, server_default="engagement", nullable=False))
    for name in ("receipt_name", "evidence"):
        op.add_column("expense", sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.execute("UPDATE expense SET bill_tax = 'code' WHERE tax_code IS NOT NULL")
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks that are still to come cannot be altered
    op.create_check_constraint(
        op.f("ck_expense_tax_code_when_told"), "expense", "(bill_tax = 'engagement') = (tax_code IS NULL)"
    )
    op.create_check_constraint(op.f("ck_expense_evidence_of_a_disbursement"), "expense", EVIDENCE)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_expense_evidence_of_a_disbursement"), "expense")
    op.drop_constraint(op.f("ck_expense_tax_code_when_told"), "expense")
    for name in ("evidence", "receipt_name", "bill_tax"):
        op.drop_column("expense", name)
