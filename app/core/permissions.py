"""Roles, their permissions in one table, and the one question every command asks first."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from app.core.actors import Actor
from app.core.errors import NotAllowed


class Permission(enum.StrEnum):
    """What one may do, as `room.noun.verb`."""

    CLIENT_EDIT = "clients.client.edit"
    CLIENT_IMPORT = "clients.client.import"
    WALL_EDIT = "clients.wall.edit"
    ENGAGEMENT_EDIT = "clients.engagement.edit"
    SERVICE_EDIT = "catalogue.service.edit"
    SERVICE_APPLY = "planning.service.apply"
    JOB_EDIT = "jobs.job.edit"
    TASK_WORK = "jobs.task.work"
    REVIEW_OWN = "jobs.review.own"
    REQUEST_EDIT = "requests.request.edit"
    DOCUMENT_ADD = "documents.document.add"
    TIME_RECORD = "timekeeping.entry.record"
    TIME_EDIT_OTHERS = "timekeeping.entry.edit_others"
    RATE_SEE = "timekeeping.rate.see"
    RATE_EDIT = "timekeeping.rate.edit"
    WIP_SEE = "billing.wip.see"
    WIP_WRITE_OFF = "billing.wip.write_off"
    INVOICE_DRAFT = "billing.invoice.draft"
    INVOICE_APPROVE = "billing.invoice.approve"
    PAYMENT_RECORD = "billing.payment.record"
    PERIOD_CLOSE = "ledger.period.close"
    REPORT_SEE = "reports.dashboard.see"
    AUDIT_SEE = "activity.audit.see"
    EXPORT = "exchange.list.export"
    PEOPLE_EDIT = "people.person.edit"
    LEAVE_EDIT = "people.leave.edit"
    SETTINGS_EDIT = "firm.settings.edit"


P = Permission
STAFF = {
    P.CLIENT_EDIT,
    P.TASK_WORK,
    P.JOB_EDIT,
    P.REQUEST_EDIT,
    P.DOCUMENT_ADD,
    P.TIME_RECORD,
}
BILLING = STAFF | {
    P.ENGAGEMENT_EDIT,
    P.RATE_SEE,
    P.WIP_SEE,
    P.WIP_WRITE_OFF,
    P.INVOICE_DRAFT,
    P.INVOICE_APPROVE,
    P.PAYMENT_RECORD,
    P.EXPORT,
    P.REPORT_SEE,
    P.SERVICE_EDIT,
    P.CLIENT_IMPORT,
    P.TIME_EDIT_OTHERS,
}
MANAGER = STAFF | {
    P.ENGAGEMENT_EDIT,
    P.RATE_SEE,
    P.WIP_SEE,
    P.WIP_WRITE_OFF,
    P.INVOICE_DRAFT,
    P.SERVICE_EDIT,
    P.SERVICE_APPLY,
    P.LEAVE_EDIT,
    P.TIME_EDIT_OTHERS,
    P.REPORT_SEE,
    P.EXPORT,
    P.CLIENT_IMPORT,
}
PARTNER = (
    MANAGER
    | BILLING
    | {P.WALL_EDIT, P.AUDIT_SEE, P.PERIOD_CLOSE, P.RATE_EDIT, P.SETTINGS_EDIT, P.PEOPLE_EDIT, P.REVIEW_OWN}
)
ADMIN = STAFF | {
    P.SETTINGS_EDIT,
    P.PEOPLE_EDIT,
    P.LEAVE_EDIT,
    P.RATE_EDIT,
    P.RATE_SEE,
    P.SERVICE_EDIT,
    P.SERVICE_APPLY,
    P.AUDIT_SEE,
    P.CLIENT_IMPORT,
    P.EXPORT,
    P.ENGAGEMENT_EDIT,
    P.WALL_EDIT,
}


class Role(enum.StrEnum):
    """Permission roles; what one is on a job is a work role, what one costs a grade."""

    PARTNER = "partner"
    MANAGER = "manager"
    STAFF = "staff"
    BILLING = "billing"
    ADMIN = "admin"


ROLES: dict[Role, frozenset[Permission]] = {
    Role.PARTNER: frozenset(PARTNER),
    Role.MANAGER: frozenset(MANAGER),
    Role.STAFF: frozenset(STAFF),
    Role.BILLING: frozenset(BILLING),
    Role.ADMIN: frozenset(ADMIN),
}

Predicate = Callable[..., bool]


def authorize(by: Actor, predicate: Predicate, *things: Any) -> None:
    """Raise NotAllowed unless `predicate(by, *things)` holds. The first line of every command."""
    if not predicate(by, *things):
        raise NotAllowed("Your role does not allow this. Ask a partner or an administrator of the firm.")
