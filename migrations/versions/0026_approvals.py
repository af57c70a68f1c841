"""Approvals and their limits are rows; so is what a write-off takes of each entry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

AMOUNT, MOMENT = sa.Numeric(18, 4), sa.DateTime(timezone=True)
KINDS = ("bill", "write_off")
ROLES = ("partner", "manager", "staff", "billing", "admin")
DECISIONS = ("pending", "approved", "declined", "withdrawn")


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=40, create_constraint=True)


def upgrade() -> None:
    op.create_table(
        "approval_limit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _one_of("approvalkind", *KINDS), nullable=False),
        sa.Column("role", _one_of("role", *ROLES), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("amount", AMOUNT, nullable=True),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("withdrawn_at", MOMENT, nullable=True),
        sa.Column("withdrawn_by", sa.Uuid(), nullable=True),
        sa.Column("made_from", sa.Uuid(), nullable=True),
        sa.CheckConstraint("num_nonnulls(role, person_id) = 1", name=op.f("ck_approval_limit_role_or_person")),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_approval_limit_amount")),
        sa.ForeignKeyConstraint(["entity_id"], ["entity.id"], name=op.f("fk_approval_limit_entity_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_approval_limit_person_id")),
        sa.ForeignKeyConstraint(["set_by"], ["person.id"], name=op.f("fk_approval_limit_set_by")),
        sa.ForeignKeyConstraint(["withdrawn_by"], ["person.id"], name=op.f("fk_approval_limit_withdrawn_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_limit")),
    )
    op.create_index(
        "uq_approval_limit_from_on", "approval_limit", ["entity_id", "kind", "role", "person_id", "from_on"],
        unique=True, postgresql_where=sa.text("withdrawn_at IS NULL"), postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "approval",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", _one_of("approvalkind", *KINDS), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("client_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("engagement_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("base_currency", sa.CHAR(3), nullable=False),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("base_amount", AMOUNT, nullable=True),
        sa.Column("limit_amount", AMOUNT, nullable=True),
        sa.Column("written_off", AMOUNT, server_default="0", nullable=False),
        sa.Column("written_off_base", AMOUNT, nullable=True),
        sa.Column("written_off_limit", AMOUNT, nullable=True),
        sa.Column("second_person", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("facts", sa.dialects.postgresql.JSONB(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=True),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("decision", _one_of("decision", *DECISIONS), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_role", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("word", sa.Text(), server_default="", nullable=False),
        sa.Column("made_from", sa.Uuid(), nullable=True),
        sa.CheckConstraint("amount >= 0 AND written_off >= 0", name=op.f("ck_approval_amounts")),
        sa.CheckConstraint(
            "(decision = 'pending') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_on IS NULL)",
            name=op.f("ck_approval_decided"),
        ),
        sa.CheckConstraint(
            "decision <> 'approved' OR NOT second_person OR (decided_by IS NOT NULL AND asked_by IS NOT NULL "
            "AND decided_by <> asked_by)",
            name=op.f("ck_approval_second_person"),
        ),
        sa.CheckConstraint(
            "decision NOT IN ('approved', 'pending') OR (decision = 'pending' AND second_person) OR ("
            "(limit_amount IS NULL OR (base_amount IS NOT NULL AND base_amount <= limit_amount)) AND "
            "(written_off = 0 OR written_off_limit IS NULL OR "
            "(written_off_base IS NOT NULL AND written_off_base <= written_off_limit)))",
            name=op.f("ck_approval_within_limits"),
        ),
        sa.CheckConstraint("decision <> 'declined' OR word <> ''", name=op.f("ck_approval_declined_with_a_word")),
        sa.ForeignKeyConstraint(["entity_id"], ["entity.id"], name=op.f("fk_approval_entity_id")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_approval_client_id")),
        sa.ForeignKeyConstraint(["asked_by"], ["person.id"], name=op.f("fk_approval_asked_by")),
        sa.ForeignKeyConstraint(["decided_by"], ["person.id"], name=op.f("fk_approval_decided_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
    )
    op.create_index(
        "uq_approval_pending", "approval", ["kind", "subject_id"], unique=True,
        postgresql_where=sa.text("decision = 'pending'"),
    )
    op.create_index("ix_approval_subject_id", "approval", ["subject_id", "asked_at"])
    op.create_index("ix_approval_asked_by", "approval", ["asked_by", "asked_at"])
    op.create_table(
        "write_off_item",
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("item_kind", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("engagement_id", sa.Uuid(), nullable=False),
        sa.Column("open_value", AMOUNT, nullable=False),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("amount > 0 AND amount <= open_value", name=op.f("ck_write_off_item_amount")),
        sa.CheckConstraint("item_kind IN ('time_entry', 'expense')", name=op.f("ck_write_off_item_item_kind")),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approval.id"], name=op.f("fk_write_off_item_approval_id"), deferrable=True,
            initially="DEFERRED",
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transaction.id"], name=op.f("fk_write_off_item_transaction_id")
        ),
        sa.PrimaryKeyConstraint("approval_id", "item_id", name=op.f("pk_write_off_item")),
        sa.UniqueConstraint("transaction_id", name=op.f("uq_write_off_item_transaction_id")),
    )
    op.create_index("ix_write_off_item_item_id", "write_off_item", ["item_id"])


def downgrade() -> None:
    op.drop_table("write_off_item")
    op.drop_table("approval")
    op.drop_table("approval_limit")
    op.execute("DROP FUNCTION IF EXISTS only_decide_approval, only_withdraw_limit, approval_limit_of(text, uuid, uuid, "
               "text, date, timestamptz), only_note_write_off, digest_of_bill(uuid, jsonb), "
               "digest_of_write_off(uuid, text)")
