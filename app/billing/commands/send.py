"""Sending an issued bill to whoever gets the client's bills."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from flask import current_app
from flask_babel import lazy_gettext as _l

from app.activity.commands import record
from app.billing.commands.recipients import bill_recipients, refuse_unreachable
from app.billing.commands.totals import lock_invoice
from app.billing.models import Invoice, InvoiceKind, InvoiceState
from app.billing.policy import can_approve
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import transaction
from app.core.errors import Refused
from app.core.money import Money
from app.core.permissions import authorize
from app.delivery.commands import send_mail


def mark_sent(invoice: Invoice, *, by: Actor, to: Sequence[str] = ()) -> None:
    """The bill has left the house: from now on the portal shows it."""
    authorize(by, can_approve, invoice)
    with transaction() as session:
        lock_invoice(invoice)
        if invoice.number is None:
            raise Refused("Approve the bill first.")
        if invoice.state is InvoiceState.VOID:
            raise Refused("This bill is void.")
        invoice.state = InvoiceState.SENT
        invoice.sent_at, invoice.send_wanted_by = invoice.sent_at or now(), None
        session.flush()
        record("billing.invoice.send", invoice, by=by, number=invoice.number, to=list(to), topics=("invoices",),
               covers=[("bill_life", invoice.id)])


def send_invoice(invoice: Invoice, *, by: Actor, send_id: UUID | None = None) -> Sequence[str]:
    """Mail the bill with its PDF and mark it sent; returns the addresses.

    `send_id` names this sending: the same one mails once, another one mails again. Without it: the first sending.
    """
    authorize(by, can_approve, invoice)
    with transaction():
        lock_invoice(invoice)
        if send_id is None and invoice.sent_at is not None:
            return []
        recipients = bill_recipients(invoice.payer_id)
        refuse_unreachable(recipients)
        addresses = [row.address for row in recipients]
        mark_sent(invoice, by=by, to=addresses)
        public_url = current_app.config["SETTINGS"].public_url
        is_credit = invoice.kind is InvoiceKind.CREDIT_NOTE
        for row in recipients:
            send_mail(
                key=f"invoice:{invoice.id}:{row.id}:{send_id or 'first'}",
                kind="invoice",
                to=row.address,
                name=row.name,
                language=row.language,
                contact_id=row.id,
                client_id=invoice.client_id,
                about=invoice,
                by=by,
                subject=_l("Credit note %(number)s", number=invoice.number)
                if is_credit
                else _l("Invoice %(number)s", number=invoice.number),
                template="invoice",
                context={
                    "name": row.name,
                    "number": invoice.number,
                    "is_credit": is_credit,
                    "due_on": invoice.due_on,
                    "total": Money(invoice.gross, invoice.currency),
                    "link": f"{public_url}/portal/invoices/{invoice.id}",
                },
                attachments=[
                    {"name": f"{invoice.number}.pdf", "key": invoice.pdf_key, "content_type": "application/pdf"}
                ]
                if invoice.pdf_key
                else [],
            )
        return addresses
