"""An invoice item carries amounts, so that one entry may lie on several bills, and says whose it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

AMOUNT = sa.Numeric(precision=18, scale=4)
TIES = ["id", "invoice_id", "client_id", "engagement_id", "currency"]


def upgrade() -> None:
    rest = sa.Enum("write_off", "carry", name="rest", native_enum=False, length=40, create_constraint=True)
    op.add_column("invoice_line", sa.Column("rest", rest, server_default="write_off", nullable=False))
    op.create_unique_constraint("uq_invoice_line_items", "invoice_line", TIES)
    for name in ("written", "carried"):
        op.add_column("invoice_item", sa.Column(name, AMOUNT, server_default="0", nullable=False))
    op.add_column("invoice_item", sa.Column("issued", sa.Boolean(), server_default=sa.false(), nullable=False))
    for name, kind in (("client_id", sa.Uuid()), ("engagement_id", sa.Uuid()), ("currency", sa.CHAR(length=3))):
        op.add_column("invoice_item", sa.Column(name, kind, nullable=True))
    _fill()
    for name in ("client_id", "engagement_id", "currency", "line_id"):
        op.alter_column("invoice_item", name, nullable=False)
    for name in ("invoice_id", "line_id"):
        op.execute(f"ALTER TABLE invoice_item DROP CONSTRAINT IF EXISTS fk_invoice_item_{name}")
    op.create_foreign_key("fk_invoice_item_line", "invoice_item", "invoice_line", ["line_id", *TIES[1:]], TIES)
    op.drop_index("uq_invoice_item_live", table_name="invoice_item")
    op.create_index(
        "uq_invoice_item_drafted", "invoice_item", ["item_id"], unique=True,
        postgresql_where=sa.text("live AND NOT issued AND treatment <> 'later'"),
    )  # fmt: skip
    op.create_index("ix_invoice_item_item_id", "invoice_item", ["item_id"])
    for name, rule in {
        "amounts": "billed + carried = value + written",
        "not_below_nothing": "billed >= 0 AND carried >= 0 AND carried <= value",
        "treatment_amounts": "CASE treatment WHEN 'later' THEN billed = 0 AND written = 0 AND NOT issued "
        "WHEN 'write_off' THEN billed = 0 AND carried = 0 ELSE true END",
        "carried_of_what_is_billed": "NOT issued OR carried = 0 OR billed > 0",
        "item_kind": "item_kind IN ('time_entry', 'expense')",
    }.items():
        op.create_check_constraint(op.f(f"ck_invoice_item_{name}"), "invoice_item", rule)


def _fill() -> None:
    """Until now whatever a bill did not bill of an entry was written off, and more than its value written on.

    What was left for later on a draft and has been moved elsewhere since is no longer remembered there.
    """
    op.execute("""
        DELETE FROM invoice_item x USING invoice i WHERE i.id = x.invoice_id AND x.treatment = 'later'
          AND (i.number IS NOT NULL OR x.line_id IS NULL OR NOT EXISTS (
              SELECT FROM invoice_line l JOIN (
                  SELECT id, client_id, engagement_id, currency FROM time_entry
                  UNION ALL SELECT id, client_id, engagement_id, currency FROM expense
              ) e ON (e.client_id, e.engagement_id, e.currency) = (l.client_id, l.engagement_id, l.currency)
              WHERE l.id = x.line_id AND e.id = x.item_id))
    """)
    op.execute("""
        UPDATE invoice_item x SET line_id = (
            SELECT l.id FROM invoice_line l WHERE l.invoice_id = x.invoice_id AND l.engagement_id IS NOT NULL
            ORDER BY l.position LIMIT 1)
        WHERE x.line_id IS NULL
    """)
    op.execute("""
        UPDATE invoice_item x SET client_id = l.client_id, engagement_id = l.engagement_id, currency = l.currency,
            issued = i.number IS NOT NULL,
            billed = CASE x.treatment WHEN 'bill' THEN x.billed ELSE 0 END,
            carried = CASE x.treatment WHEN 'later' THEN x.value ELSE 0 END,
            written = CASE x.treatment WHEN 'bill' THEN x.billed - x.value WHEN 'write_off' THEN -x.value ELSE 0 END
        FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id WHERE l.id = x.line_id
    """)


def downgrade() -> None:
    for name in ("kept_item", "held_to_its_entry", "gone"):
        op.execute(f"DROP TRIGGER IF EXISTS {name} ON invoice_item")
    op.execute("DROP TRIGGER IF EXISTS items_say_so ON invoice")
    for table in ("time_entry", "expense"):
        for name in ("moved", "billed_made", "billed_changed"):
            op.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
    op.drop_index("uq_invoice_item_drafted", table_name="invoice_item")
    op.drop_index("ix_invoice_item_item_id", table_name="invoice_item")
    for name in ("amounts", "not_below_nothing", "treatment_amounts", "carried_of_what_is_billed", "item_kind"):
        op.drop_constraint(op.f(f"ck_invoice_item_{name}"), "invoice_item")
    op.drop_constraint("fk_invoice_item_line", "invoice_item")
    op.alter_column("invoice_item", "line_id", nullable=True)
    op.create_foreign_key(op.f("fk_invoice_item_invoice_id"), "invoice_item", "invoice", ["invoice_id"], ["id"])
    op.create_foreign_key(
        op.f("fk_invoice_item_line_id"), "invoice_item", "invoice_line", ["line_id"], ["id"], ondelete="SET NULL"
    )
    op.create_index(
        "uq_invoice_item_live", "invoice_item", ["item_id"], unique=True,
        postgresql_where=sa.text("live AND treatment <> 'later'"),
    )  # fmt: skip
    for name in ("written", "carried", "issued", "client_id", "engagement_id", "currency"):
        op.drop_column("invoice_item", name)
    op.drop_constraint("uq_invoice_line_items", "invoice_line")
    op.drop_column("invoice_line", "rest")
