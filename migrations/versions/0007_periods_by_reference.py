"""A series keeps how often it recurs; over which periods follows from the client's own year, no longer copied."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

CADENCES = ("once", "month", "quarter", "vat_quarter", "half_year", "year", "calendar_year", "tax_year")
# Where the service has changed its cadence since, the series keeps its own, told from the periods that it had.
_CADENCE = """
    UPDATE series s SET cadence = CASE
        WHEN s.period = 'quarter' AND service.cadence IN ('quarter', 'vat_quarter') THEN service.cadence
        WHEN s.period = 'quarter' AND (s.year_end_month, s.year_end_day) = (12, 31) THEN 'quarter'
        WHEN s.period = 'quarter' THEN 'vat_quarter'
        WHEN s.period = 'year' AND service.cadence IN ('year', 'calendar_year') THEN service.cadence
        ELSE s.period END
    FROM service WHERE service.id = s.service_id
"""


def upgrade() -> None:
    kind = sa.Enum(*CADENCES, name="cadence", native_enum=False, length=40, create_constraint=True)
    op.add_column("series", sa.Column("cadence", kind, nullable=True))
    op.execute(_CADENCE)
    # Half-years that end late in a month had lost periods: they are forecast anew.
    op.execute("UPDATE series SET forecast_until = NULL WHERE cadence = 'half_year' AND state <> 'ended'")
    op.alter_column("series", "cadence", nullable=False)
    op.create_check_constraint(op.f("ck_series_recurs"), "series", "cadence <> 'once'")
    prefix = "uq_series_client_id_engagement_id_service_id_anchor_on"
    op.drop_constraint(op.f(f"{prefix}_rrule"), "series", type_="unique")
    op.create_unique_constraint(
        op.f(f"{prefix}_cadence"), "series", ["client_id", "engagement_id", "service_id", "anchor_on", "cadence"]
    )
    for column in ("rrule", "period", "period_months", "year_end_month", "year_end_day"):
        op.drop_column("series", column)


def downgrade() -> None:
    prefix = "uq_series_client_id_engagement_id_service_id_anchor_on"
    op.add_column("series", sa.Column("rrule", sa.Text(), nullable=True))
    op.add_column("series", sa.Column("period", sa.Text(), nullable=True))
    op.add_column("series", sa.Column("period_months", sa.Integer(), nullable=True))
    op.add_column("series", sa.Column("year_end_month", sa.SmallInteger(), nullable=True))
    op.add_column("series", sa.Column("year_end_day", sa.SmallInteger(), nullable=True))
    op.execute(_COPIES)
    for column in ("rrule", "period", "period_months", "year_end_month", "year_end_day"):
        op.alter_column("series", column, nullable=False)
    op.drop_constraint(op.f(f"{prefix}_cadence"), "series", type_="unique")
    op.create_unique_constraint(
        op.f(f"{prefix}_rrule"), "series", ["client_id", "engagement_id", "service_id", "anchor_on", "rrule"]
    )
    op.drop_column("series", "cadence")


_COPIES = """
    UPDATE series s SET
        rrule = CASE cadence WHEN 'month' THEN 'FREQ=MONTHLY' WHEN 'quarter' THEN 'FREQ=MONTHLY;INTERVAL=3'
            WHEN 'vat_quarter' THEN 'FREQ=MONTHLY;INTERVAL=3' WHEN 'half_year' THEN 'FREQ=MONTHLY;INTERVAL=6'
            ELSE 'FREQ=YEARLY' END,
        period = CASE cadence WHEN 'vat_quarter' THEN 'quarter' WHEN 'calendar_year' THEN 'year' ELSE cadence END,
        period_months = CASE cadence WHEN 'month' THEN 1 WHEN 'quarter' THEN 3 WHEN 'vat_quarter' THEN 3
            WHEN 'half_year' THEN 6 ELSE 12 END,
        year_end_month = CASE WHEN cadence IN ('year', 'half_year') THEN coalesce(c.year_end_month, 12)
            WHEN cadence = 'vat_quarter' THEN coalesce(c.vat_stagger, 1) + 2
            WHEN cadence = 'tax_year' THEN 4 ELSE 12 END,
        year_end_day = CASE WHEN cadence IN ('year', 'half_year') THEN coalesce(c.year_end_day, 31)
            WHEN cadence = 'vat_quarter' AND c.vat_stagger = 2 THEN 30 WHEN cadence = 'tax_year' THEN 5 ELSE 31 END
    FROM client c WHERE c.id = s.client_id
"""
