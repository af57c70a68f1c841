"""Who sees WIP, drafts bills, approves them and records money."""

from __future__ import annotations

from typing import Any

from app.billing.models import Invoice, Payment
from app.clients.models import Client
from app.clients.policy import can_see, sees_everything
from app.core.actors import Actor
from app.core.permissions import Permission


def can_see_wip(by: Actor, *_things: Any) -> bool:
    return by.may(Permission.WIP_SEE)


def can_write_off(by: Actor, *items: Any) -> bool:
    return by.may(Permission.WIP_WRITE_OFF) and all(can_see(by, i.client_id, i.engagement_id) for i in items)


def can_see_bill(by: Actor, invoice: Invoice) -> bool:
    """Neither its client nor its payer is behind a wall; what engagements it names, the queries ask."""
    return can_see(by, invoice.client_id) and can_see(by, invoice.payer_id)


def can_draft(by: Actor, invoice: Invoice | None = None) -> bool:
    return by.may(Permission.INVOICE_DRAFT) and (invoice is None or can_see_bill(by, invoice))


def can_approve(by: Actor, invoice: Invoice) -> bool:
    return by.may(Permission.INVOICE_APPROVE) and can_see_bill(by, invoice)


def can_record_payment(by: Actor, payment: Payment | None = None) -> bool:
    return by.may(Permission.PAYMENT_RECORD) and (payment is None or can_see(by, payment.client_id))


def can_see_invoices(by: Actor, *_things: Any) -> bool:
    """Who works with WIP or money sees bills; the rest of the firm has no need to."""
    return by.may(Permission.WIP_SEE) or by.may(Permission.PAYMENT_RECORD)


def can_send_statement(by: Actor, client: Client) -> bool:
    """Not from behind a wall, whichever it is: what is mailed is the whole account, and they may not see all of it."""
    return can_see_invoices(by) and can_see(by, client.id) and (by.is_system or sees_everything(by))


def can_run_bills(by: Actor, approve: bool = False) -> bool:
    return by.may(Permission.INVOICE_DRAFT) and (not approve or by.may(Permission.INVOICE_APPROVE))
