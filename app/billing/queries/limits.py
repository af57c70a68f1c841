"""What stands between a draft and its number: what was asked, and the limits of whoever looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from app.approvals.limits import Judged, limit_of
from app.approvals.models import Approval, ApprovalKind, Decision
from app.approvals.queries import latest_for
from app.billing.models import Invoice, InvoiceItem, InvoiceLine, LineKind, Treatment
from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.money import round_amount
from app.ledger.queries import find_rate_on


@dataclass(frozen=True)
class Ahead:
    """The request that is pending, if one is, and why the viewer cannot approve the draft alone, if so."""

    pending: Approval | None
    above: str


_GIVEN_UP = (
    sa.select(sa.func.coalesce(sa.func.sum(-InvoiceItem.written), 0))
    .join(InvoiceLine, InvoiceLine.id == InvoiceItem.line_id)
    .where(
        InvoiceItem.invoice_id == sa.bindparam("invoice", type_=sa.Uuid()),
        InvoiceItem.written < 0,
        sa.or_(InvoiceItem.treatment == Treatment.WRITE_OFF, InvoiceLine.kind != LineKind.FIXED),
    )
    .scalar_subquery()
)


def ahead_of(invoice: Invoice, *, seen_by: Actor) -> Ahead:
    """For the page of a draft; the command judges anew, under its locks."""
    latest = latest_for(invoice.id, seen_by=seen_by)
    pending = latest if latest is not None and latest.decision is Decision.PENDING else None
    if seen_by.person_id is None:
        return Ahead(pending, "")
    limits = [
        limit_of(kind.value, invoice.entity_id, seen_by.person_id, seen_by.role, clock.today(), clock.now())
        for kind in (ApprovalKind.BILL, ApprovalKind.WRITE_OFF)
    ]
    asked: Any = db.session.execute(sa.select(*limits, _GIVEN_UP), {"invoice": invoice.id}).one()
    limit, off_limit, written = asked
    if not limit.is_finite() and not off_limit.is_finite():
        return Ahead(pending, "")
    rebates = sum((max(line.drawn - line.net, Decimal(0)) for line in invoice.lines), Decimal(0))
    base = invoice.entity.currency
    exchange = find_rate_on(invoice.currency, base, clock.today())
    judged = Judged(
        base_currency=base,
        base_amount=round_amount(invoice.gross * exchange.rate, base) if exchange else None,
        limit=limit if limit.is_finite() else None,
        written_off=written + rebates,
        written_off_base=round_amount((written + rebates) * exchange.rate, base) if exchange else None,
        written_off_limit=off_limit if off_limit.is_finite() else None,
    )
    return Ahead(pending, "" if judged.within else judged.why_not)
