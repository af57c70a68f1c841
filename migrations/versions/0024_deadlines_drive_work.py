"""A job knows its earliest deadline that is not met; a deadline knows what it counts from and when it was met."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

ACTIVE = sa.text("status = 'active'")
INDEXES = {
    "ix_job_open_board": ("service_id, stage_id, {}, id"), "ix_job_open_owner": "owner_id, {}",
    "ix_job_open_due": "{}, id",
}


def upgrade() -> None:
    op.add_column("deadline", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    for column in ("created_at", "updated_at"):
        op.add_column("deadline", sa.Column(
            column, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ))
    op.add_column("deadline", sa.Column("made_from", sa.Uuid(), nullable=True))
    op.add_column("deadline", sa.Column("rule", sa.Text(), nullable=False, server_default=""))
    op.add_column("deadline", sa.Column("trigger_on", sa.Date(), nullable=True))
    op.add_column("deadline", sa.Column("met_by_task_id", sa.Uuid(), nullable=True))
    op.add_column("deadline", sa.Column("met_on", sa.Date(), nullable=True))
    op.add_column("deadline", sa.Column("reference", sa.Text(), nullable=False, server_default=""))
    op.add_column("job", sa.Column("deadline_on", sa.Date(), nullable=True))
    op.add_column("job", sa.Column("deadline_name", sa.Text(), nullable=False, server_default=""))
    op.execute("""
        UPDATE deadline SET rule = coalesce(extra ->> 'rule', ''), trigger_on = (extra ->> 'trigger')::date,
            met_on = CASE WHEN state = 'satisfied' THEN coalesce(decided_at::date, effective_on) END
    """)
    op.execute("""
        UPDATE job SET deadline_on = f.effective_on, deadline_name = f.name, plan_stale = true
        FROM (SELECT DISTINCT ON (job_id) job_id, effective_on, name FROM deadline
              WHERE state IN ('open', 'extended', 'missed') ORDER BY job_id, effective_on, code) f
        WHERE f.job_id = job.id
    """)
    op.create_foreign_key(op.f("fk_deadline_met_by_task_id"), "deadline", "task", ["met_by_task_id"], ["id"])
    op.create_index("ix_deadline_met_by_task_id", "deadline", ["met_by_task_id"])
    op.create_check_constraint(op.f("ck_deadline_met_on"), "deadline", "(state = 'satisfied') = (met_on IS NOT NULL)")
    op.create_check_constraint(
        op.f("ck_deadline_extended"), "deadline", "effective_on >= statutory_on OR state <> 'extended'"
    )
    _index_jobs_by("least(due_on, deadline_on)")


def downgrade() -> None:
    op.execute("DROP TRIGGER IF EXISTS keeps_job_deadline ON deadline")
    op.execute("DROP FUNCTION IF EXISTS keep_job_deadline()")
    _index_jobs_by("due_on")
    op.drop_column("job", "deadline_name")
    op.drop_column("job", "deadline_on")
    op.drop_constraint(op.f("ck_deadline_extended"), "deadline")
    op.drop_constraint(op.f("ck_deadline_met_on"), "deadline")
    op.drop_index("ix_deadline_met_by_task_id", "deadline")
    op.drop_constraint(op.f("fk_deadline_met_by_task_id"), "deadline")
    for column in ("reference", "met_on", "met_by_task_id", "trigger_on", "rule", "made_from", "updated_at",
                   "created_at", "version"):
        op.drop_column("deadline", column)


def _index_jobs_by(day: str) -> None:
    for name, columns in INDEXES.items():
        op.drop_index(name, "job")
        op.execute(f"CREATE INDEX {name} ON job ({columns.format(day)}) WHERE status = 'active'")
