"""Taking lists out of the house: who may, and the trace it leaves."""

from __future__ import annotations

from app.activity.commands import record
from app.core.actors import Actor
from app.core.db import transaction
from app.core.permissions import Permission, authorize
from app.firm.queries import get_firm


def can_export(by: Actor) -> bool:
    return by.may(Permission.EXPORT)


def record_export(name: str, *, by: Actor) -> None:
    """Write down who took which list. Refuses who may not."""
    authorize(by, can_export)
    with transaction():
        firm = get_firm()
        if firm is not None:
            record("exchange.list.export", firm, by=by, name=name)
