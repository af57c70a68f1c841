"""Sums of a client and of an account by month, kept so that the WIP of ten thousand clients opens at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ACCOUNTS = ("wip", "wip_memo", "receivable", "revenue", "recovered", "tax", "bank", "credit", "expense")


def upgrade() -> None:
    op.create_table(
        "client_balance",
        sa.Column("account", _account(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.PrimaryKeyConstraint("account", "client_id", "currency", name=op.f("pk_client_balance")),
    )
    op.create_index(
        "ix_client_balance_largest",
        "client_balance",
        ["account", "amount", "client_id", "currency"],
        postgresql_where=sa.text("amount <> 0"),
    )
    op.create_table(
        "account_balance",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("account", _account(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("age_month", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_balance")),
    )
    op.execute(
        "INSERT INTO client_balance (account, client_id, currency, amount) "
        "SELECT account, client_id, currency, sum(amount) FROM balance GROUP BY 1, 2, 3"
    )
    op.execute(
        "INSERT INTO account_balance (account, currency, age_month, amount) "
        "SELECT account, currency, age_month, sum(amount) FROM balance GROUP BY 1, 2, 3 HAVING sum(amount) <> 0"
    )


def _account() -> sa.Enum:
    return sa.Enum(*ACCOUNTS, name="account", native_enum=False, length=40, create_constraint=True)


def downgrade() -> None:
    op.drop_table("account_balance")
    op.drop_table("client_balance")
