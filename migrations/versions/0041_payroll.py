"""A client says how often its staff are paid, which the periods of a payroll service refer to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

FREQUENCIES = ("weekly", "fortnightly", "four_weekly", "monthly")
BEFORE = ("once", "month", "quarter", "vat_quarter", "half_year", "year", "calendar_year", "tax_year")
AFTER = (*BEFORE, "payroll")


def upgrade() -> None:
    kind = sa.Enum(*FREQUENCIES, name="payrollfrequency", native_enum=False, length=40, create_constraint=True)
    op.add_column("client", sa.Column("payroll_frequency", kind, nullable=True))
    op.add_column("client", sa.Column("first_pay_day", sa.Date(), nullable=True))
    op.create_check_constraint(
        op.f("ck_client_payroll"), "client", "(payroll_frequency IS NULL) = (first_pay_day IS NULL)"
    )
    _allow(AFTER)


def downgrade() -> None:
    op.execute("UPDATE series SET cadence = 'month' WHERE cadence = 'payroll'")
    op.execute("UPDATE service SET cadence = 'month' WHERE cadence = 'payroll'")
    _allow(BEFORE)
    op.drop_constraint(op.f("ck_client_payroll"), "client", type_="check")
    op.drop_column("client", "first_pay_day")
    op.drop_column("client", "payroll_frequency")


def _allow(cadences: tuple[str, ...]) -> None:
    said = ", ".join(f"'{each}'" for each in cadences)
    for table in ("service", "series"):
        op.drop_constraint(op.f(f"ck_{table}_cadence"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_cadence"), table, f"cadence IN ({said})")
