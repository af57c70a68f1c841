"""Who sets limits, and who sees and decides what was asked."""

from __future__ import annotations

from typing import Any

from app.approvals.models import Approval, ApprovalKind
from app.core.actors import Actor
from app.core.permissions import Permission

# What allows an act at all; how much of it, the limits say.
NEEDED = {
    ApprovalKind.BILL: Permission.INVOICE_APPROVE,
    ApprovalKind.WRITE_OFF: Permission.WIP_WRITE_OFF,
    ApprovalKind.FEE: Permission.WIP_WRITE_OFF,
}


def can_edit_limits(by: Actor, *_things: Any) -> bool:
    return by.may(Permission.SETTINGS_EDIT)


def can_see_approvals(by: Actor, *_things: Any) -> bool:
    """Whoever works with WIP or bills; each sees what they asked for and what they may decide."""
    return by.may(Permission.WIP_SEE)


def can_see_approval(by: Actor, approval: Approval) -> bool:
    """No wall stands before any of its clients and engagements."""
    return can_see_approvals(by) and not (
        by.walled_clients.intersection(approval.client_ids)
        or by.walled_engagements.intersection(approval.engagement_ids)
    )


def can_decide(by: Actor, approval: Approval) -> bool:
    return can_see_approval(by, approval) and by.may(NEEDED[approval.kind])


def can_withdraw(by: Actor, approval: Approval) -> bool:
    return can_see_approval(by, approval) and (by.is_system or by.person_id == approval.asked_by)
