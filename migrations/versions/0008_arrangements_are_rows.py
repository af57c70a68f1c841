"""How an engagement is billed becomes rows: several by date, each fee with what is drawn of it; a line's currency."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KINDS = ("hourly", "fixed", "non_billable")


def upgrade() -> None:
    _uniques()
    op.create_table(
        "arrangement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("engagement_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("kind", _kind(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("agreed_amount", sa.Numeric(precision=18, scale=4), nullable=True),
        sa.Column("drawn", sa.Numeric(precision=18, scale=4), server_default="0", nullable=False),
        sa.Column("terms", sa.dialects.postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(kind = 'fixed') = (agreed_amount IS NOT NULL)", name=op.f("ck_arrangement_fee_when_fixed")
        ),
        sa.CheckConstraint("agreed_amount > 0", name=op.f("ck_arrangement_agreed_amount")),
        sa.CheckConstraint("drawn >= 0 AND drawn <= coalesce(agreed_amount, 0)", name=op.f("ck_arrangement_drawn")),
        sa.ForeignKeyConstraint(
            ["engagement_id", "currency"],
            ["engagement.id", "engagement.currency"],
            name=op.f("fk_arrangement_engagement_id_currency"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arrangement")),
        sa.UniqueConstraint("id", "engagement_id", name=op.f("uq_arrangement_id_engagement_id")),
    )
    op.create_index(
        "uq_arrangement_from_on",
        "arrangement",
        ["engagement_id", "from_on"],
        unique=True,
        postgresql_where=sa.text("archived_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.execute("ALTER TABLE invoice_line DISABLE TRIGGER USER")
    _move_over()
    op.execute("ALTER TABLE invoice_line ENABLE TRIGGER USER")
    _tie_lines()
    op.drop_column("engagement", "arrangement")
    op.drop_column("engagement", "fixed_fee")


def _kind() -> sa.Enum:
    return sa.Enum(*KINDS, name="arrangementkind", native_enum=False, length=40, create_constraint=True)


def _uniques() -> None:
    op.create_unique_constraint(op.f("uq_engagement_id_currency"), "engagement", ["id", "currency"])
    for table in ("engagement", "invoice"):
        op.create_unique_constraint(
            op.f(f"uq_{table}_id_client_id_currency"), table, ["id", "client_id", "currency"]
        )


def _move_over() -> None:
    """One arrangement from the start for each engagement, and what its lines have taken of the fee so far.

    A fee that stood beside another kind was never billed; it is kept among the terms. Lines of a fee that is one no
    more draw on an arrangement of their own that is over. More than the fee was billed where two drafted it at once:
    the first lines take it, the rest draws nothing.
    """
    op.add_column("invoice_line", sa.Column("currency", sa.CHAR(length=3), nullable=True))
    op.add_column("invoice_line", sa.Column("arrangement_id", sa.Uuid(), nullable=True))
    op.add_column(
        "invoice_line", sa.Column("drawn", sa.Numeric(precision=18, scale=4), server_default="0", nullable=False)
    )
    op.execute("UPDATE invoice_line l SET currency = i.currency FROM invoice i WHERE i.id = l.invoice_id")
    op.execute("""
        INSERT INTO arrangement (id, engagement_id, currency, kind, agreed_amount, terms)
        SELECT gen_random_uuid(), id, currency,
               CASE WHEN arrangement = 'fixed' AND coalesce(fixed_fee, 0) <= 0 THEN 'hourly'
                    ELSE coalesce(arrangement, 'hourly') END,
               CASE WHEN arrangement = 'fixed' AND fixed_fee > 0 THEN fixed_fee END,
               CASE WHEN arrangement <> 'fixed' AND fixed_fee IS NOT NULL
                    THEN jsonb_build_object('fee_noted', fixed_fee::text) ELSE '{}' END
        FROM engagement
    """)
    op.execute("""
        INSERT INTO arrangement (id, engagement_id, currency, kind, agreed_amount, archived_at)
        SELECT gen_random_uuid(), l.engagement_id, l.currency, 'fixed', greatest(sum(l.net), 0.0001), now()
        FROM invoice_line l JOIN arrangement a ON a.engagement_id = l.engagement_id
        WHERE l.kind = 'fixed' AND a.kind <> 'fixed' GROUP BY 2, 3
    """)
    op.execute("""
        UPDATE invoice_line l SET arrangement_id = a.id FROM arrangement a
        WHERE l.kind = 'fixed' AND a.engagement_id = l.engagement_id AND a.kind = 'fixed'
    """)
    op.execute("""
        WITH taken AS (
            SELECT l.id, l.net, a.agreed_amount,
                   coalesce(sum(l.net) OVER (PARTITION BY a.id ORDER BY i.issued_on NULLS LAST, i.number, l.id
                                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
            FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id JOIN arrangement a ON a.id = l.arrangement_id
            WHERE i.kind = 'invoice' AND i.state <> 'void'
        )
        UPDATE invoice_line l SET drawn = greatest(least(taken.net, taken.agreed_amount - taken.before), 0)
        FROM taken WHERE taken.id = l.id
    """)
    op.execute("""
        UPDATE arrangement a SET drawn = t.taken FROM (
            SELECT l.arrangement_id, sum(l.drawn) AS taken FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id
            WHERE l.arrangement_id IS NOT NULL AND i.state <> 'void' GROUP BY 1
        ) t WHERE t.arrangement_id = a.id
    """)


def _tie_lines() -> None:
    op.alter_column("invoice_line", "currency", nullable=False)
    for name in ("invoice_id", "engagement_id"):
        op.execute(f"ALTER TABLE invoice_line DROP CONSTRAINT IF EXISTS fk_invoice_line_{name}")
    op.create_foreign_key(
        op.f("fk_invoice_line_invoice_id_client_id_currency"), "invoice_line", "invoice",
        ["invoice_id", "client_id", "currency"], ["id", "client_id", "currency"],
    )  # fmt: skip
    op.create_foreign_key(
        op.f("fk_invoice_line_engagement_id_client_id_currency"), "invoice_line", "engagement",
        ["engagement_id", "client_id", "currency"], ["id", "client_id", "currency"],
    )  # fmt: skip
    op.create_foreign_key(
        op.f("fk_invoice_line_arrangement_id_engagement_id"), "invoice_line", "arrangement",
        ["arrangement_id", "engagement_id"], ["id", "engagement_id"],
    )  # fmt: skip
    op.create_index(
        "ix_invoice_line_arrangement_id", "invoice_line", ["arrangement_id"],
        postgresql_where=sa.text("arrangement_id IS NOT NULL"),
    )  # fmt: skip
    op.create_check_constraint(
        op.f("ck_invoice_line_arrangement_when_fixed"), "invoice_line",
        "(kind = 'fixed') = (arrangement_id IS NOT NULL)",
    )
    op.create_check_constraint(
        op.f("ck_invoice_line_drawn"), "invoice_line", "drawn >= 0 AND (drawn = 0 OR arrangement_id IS NOT NULL)"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER IF EXISTS drawn_made ON invoice_line")
    op.execute("DROP TRIGGER IF EXISTS drawn_changed ON invoice_line")
    op.execute("DROP TRIGGER IF EXISTS drawn_gone ON invoice_line")
    op.execute("DROP TRIGGER IF EXISTS drawn ON invoice")
    op.execute("DROP TRIGGER IF EXISTS arranged ON engagement")
    op.add_column("engagement", sa.Column("arrangement", _kind(), server_default="hourly", nullable=False))
    op.add_column("engagement", sa.Column("fixed_fee", sa.Numeric(precision=18, scale=4), nullable=True))
    op.execute("""
        UPDATE engagement e SET arrangement = a.kind, fixed_fee = a.agreed_amount FROM arrangement a
        WHERE a.engagement_id = e.id AND a.from_on IS NULL AND a.archived_at IS NULL
    """)
    op.alter_column("engagement", "arrangement", server_default=None)
    op.drop_constraint("fk_invoice_line_invoice_id_client_id_currency", "invoice_line")
    op.drop_constraint("fk_invoice_line_engagement_id_client_id_currency", "invoice_line")
    op.create_foreign_key(op.f("fk_invoice_line_invoice_id"), "invoice_line", "invoice", ["invoice_id"], ["id"])
    op.create_foreign_key(
        op.f("fk_invoice_line_engagement_id"), "invoice_line", "engagement", ["engagement_id"], ["id"]
    )
    for name in ("drawn", "arrangement_id", "currency"):
        op.drop_column("invoice_line", name)
    op.drop_table("arrangement")
    op.drop_constraint("uq_engagement_id_currency", "engagement")
    op.drop_constraint("uq_engagement_id_client_id_currency", "engagement")
    op.drop_constraint("uq_invoice_id_client_id_currency", "invoice")
