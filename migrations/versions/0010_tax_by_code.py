"""Tax by code and day of supply; what a line and a bill say in the terms of EN 16931.

Rates of one code share a row of `tax_code`, and one of them holds on a day. What referred to a dated rate refers to
its code. Lines gain the day of supply, unit, allowance, charge and category; issued ones keep what they said.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from babel.numbers import get_currency_precision

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OLD_TREATMENTS = ("standard", "zero", "exempt", "reverse_charge", "outside")
TREATMENTS = (*OLD_TREATMENTS, "export", "intra_eu")
CATEGORY = (
    "CASE tax_treatment WHEN 'standard' THEN 'S' WHEN 'zero' THEN 'Z' WHEN 'exempt' THEN 'E' "
    "WHEN 'reverse_charge' THEN 'AE' WHEN 'export' THEN 'G' WHEN 'intra_eu' THEN 'K' ELSE 'O' END"
)
PAIRS = (
    "('standard', 'S'), ('zero', 'Z'), ('exempt', 'E'), ('reverse_charge', 'AE'), ('outside', 'O'), "
    "('export', 'G'), ('intra_eu', 'K')"
)


def upgrade() -> None:
    _codes()
    _referrers()
    _documents()
    _lines()


def _treatment(name: str = "taxtreatment") -> sa.Enum:
    return sa.Enum(*TREATMENTS, name=name, native_enum=False, length=40, create_constraint=True)


def _amount(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Numeric(18, 4), server_default="0", nullable=False)


def _words(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _widen(table: str, column: str) -> None:
    said = ", ".join(f"'{treatment}'" for treatment in TREATMENTS)
    op.drop_constraint(op.f(f"ck_{table}_taxtreatment"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_taxtreatment"), table, f"{column} IN ({said})")


def _codes() -> None:
    op.create_table(
        "tax_code",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("treatment", _treatment(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_tax_code")),
        sa.UniqueConstraint("code", "treatment", name=op.f("uq_tax_code_code_treatment")),
    )
    op.create_index(
        "uq_tax_code_default", "tax_code", ["is_default"], unique=True, postgresql_where=sa.text("is_default")
    )
    _widen("tax_rate", "treatment")
    # A rate that ended before it began never held; one cannot say that of a range of days.
    op.execute("UPDATE tax_rate SET archived_at = coalesce(archived_at, now()), to_on = NULL WHERE to_on <= from_on")
    # An archived rate whose code was given anew with another treatment gets a code of its own.
    op.execute("""
        WITH other AS (
            SELECT r.id, r.code || '~' || row_number() OVER (PARTITION BY r.code ORDER BY r.from_on, r.id) AS code
            FROM tax_rate r WHERE r.treatment <> (
                SELECT n.treatment FROM tax_rate n WHERE n.code = r.code
                ORDER BY n.archived_at IS NOT NULL, n.from_on DESC, n.id DESC LIMIT 1))
        UPDATE tax_rate r SET code = other.code FROM other WHERE other.id = r.id
    """)
    op.execute("""
        INSERT INTO tax_code (code, treatment, is_default, archived_at)
        SELECT code, min(treatment), bool_or(is_default),
               CASE WHEN bool_and(archived_at IS NOT NULL) THEN max(archived_at) END
        FROM tax_rate GROUP BY code
    """)
    # An archived code keeps its rates, for what refers to it; they may overlap only where somebody made it anew.
    op.execute("""
        UPDATE tax_rate r SET archived_at = NULL FROM tax_code c
        WHERE c.code = r.code AND c.archived_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM tax_rate n WHERE n.code = r.code AND n.id <> r.id
            AND daterange(n.from_on, n.to_on) && daterange(r.from_on, r.to_on)
            AND (n.from_on, n.id) > (r.from_on, r.id))
    """)
    # Live rates of one code that hold on one day: the later one wins from its first day on.
    op.execute("""
        UPDATE tax_rate r SET to_on = n.from_on
        FROM tax_rate n WHERE n.code = r.code AND n.archived_at IS NULL AND r.archived_at IS NULL
        AND n.from_on > r.from_on AND (r.to_on IS NULL OR r.to_on > n.from_on)
        AND NOT EXISTS (SELECT FROM tax_rate m WHERE m.code = r.code AND m.archived_at IS NULL
                        AND m.from_on > r.from_on AND m.from_on < n.from_on)
    """)
    op.execute("""
        UPDATE tax_rate r SET archived_at = now() FROM tax_rate n
        WHERE n.code = r.code AND n.archived_at IS NULL AND r.archived_at IS NULL AND n.from_on = r.from_on
        AND n.id > r.id
    """)
    op.drop_index("uq_tax_rate_default", "tax_rate")
    op.drop_column("tax_rate", "is_default")
    op.create_foreign_key(
        op.f("fk_tax_rate_code_treatment"), "tax_rate", "tax_code", ["code", "treatment"], ["code", "treatment"]
    )
    op.create_check_constraint(op.f("ck_tax_rate_ends_after_start"), "tax_rate", "to_on > from_on")
    op.execute(
        "ALTER TABLE tax_rate ADD CONSTRAINT ex_tax_rate_one_a_day EXCLUDE USING gist "
        "(code WITH =, daterange(from_on, to_on) WITH &&) WHERE (archived_at IS NULL)"
    )


def _referrers() -> None:
    for table in ("engagement", "client", "entity", "expense"):
        op.add_column(table, sa.Column("tax_code", sa.Text(), nullable=True))
        op.create_foreign_key(op.f(f"fk_{table}_tax_code"), table, "tax_code", ["tax_code"], ["code"])
    op.execute("UPDATE engagement e SET tax_code = r.code FROM tax_rate r WHERE r.id = e.tax_rate_id")
    op.drop_column("engagement", "tax_rate_id")
    point = sa.Enum("supply", "issue", name="taxpoint", native_enum=False, length=40, create_constraint=True)
    op.add_column("entity", sa.Column("tax_point", point, server_default="supply", nullable=False))


def _documents() -> None:
    op.execute("ALTER TABLE invoice DISABLE TRIGGER USER")
    grouping = sa.Enum("engagement", "job", "entry", name="grouping", native_enum=False, length=40,
                       create_constraint=True)
    op.add_column("invoice", sa.Column("grouping", grouping, server_default="engagement", nullable=False))
    op.add_column("invoice", sa.Column("until_on", sa.Date(), nullable=True))
    for name in ("allowance", "charge", "prepaid"):
        op.add_column("invoice", _amount(name))
    for name in ("allowance_reason", "charge_reason"):
        op.add_column("invoice", _words(name))
    op.create_check_constraint(op.f("ck_invoice_gross"), "invoice", "gross = net + tax")
    op.create_check_constraint(
        op.f("ck_invoice_adjustments"), "invoice",
        "allowance >= 0 AND charge >= 0 AND prepaid >= 0 AND prepaid <= gross",
    )
    op.execute("ALTER TABLE invoice ENABLE TRIGGER USER")


def _lines() -> None:
    # What an issued line said stays; it is said in more columns.
    op.execute("ALTER TABLE invoice_line DISABLE TRIGGER USER")
    _widen("invoice_line", "tax_treatment")
    unit = sa.Enum("HUR", "C62", name="lineunit", native_enum=False, length=40, create_constraint=True)
    op.add_column("invoice_line", sa.Column("unit", unit, server_default="C62", nullable=False))
    op.add_column("invoice_line", sa.Column("decimals", sa.SmallInteger(), server_default="2", nullable=False))
    for name in ("allowance", "charge"):
        op.add_column("invoice_line", _amount(name))
        op.add_column("invoice_line", _words(f"{name}_reason"))
    for name, kind in (
        ("supplied_on", sa.Date()), ("credited_line_id", sa.Uuid()), ("tax_code", sa.Text()),
        ("tax_category", sa.Text()),
    ):
        op.add_column("invoice_line", sa.Column(name, kind, nullable=True))
    op.alter_column("invoice_line", "quantity", type_=sa.Numeric(18, 6))
    connection = op.get_bind()
    for currency in connection.scalars(sa.text("SELECT DISTINCT currency FROM invoice")).all():
        if (decimals := get_currency_precision(currency)) != 2:
            connection.execute(sa.text(
                "UPDATE invoice_line l SET decimals = :decimals FROM invoice i "
                "WHERE i.id = l.invoice_id AND i.currency = :currency"
            ), {"decimals": decimals, "currency": currency})
    op.execute(f"UPDATE invoice_line SET tax_category = {CATEGORY}")
    op.execute("UPDATE invoice_line l SET tax_code = r.code FROM tax_rate r WHERE r.id = l.tax_rate_id")
    op.execute("""
        INSERT INTO tax_code (code, treatment, is_default, archived_at)
        SELECT DISTINCT 'OLD-' || tax_category, tax_treatment, false, now() FROM invoice_line WHERE tax_code IS NULL
    """)
    op.execute("UPDATE invoice_line SET tax_code = 'OLD-' || tax_category WHERE tax_code IS NULL")
    op.execute(
        "UPDATE invoice_line SET quantity = 1, unit_price = net WHERE net <> round(quantity * unit_price, decimals)"
    )
    op.execute("""
        UPDATE invoice_line l SET supplied_on = w.last_on
        FROM (SELECT n.line_id, max(x.worked_on) AS last_on
              FROM invoice_item n JOIN (SELECT id, worked_on FROM time_entry UNION ALL
                                        SELECT id, worked_on FROM expense) x ON x.id = n.item_id
              WHERE n.treatment = 'bill' GROUP BY n.line_id) w
        WHERE w.line_id = l.id AND l.kind IN ('fee', 'expense')
    """)
    op.execute("""
        UPDATE invoice_line l SET supplied_on = coalesce(i.issued_on, i.created_at::date) FROM invoice i
        WHERE i.id = l.invoice_id AND l.supplied_on IS NULL
    """)
    # A credit note has had the lines of its bill in the same places, each once.
    op.execute("""
        UPDATE invoice_line l SET credited_line_id = c.id, supplied_on = c.supplied_on
        FROM invoice n, invoice_line c
        WHERE n.id = l.invoice_id AND n.credits_id = c.invoice_id AND c.position = l.position AND c.net = l.net
        AND 1 = (SELECT count(*) FROM invoice_line o WHERE o.invoice_id = c.invoice_id AND o.position = c.position)
    """)
    op.drop_column("invoice_line", "tax_rate_id")
    for name in ("supplied_on", "tax_code", "tax_category"):
        op.alter_column("invoice_line", name, nullable=False)
    op.create_foreign_key(op.f("fk_invoice_line_tax_code"), "invoice_line", "tax_code", ["tax_code"], ["code"])
    op.create_foreign_key(
        op.f("fk_invoice_line_credited_line_id"), "invoice_line", "invoice_line", ["credited_line_id"], ["id"]
    )
    op.create_index(op.f("ix_invoice_line_credited_line_id"), "invoice_line", ["credited_line_id"])
    for name, rule in (
        ("quantity_times_price", "net = round(quantity * unit_price, decimals) - allowance + charge"),
        ("adjustments", "quantity >= 0 AND allowance >= 0 AND charge >= 0"),
        ("only_standard_has_a_percent", "tax_treatment = 'standard' OR tax_percent = 0"),
        ("tax_category", f"(tax_treatment, tax_category) IN ({PAIRS})"),
    ):
        op.create_check_constraint(op.f(f"ck_invoice_line_{name}"), "invoice_line", rule)
    op.execute("ALTER TABLE invoice_line ENABLE TRIGGER USER")


def downgrade() -> None:
    raise NotImplementedError("A line's day of supply and code are not to be forgotten; restore a backup instead.")
