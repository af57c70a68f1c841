"""Who may see and change what the firm sells."""

from __future__ import annotations

from app.catalogue.models import JobTemplate, Service
from app.core.actors import Actor
from app.core.permissions import Permission


def can_see_services(by: Actor) -> bool:
    """Everyone of the firm; no contact."""
    return by.is_person or by.is_system


def can_edit_service(by: Actor, service: Service | None = None) -> bool:
    return by.may(Permission.SERVICE_EDIT)


def can_edit_template(by: Actor, template: JobTemplate | None = None) -> bool:
    return by.may(Permission.SERVICE_EDIT)
