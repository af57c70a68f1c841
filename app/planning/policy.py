"""Who may apply services to clients and decide what recurs."""

from __future__ import annotations

from app.clients.policy import can_see
from app.core.actors import Actor
from app.core.permissions import Permission
from app.planning.models import Application, Series

CONFIRMS = (Permission.SERVICE_EDIT, Permission.JOB_EDIT)


def can_apply(by: Actor, application: Application | None = None) -> bool:
    return by.may(Permission.SERVICE_APPLY)


def can_edit_series(by: Actor, series: Series | None = None) -> bool:
    return by.may(Permission.SERVICE_APPLY) and (
        series is None or can_see(by, series.client_id, series.engagement_id)
    )


def can_confirm_edition(by: Actor) -> bool:
    """Of a statutory rule: services get a new version, open jobs other dates."""
    return all(by.may(each) for each in CONFIRMS)


def can_see_plans(by: Actor) -> bool:
    """Everyone of the firm, for the clients that they see."""
    return by.is_person or by.is_system
