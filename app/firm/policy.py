"""Who may change the firm's settings."""

from __future__ import annotations

from app.core.actors import Actor
from app.core.permissions import Permission


def can_edit_settings(by: Actor) -> bool:
    return by.may(Permission.SETTINGS_EDIT)
