"""A rate card knows which one ended it, and no two in use hold for the same people and work on one day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"
KEY = (
    *(f"coalesce({column}, {NOBODY})" for column in ("person_id", "client_id", "engagement_id")),
    *(f"coalesce({column}, '')" for column in ("grade", "work_role", "activity")),
    "currency::text",
)
SAME = ", ".join(KEY)


def upgrade() -> None:
    op.add_column("rate", sa.Column("ended_by", sa.Uuid(), nullable=True))
    # Two that came at once: of those from one day the later stays in use, and each ends when the next begins.
    op.execute(f"""
        UPDATE rate SET archived_at = now(), version = version + 1 FROM (
            SELECT id, row_number() OVER (PARTITION BY {SAME}, from_on ORDER BY created_at DESC, id DESC) AS place
            FROM rate WHERE archived_at IS NULL
        ) each WHERE each.id = rate.id AND each.place > 1
    """)
    op.execute(f"""
        UPDATE rate SET to_on = each.next_on, version = version + 1 FROM (
            SELECT id, lead(from_on) OVER (PARTITION BY {SAME} ORDER BY from_on) AS next_on
            FROM rate WHERE archived_at IS NULL
        ) each WHERE each.id = rate.id AND (rate.to_on IS NULL OR rate.to_on > each.next_on)
           AND each.next_on IS NOT NULL
    """)
    # Whatever begins when a card ends has ended it, also one that is out of use by now.
    op.execute(f"""
        UPDATE rate SET ended_by = (
            SELECT other.id FROM rate other
            WHERE other.from_on = rate.to_on AND other.id <> rate.id
              AND ({", ".join(key.replace("(", "(other.", 1) if "(" in key else f"other.{key}" for key in KEY)})
                = ({", ".join(key.replace("(", "(rate.", 1) if "(" in key else f"rate.{key}" for key in KEY)})
            ORDER BY other.archived_at IS NULL DESC, other.created_at DESC LIMIT 1)
        WHERE to_on IS NOT NULL
    """)
    op.create_foreign_key(
        op.f("fk_rate_ended_by"), "rate", "rate", ["ended_by"], ["id"], deferrable=True, initially="DEFERRED"
    )
    op.create_check_constraint(op.f("ck_rate_ended_by"), "rate", "ended_by IS NULL OR to_on IS NOT NULL")
    op.execute(
        f"ALTER TABLE rate ADD CONSTRAINT ex_rate_one_a_day EXCLUDE USING gist ("
        f"{', '.join(f'({key}) WITH =' for key in KEY)}, daterange(from_on, to_on) WITH &&) WHERE (archived_at IS NULL)"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE rate DROP CONSTRAINT ex_rate_one_a_day")
    op.drop_constraint(op.f("ck_rate_ended_by"), "rate")
    op.drop_constraint(op.f("fk_rate_ended_by"), "rate")
    op.drop_column("rate", "ended_by")
