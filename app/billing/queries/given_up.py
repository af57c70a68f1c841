"""What one person gave up of clients in a day without asking: one sum, for whoever adds to it and the page before."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from app.approvals.models import Approval, ApprovalKind, Decision
from app.billing.models import Invoice, InvoiceState
from app.ledger.models import LedgerTransaction
from app.timekeeping.models import WriteOffItem


def given_up_by(person: Any, entity: Any, clients: Any, day: Any) -> sa.ScalarSelect[Decimal]:
    """Write-offs, what bills gave up and lower fees together, in base; not what was taken back whole, or stood on a
    bill that was credited."""
    undone = sa.orm.aliased(LedgerTransaction)
    stands = (
        sa.select(WriteOffItem.item_id)
        .where(WriteOffItem.approval_id == Approval.id)
        .where(~sa.exists().where(undone.reverses_id == WriteOffItem.transaction_id))
    )
    gone = sa.exists().where(Invoice.id == Approval.subject_id, Invoice.state == InvoiceState.VOID)
    off = Approval.kind == ApprovalKind.WRITE_OFF
    amount = sa.case((off, Approval.base_amount), else_=Approval.written_off_base)
    return sa.select(sa.func.coalesce(sa.func.sum(amount), Decimal(0))).where(
        Approval.entity_id == entity, Approval.decision == Decision.APPROVED, Approval.asked_by == person,
        Approval.decided_by == person, Approval.decided_on == day, Approval.client_ids.bool_op("&&")(clients),
        sa.case((off, stands.exists()), else_=~gone),
    ).scalar_subquery()  # fmt: skip
