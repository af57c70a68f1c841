"""How acts of billing are undone while nothing else has happened to them."""

from __future__ import annotations

from uuid import UUID

from app.billing.commands.jobs import move_job
from app.clients.queries import get_engagement
from app.core.actors import Actor
from app.core.errors import Refused
from app.core.undo import way_back
from app.jobs.queries.jobs import get_job


@way_back("billing.job.moved")
def move_job_back(by: Actor, *, job: str, before: str, after: str) -> str:
    found = get_job(UUID(job), seen_by=by)
    if str(found.engagement_id) != after:
        raise Refused(f"“{found.title}” was moved on meanwhile, so this is not undone.")
    to = get_engagement(UUID(before), seen_by=by)
    name = to.name
    move_job(found, to, by=by)
    return f"The job is back under “{name}”"
