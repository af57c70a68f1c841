"""Where an exchange rate comes from, ten decimals of it, and which one a posting used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Who typed a rate stands in its event alone until now.
_TYPED_BY = """
    UPDATE exchange_rate r SET entered_by = e.actor_id FROM event e
    WHERE e.kind = 'ledger.rate.add' AND e.subject_id = r.id AND e.actor_kind = 'person'
      AND EXISTS (SELECT FROM person p WHERE p.id = e.actor_id)
"""
# Which rate an old transaction used: of its currency and number, the latest from on or before its day.
_USED = """
    UPDATE ledger_transaction t SET exchange_rate_id = (
        SELECT r.id FROM posting p JOIN exchange_rate r ON r.currency = p.currency AND r.rate = p.base_rate
        WHERE p.transaction_id = t.id AND r.from_on <= t.happened_on ORDER BY r.from_on DESC, p.line LIMIT 1)
    WHERE EXISTS (SELECT FROM posting p WHERE p.transaction_id = t.id AND p.base_rate <> 1)
"""


def upgrade() -> None:
    op.create_table(
        "rate_file",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_by", sa.Uuid(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wanted", sa.dialects.postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("added", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["sent_by"], ["person.id"], name=op.f("fk_rate_file_sent_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_file")),
    )
    op.create_index("ix_rate_file_sent_at", "rate_file", ["sent_at"])

    op.alter_column("exchange_rate", "rate", type_=sa.Numeric(20, 10))
    op.add_column("exchange_rate", sa.Column("source", _source(), server_default="typed", nullable=False))
    op.add_column("exchange_rate", sa.Column("via", sa.CHAR(length=3), nullable=True))
    op.add_column("exchange_rate", sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
    for name, table in (("file_id", "rate_file"), ("entered_by", "person"), ("withdrawn_by", "person")):
        op.add_column("exchange_rate", sa.Column(name, sa.Uuid(), nullable=True))
        op.create_foreign_key(op.f(f"fk_exchange_rate_{name}"), "exchange_rate", table, [name], ["id"])
    op.drop_constraint(op.f("uq_exchange_rate_currency_base_from_on"), "exchange_rate")
    op.create_index(
        "uq_exchange_rate_currency_base_from_on", "exchange_rate", ["currency", "base", "from_on"], unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    op.create_index(
        "ix_exchange_rate_file_id", "exchange_rate", ["file_id"], postgresql_where=sa.text("file_id IS NOT NULL")
    )
    for name, rule in (
        ("of_another_currency", "currency <> base"),
        ("from_its_file", "(source = 'typed') = (file_id IS NULL)"),
        ("via_a_third", "via IS NULL OR (source <> 'typed' AND via NOT IN (currency, base))"),
    ):
        op.create_check_constraint(op.f(f"ck_exchange_rate_{name}"), "exchange_rate", rule)
    with _unguarded("exchange_rate"):
        op.execute(_TYPED_BY)

    op.alter_column("posting", "base_rate", type_=sa.Numeric(20, 10))
    op.add_column("ledger_transaction", sa.Column("exchange_rate_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_ledger_transaction_exchange_rate_id"), "ledger_transaction", "exchange_rate", ["exchange_rate_id"],
        ["id"],
    )
    # What was posted stays; only the new column is filled.
    with _unguarded("ledger_transaction"):
        op.execute(_USED)


@contextmanager
def _unguarded(table: str) -> Iterator[None]:
    op.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    yield
    op.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _source() -> sa.Enum:
    return sa.Enum("typed", "ecb", name="ratesource", native_enum=False, length=40, create_constraint=True)


def downgrade() -> None:
    op.drop_constraint(op.f("fk_ledger_transaction_exchange_rate_id"), "ledger_transaction")
    op.drop_column("ledger_transaction", "exchange_rate_id")
    op.alter_column("posting", "base_rate", type_=sa.Numeric(18, 6))
    op.drop_index("uq_exchange_rate_currency_base_from_on", "exchange_rate")
    for name in ("of_another_currency", "from_its_file", "via_a_third"):
        op.drop_constraint(op.f(f"ck_exchange_rate_{name}"), "exchange_rate")
    for name in ("source", "via", "file_id", "entered_by", "withdrawn_at", "withdrawn_by"):
        op.drop_column("exchange_rate", name)
    op.alter_column("exchange_rate", "rate", type_=sa.Numeric(18, 6))
    op.create_unique_constraint(
        op.f("uq_exchange_rate_currency_base_from_on"), "exchange_rate", ["currency", "base", "from_on"]
    )
    op.drop_table("rate_file")
