"""Open work is held by nobody who is gone or who is kept from it by a wall: what was so held stands unassigned."""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def _cannot(person: str, client: str, engagement: str) -> str:
    """The person is gone, or behind a wall from the client or the engagement."""
    return f"""(
        EXISTS (SELECT FROM person p WHERE p.id = {person} AND p.state = 'deactivated')
        OR EXISTS (SELECT FROM wall w WHERE w.person_id = {person}
                   AND (w.client_id = {client} OR w.engagement_id = {engagement}))
    )"""


def upgrade() -> None:
    op.execute(f"""
        UPDATE job SET plan_stale = true FROM task t
        WHERE t.job_id = job.id AND t.state NOT IN ('done', 'cancelled') AND job.status IN ('active', 'on_hold')
          AND {_cannot("t.assignee_id", "t.client_id", "t.engagement_id")}
    """)
    op.execute(f"""
        UPDATE task SET assignee_id = NULL FROM job j
        WHERE j.id = task.job_id AND task.state NOT IN ('done', 'cancelled') AND j.status IN ('active', 'on_hold')
          AND {_cannot("task.assignee_id", "task.client_id", "task.engagement_id")}
    """)
    op.execute(f"""
        UPDATE job SET owner_id = NULL WHERE status IN ('active', 'on_hold')
          AND {_cannot("job.owner_id", "job.client_id", "job.engagement_id")}
    """)
    op.execute(f"""
        DELETE FROM job_role r USING job j WHERE j.id = r.job_id AND j.status IN ('active', 'on_hold')
          AND {_cannot("r.person_id", "j.client_id", "j.engagement_id")}
    """)
    for part in ("partner_id", "manager_id"):
        op.execute(f"UPDATE client SET {part} = NULL WHERE {_cannot(part, 'client.id', 'NULL::uuid')}")
        walled = _cannot(part, "engagement.client_id", "engagement.id")
        op.execute(f"UPDATE engagement SET {part} = NULL WHERE {walled}")


def downgrade() -> None:
    """What stands unassigned stays so: whoever held it could not have done it."""
