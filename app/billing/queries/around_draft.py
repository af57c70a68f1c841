"""What stands around a draft: what came in since, what waits for a rate, what was asked, and the viewer's limits."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.approvals.limits import NOW, TODAY, Judged, limit_of
from app.approvals.models import ApprovalKind
from app.approvals.queries import INFINITE, pending_of
from app.billing.models import Invoice, InvoiceItem, InvoiceLine, LineKind, Treatment
from app.billing.policy import can_see_invoices
from app.billing.queries.behind import come_since
from app.billing.queries.given_up import given_up_by
from app.clients.policy import within_sight
from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.money import round_amount
from app.firm.queries import tax_names
from app.ledger.queries import find_rate_on
from app.marks.models import Comment
from app.marks.queries import how_many
from app.timekeeping.waiting import Waiting, as_waiting, waiting_of


@dataclass(frozen=True)
class Since:
    """Time recorded since on the engagements of a draft: asked about, never added by itself."""

    count: int
    amount: Decimal


@dataclass(frozen=True)
class Pending:
    """The request for approval that is pending: for how much, and who asked; empty for the system."""

    id: UUID
    amount: Decimal
    asker: str


@dataclass(frozen=True)
class AroundDraft:
    """`above` is why the viewer cannot approve the draft alone, if so; `taxes` the codes to choose from, by name."""

    new: Since
    waiting: Waiting
    comments: int
    pending: Pending | None
    above: str
    taxes: dict[str, str]


_INVOICE = sa.bindparam("invoice", type_=sa.Uuid())
_CLIENTS = sa.bindparam("clients", type_=sa.ARRAY(sa.Uuid()))
_GIVEN_UP = (
    sa.select(sa.func.coalesce(sa.func.sum(-InvoiceItem.written), 0))
    .join(InvoiceLine, InvoiceLine.id == InvoiceItem.line_id)
    .where(
        InvoiceItem.invoice_id == _INVOICE,
        InvoiceItem.written < 0,
        sa.or_(InvoiceItem.treatment == Treatment.WRITE_OFF, InvoiceLine.kind != LineKind.FIXED),
    )
    .scalar_subquery()
)


def around_draft(invoice: Invoice, *, seen_by: Actor) -> AroundDraft:
    """For the page of a draft, in one question; the commands ask and judge anew, under their locks."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    asked: Any = db.session.execute(_around(seen_by), {
        "invoice": invoice.id,
        "entity": invoice.entity_id,
        "clients": [invoice.client_id],
        "engagements": list({line.engagement_id for line in invoice.lines if line.engagement_id}),
        "fees": list({line.arrangement_id for line in invoice.lines if line.arrangement_id}),
        "today": clock.today(),
    }).one()
    return AroundDraft(
        Since(asked.number, asked.amount),
        as_waiting(asked),
        asked.comments,
        Pending(asked.pending_id, asked.pending_amount, asked.asker or "") if asked.pending_id else None,
        _above(invoice, asked) if seen_by.person_id else "",
        {each["code"]: each["name"] for each in asked.taxes},
    )


@lru_cache(maxsize=256)
def _around(seen_by: Actor) -> sa.Select[*tuple[Any, ...]]:
    """Made once for each pair of eyes: making it costs more than asking it."""
    since, waiting = come_since(_INVOICE, seen_by=seen_by), waiting_of(seen_by, "engagements")
    pending = pending_of(_INVOICE, seen_by=seen_by)
    entity = sa.bindparam("entity", type_=sa.Uuid())
    bill, off = (
        limit_of(kind.value, entity, seen_by.person_id, seen_by.role, TODAY, NOW)
        for kind in (ApprovalKind.BILL, ApprovalKind.WRITE_OFF)
    )
    return (
        sa.select(
            *since.c,
            *waiting.c,
            pending.c.id.label("pending_id"),
            pending.c.amount.label("pending_amount"),
            pending.c.asker,
            bill.label("bill_limit"),
            off.label("off_limit"),
            _GIVEN_UP.label("given_up"),
            sa.case((off < INFINITE, given_up_by(seen_by.person_id, entity, _CLIENTS, TODAY)), else_=0).label("before"),
            how_many("invoice", _INVOICE, within_sight(seen_by, Comment.client_id, Comment.engagement_id))
            .label("comments"),
            tax_names().label("taxes"),
        )
        .select_from(since)
        .join(waiting, sa.true())
        .outerjoin(pending, sa.true())
    )  # fmt: skip


def _above(invoice: Invoice, asked: Any) -> str:
    """Why whoever has these limits cannot approve the draft alone; empty where they can."""
    limit, off_limit, written = asked.bill_limit, asked.off_limit, asked.given_up
    if not limit.is_finite() and not off_limit.is_finite():
        return ""
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
        before_off=asked.before if written + rebates else Decimal(0),
    )
    return "" if judged.within else judged.why_not
