"""Requests and lines of checklists have keys, a deadline names its step, a dependency says where it came from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

# A key as `app/catalogue/keys.py` makes it. The second of the same words gets two hyphens, which no other key has.
_SLUG = "coalesce(nullif(trim(both '-' from left(regexp_replace(lower({}), '[^a-z0-9]+', '-', 'g'), 40)), ''), '{}')"
_NUMBERED = "{0} || CASE WHEN {1} > 1 THEN '--' || {1} ELSE '' END"
PUBLISHED = ("template_request", "template_step")


def upgrade() -> None:
    op.add_column("template_request", sa.Column("key", sa.Text(), nullable=True))
    op.add_column("template_deadline", sa.Column("met_by", sa.Text(), nullable=True))
    op.add_column("checklist_item", sa.Column("key", sa.Text(), nullable=True))
    op.add_column(
        "dependency", sa.Column("from_template", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    for table in PUBLISHED:
        op.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    key = _NUMBERED.format("slug", "n")
    op.execute(f"""
        UPDATE template_request r SET key = {key} FROM (
            SELECT id, slug, row_number() OVER (PARTITION BY template_id, slug ORDER BY position, id) AS n
            FROM (SELECT *, {_SLUG.format("name", "request")} AS slug FROM template_request) named
        ) found WHERE found.id = r.id
    """)
    op.execute(f"""
        UPDATE template_step s SET checklist = found.lines FROM (
            SELECT id, jsonb_agg(jsonb_build_object('key', {key}, 'text', words) ORDER BY place) AS lines FROM (
                SELECT id, words, place, slug, row_number() OVER (PARTITION BY id, slug ORDER BY place) AS n
                FROM (
                    SELECT step.id, line.words, line.place, {_SLUG.format("line.words", "line")} AS slug
                    FROM template_step step,
                         jsonb_array_elements_text(step.checklist) WITH ORDINALITY line(words, place)
                ) worded
            ) counted GROUP BY id
        ) found WHERE found.id = s.id
    """)
    for table in PUBLISHED:
        op.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    op.execute(f"""
        UPDATE checklist_item i SET key = {key} FROM (
            SELECT id, slug, row_number() OVER (PARTITION BY task_id, slug ORDER BY position, id) AS n
            FROM (
                SELECT item.*, {_SLUG.format("item.text", "line")} AS slug FROM checklist_item item
                JOIN task ON task.id = item.task_id WHERE task.step_key IS NOT NULL
            ) worded
        ) found WHERE found.id = i.id
    """)
    op.execute("""
        UPDATE dependency d SET from_template = true FROM task after_, task before, job, template_dependency t
        WHERE after_.id = d.task_id AND before.id = d.on_id AND before.job_id = after_.job_id AND job.id = after_.job_id
          AND t.template_id = job.template_id AND t.step_key = after_.step_key AND t.on_key = before.step_key
          AND (t.kind, t.lag_days) = (d.kind, d.lag_days)
    """)
    op.alter_column("template_request", "key", nullable=False)
    op.create_unique_constraint(op.f("uq_template_request_template_id_key"), "template_request", ["template_id", "key"])
    op.create_unique_constraint(op.f("uq_checklist_item_task_id_key"), "checklist_item", ["task_id", "key"])
    op.create_foreign_key(
        op.f("fk_template_deadline_template_id_met_by"), "template_deadline", "template_step",
        ["template_id", "met_by"], ["template_id", "key"],
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_template_deadline_template_id_met_by"), "template_deadline", type_="foreignkey")
    op.drop_constraint(op.f("uq_checklist_item_task_id_key"), "checklist_item", type_="unique")
    op.drop_constraint(op.f("uq_template_request_template_id_key"), "template_request", type_="unique")
    op.execute("ALTER TABLE template_step DISABLE TRIGGER USER")
    op.execute("""
        UPDATE template_step s SET checklist = (
            SELECT coalesce(jsonb_agg(line.each->>'text' ORDER BY line.place), '[]')
            FROM jsonb_array_elements(s.checklist) WITH ORDINALITY line(each, place)
        )
    """)
    op.execute("ALTER TABLE template_step ENABLE TRIGGER USER")
    op.drop_column("dependency", "from_template")
    op.drop_column("checklist_item", "key")
    op.drop_column("template_deadline", "met_by")
    op.drop_column("template_request", "key")
