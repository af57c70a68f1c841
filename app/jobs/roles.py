"""Who holds a work role on a job: the job's team, then the engagement's and the client's, else nobody yet."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from app.catalogue.models import WorkRole
from app.clients.models import Client, Engagement


def resolve_role(
    role: WorkRole, team: Mapping[WorkRole, UUID], engagement: Engagement, client: Client
) -> UUID | None:
    """Job team, client team, the client's person in charge; None is the unassigned queue."""
    if role in team:
        return team[role]
    if role is WorkRole.PARTNER:
        return engagement.partner_id or client.partner_id
    if role is WorkRole.REVIEWER:
        return engagement.manager_id or client.manager_id or engagement.partner_id or client.partner_id
    return None
