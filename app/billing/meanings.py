"""What approvals of bills and of write-offs mean: how they are called, found, done, and given back."""

from __future__ import annotations

from flask import url_for

from app.approvals.kinds import Meaning, means
from app.approvals.models import Approval, ApprovalKind
from app.billing.commands.issue import approve_invoice
from app.billing.commands.totals import hold_bill
from app.billing.commands.write_offs import approve_write_off, hold_write_off
from app.billing.models import Invoice, InvoiceState
from app.billing.queries.items import entries_of_write_off
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import NotFound


def _bill(approval: Approval) -> Invoice:
    invoice = db.session.get(Invoice, approval.subject_id)
    if invoice is None:
        raise NotFound()
    return invoice


def _approve_bill(approval: Approval, by: Actor) -> object:
    return approve_invoice(_bill(approval), by=by, asked=approval.id)


def _hold_bill(approval: Approval, by: Actor) -> None:
    """The draft is held, and is a draft again."""
    invoice = _bill(approval)
    hold_bill(invoice)
    if invoice.state is InvoiceState.AWAITING:
        invoice.state = InvoiceState.DRAFT


means(
    ApprovalKind.BILL,
    Meaning(
        words=lambda approval: "Bill",
        url=lambda approval: url_for("invoices.show", invoice_id=approval.subject_id),
        approve=_approve_bill,
        hold=_hold_bill,
    ),
)
def _never_asked(approval: Approval, by: Actor) -> object:
    """Who lowers a fee decides it, or leaves it to somebody whose limit allows it."""
    raise NotFound()


means(
    ApprovalKind.FEE,
    Meaning(
        words=lambda approval: "Lower fee",
        url=lambda approval: url_for("engagements.show", engagement_id=approval.engagement_ids[0]),
        approve=_never_asked,
    ),
)
means(
    ApprovalKind.WRITE_OFF,
    Meaning(
        words=lambda approval: "Write-off",
        url=lambda approval: url_for("approvals.show", approval_id=approval.id),
        approve=lambda approval, by: approve_write_off(approval, by=by),
        hold=hold_write_off,
        covers=("write_off",),
        entries=lambda approval, by: entries_of_write_off(approval, seen_by=by),
    ),
)
