"""The due date of an issued bill can be put right: a transaction of its own lets it age from the new day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

KINDS = (
    "recorded", "repriced", "transferred", "written_on", "written_off", "billed", "issued", "paid", "allocated",
    "refunded",
)  # fmt: skip


def _allow(*kinds: str) -> None:
    op.drop_constraint(op.f("ck_ledger_transaction_transactionkind"), "ledger_transaction")
    op.create_check_constraint(
        op.f("ck_ledger_transaction_transactionkind"), "ledger_transaction", sa.column("kind").in_(kinds)
    )


def upgrade() -> None:
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks that are still to come cannot be altered
    _allow(*KINDS, "redated")
    op.create_check_constraint(op.f("ck_invoice_due_on"), "invoice", "due_on >= issued_on")


def downgrade() -> None:
    """Transactions of this kind stay in the books: who goes back keeps a kind that their version calls by no name."""
    op.drop_constraint(op.f("ck_invoice_due_on"), "invoice")
    redated = op.get_bind().scalar(sa.text("SELECT count(*) FROM ledger_transaction WHERE kind = 'redated'"))
    if redated:
        raise RuntimeError(f"{redated} due dates were put right; the version before this one cannot read its books.")
    _allow(*KINDS)
