"""Whose time one may record and change, and who sees rates."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.clients.policy import can_see
from app.core.actors import Actor
from app.core.permissions import Permission
from app.timekeeping.models import ItemState, Rate, Timer, WipItem


def can_record_time(by: Actor, person_id: UUID | None = None) -> bool:
    """One's own time; that of others takes a permission."""
    if not by.may(Permission.TIME_RECORD):
        return False
    return by.is_system or person_id in (None, by.id) or by.may(Permission.TIME_EDIT_OTHERS)


def can_change_timer(by: Actor, timer: Timer) -> bool:
    return can_record_time(by, timer.person_id) and can_see(by, timer.client_id, timer.engagement_id)


def can_edit_item(by: Actor, item: WipItem) -> bool:
    return can_record_time(by, item.person_id) and can_see(by, item.client_id, item.engagement_id)


def can_see_rates(by: Actor, *_things: Any) -> bool:
    return by.may(Permission.RATE_SEE)


def can_edit_rates(by: Actor, rate: Rate | None = None) -> bool:
    return by.may(Permission.RATE_EDIT) and (rate is None or can_see(by, rate.client_id, rate.engagement_id))


def can_see_time_of(by: Actor, person_id: UUID | None) -> bool:
    """Whose time sheet one may open: one's own; those of colleagues take a permission."""
    return by.is_system or (by.is_person and (person_id in (None, by.id) or by.may(Permission.TIME_EDIT_OTHERS)))


def can_see_all_time(by: Actor) -> bool:
    """Whether lists over everybody's time show more than one's own."""
    return by.is_system or (by.is_person and by.may(Permission.TIME_EDIT_OTHERS))


def can_change_item(by: Actor, item: WipItem) -> bool:
    """Whether it still changes, and by this person: for showing or hiding what would be refused."""
    return item.state in (ItemState.OPEN, ItemState.HELD) and item.deleted_at is None and can_edit_item(by, item)


def can_take_back(by: Actor, item: WipItem) -> bool:
    """Whether what was written on or off it may be taken back: while no bill and no draft holds it."""
    free = item.state in (ItemState.OPEN, ItemState.HELD, ItemState.WRITTEN_OFF) and item.deleted_at is None
    return free and by.may(Permission.WIP_WRITE_OFF) and can_see(by, item.client_id, item.engagement_id)
