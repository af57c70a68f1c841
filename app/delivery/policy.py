"""Who may see to a mail that did not get through."""

from __future__ import annotations

from app.core.actors import Actor
from app.core.permissions import Permission
from app.delivery.models import Delivery


def can_see_to(by: Actor, delivery: Delivery) -> bool:
    """Whoever sent it; of a client's, everybody of the firm whom no wall keeps from the client; else who may change the
    settings. What it is about may ask for more."""
    if not by.is_person or delivery.client_id in by.walled_clients:
        return False
    return delivery.sent_by == by.id or delivery.client_id is not None or by.may(Permission.SETTINGS_EDIT)
