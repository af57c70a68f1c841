"""Leave, what is said to be left of a step, how long steps usually take, and since when a job is in its stage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

HALVES = (
    "int4range((from_on - DATE '2000-01-01') * 2 + from_midday::int,"
    " (to_on - DATE '2000-01-01') * 2 + 2 - until_midday::int)"
)


def upgrade() -> None:
    op.create_table(
        "leave",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Enum(
            "holiday", "sick", "parental", "training", "other", name="leavekind", native_enum=False,
            create_constraint=True, length=40,
        ), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("to_on", sa.Date(), nullable=False),
        sa.Column("from_midday", sa.Boolean(), nullable=False),
        sa.Column("until_midday", sa.Boolean(), nullable=False),
        sa.Column("added_by", sa.Uuid(), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("made_from", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "from_on < to_on OR (from_on = to_on AND NOT (from_midday AND until_midday))", name=op.f("ck_leave_days")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_leave_person_id")),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_leave_added_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leave")),
    )
    op.create_index("ix_leave_person_id", "leave", ["person_id", "to_on"])
    op.execute(
        f"ALTER TABLE leave ADD CONSTRAINT ex_leave_once EXCLUDE USING gist (person_id WITH =, ({HALVES}) WITH &&)"
        " WHERE (cancelled_at IS NULL)"
    )
    op.create_table(
        "usual_time",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=True),
        sa.Column("step_key", sa.Text(), nullable=True),
        sa.Column("takes", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("counted_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name=op.f("fk_usual_time_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usual_time")),
        sa.UniqueConstraint("service_id", "step_key", name="uq_usual_time_of", postgresql_nulls_not_distinct=True),
    )
    op.create_table(
        "load_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_load_change_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_load_change")),
    )
    op.create_index("ix_load_change_person_id", "load_change", ["person_id"])
    op.add_column("task", sa.Column("remaining", sa.Integer(), nullable=True))
    op.add_column("task", sa.Column("remaining_spent", sa.Integer(), nullable=True))
    op.add_column("task", sa.Column("remaining_on", sa.Date(), nullable=True))
    op.create_check_constraint(
        op.f("ck_task_remaining"), "task", "num_nonnulls(remaining, remaining_spent, remaining_on) IN (0, 3)"
    )
    op.add_column("job", sa.Column("stage_since", sa.Date(), server_default=sa.text("CURRENT_DATE"), nullable=False))
    op.execute("""
        UPDATE job SET stage_since = coalesce(
            (SELECT max(e.at)::date FROM event e
             WHERE e.subject_kind = 'job' AND e.subject_id = job.id AND e.kind = 'jobs.job.moved'),
            greatest(job.starts_on, job.created_at::date)
        )
    """)


def downgrade() -> None:
    for table in ("task", "job", "leave", "working_pattern", "closure", "person"):
        for act in ("made", "changed", "gone"):
            op.execute(f"DROP TRIGGER IF EXISTS load_{act} ON {table}")
    op.execute("DROP FUNCTION IF EXISTS tell_load_of_tasks(), tell_load_of_task_changes(), tell_load_of_jobs()")
    op.execute("DROP FUNCTION IF EXISTS tell_load_of_person(), tell_load_of_closure(), tell_load_of_office()")
    op.drop_column("job", "stage_since")
    op.drop_constraint(op.f("ck_task_remaining"), "task")
    for column in ("remaining_on", "remaining_spent", "remaining"):
        op.drop_column("task", column)
    op.drop_table("load_change")
    op.drop_table("usual_time")
    op.drop_table("leave")
