"""Which bills somebody of the firm may see: none of a client, a payer or an engagement that a wall hides from them."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Allocation, Invoice, InvoiceLine, Payment
from app.clients.models import Engagement, Wall
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.ledger.queries import hides_bills


def bills_seen_by(seen_by: Actor) -> list[sa.ColumnElement[bool]]:
    """The conditions under which a bill is seen, as a whole or not at all; add them to any select of bills."""
    return [
        *within_sight(seen_by, Invoice.client_id), *within_sight(seen_by, Invoice.payer_id), *_unwalled(seen_by)
    ]


def _unwalled(seen_by: Actor) -> list[sa.ColumnElement[bool]]:
    """A bill with a line of an engagement behind a wall is hidden as a whole."""
    return [~_names(seen_by)] if seen_by.walled_engagements else []


def _names(seen_by: Actor) -> sa.Exists:
    return sa.exists().where(
        InvoiceLine.invoice_id == Invoice.id, InvoiceLine.engagement_id.in_(seen_by.walled_engagements)
    )


@hides_bills
def hidden_bills(seen_by: Actor) -> sa.Select[UUID] | None:
    """The ids of the bills that walls hide from a person, or None where there is no wall."""
    walled: list[sa.ColumnElement[bool]] = []
    if seen_by.walled_clients:
        walled += [Invoice.client_id.in_(seen_by.walled_clients), Invoice.payer_id.in_(seen_by.walled_clients)]
    if seen_by.walled_engagements:
        theirs = sa.select(Engagement.client_id).where(Engagement.id.in_(seen_by.walled_engagements))
        walled.append(sa.and_(Invoice.client_id.in_(theirs), _names(seen_by)))
    return sa.select(Invoice.id).where(sa.or_(*walled)) if walled else None


def walled_from_bill(invoice_id: UUID) -> sa.Select[UUID]:
    """The people whom a wall before its client, its payer or one of its engagements keeps from a bill."""
    whose = sa.union(
        *(sa.select(column).where(Invoice.id == invoice_id) for column in (Invoice.client_id, Invoice.payer_id))
    )
    what = sa.select(InvoiceLine.engagement_id).where(
        InvoiceLine.invoice_id == invoice_id, InvoiceLine.engagement_id.is_not(None)
    )
    return sa.select(Wall.person_id).where(sa.or_(Wall.client_id.in_(whose), Wall.engagement_id.in_(what)))


def payments_seen_by(seen_by: Actor) -> list[sa.ColumnElement[bool]]:
    """Those of payers that may be seen, but for one of which a part lies on a bill that may not."""
    hidden = hidden_bills(seen_by)
    conditions = list(within_sight(seen_by, Payment.client_id))
    if hidden is not None:
        conditions.append(
            ~sa.exists()
            .where(Allocation.payment_id == Payment.id, Allocation.invoice_id.in_(hidden))
            .correlate(Payment)
        )
    return conditions
