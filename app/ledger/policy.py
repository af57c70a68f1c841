"""Who may close the books."""

from __future__ import annotations

from typing import Any

from app.core.actors import Actor
from app.core.permissions import Permission


def can_post(by: Actor, *_things: Any) -> bool:
    """Postings follow from commands that were allowed already; contacts make none."""
    return by.is_system or by.is_person


def can_gather(by: Actor) -> bool:
    return by.is_system


def can_repair_books(by: Actor, *_things: Any) -> bool:
    """The machine alone, when whoever runs it asks."""
    return by.is_system


def can_close_period(by: Actor) -> bool:
    return by.may(Permission.PERIOD_CLOSE)


def can_edit_exchange_rates(by: Actor, *_things: Any) -> bool:
    return by.may(Permission.SETTINGS_EDIT) or by.may(Permission.PERIOD_CLOSE)


def can_see_books(by: Actor, *_things: Any) -> bool:
    """The firm's totals, across every wall: for whoever closes them."""
    return by.may(Permission.PERIOD_CLOSE)
