"""Sending an issued bill to whoever gets the client's bills."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from flask import current_app

from app.billing.commands.issue import mark_sent
from app.billing.models import Invoice
from app.billing.policy import can_approve
from app.clients.models import AddressKind, ClientContact, Contact, ContactAddress
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.money import Money
from app.core.permissions import authorize
from app.delivery.commands import send_mail


def bill_recipients(client_id: UUID) -> Sequence[sa.Row[tuple[UUID, str, str, str]]]:
    """(contact, name, language, address) of the primary contact, else of everybody with portal access."""
    rows = db.session.execute(
        sa.select(
            Contact.id,
            Contact.name,
            Contact.language,
            sa.func.min(ContactAddress.value).label("address"),
            ClientContact.is_primary,
        )
        .join(ClientContact, ClientContact.contact_id == Contact.id)
        .join(ContactAddress, ContactAddress.contact_id == Contact.id)
        .where(
            ClientContact.client_id == client_id,
            ContactAddress.kind == AddressKind.EMAIL,
            Contact.archived_at.is_(None),
            sa.or_(ClientContact.is_primary, ClientContact.portal_access),
        )
        .group_by(Contact.id, ClientContact.is_primary)
        .order_by(Contact.sort_key)
    ).all()
    return [row for row in rows if row.is_primary] or rows


def send_invoice(invoice: Invoice, *, by: Actor) -> None:
    """Mail the bill with its PDF and mark it sent. Sending again mails again only after another day's key."""
    authorize(by, can_approve, invoice)
    with transaction():
        recipients = bill_recipients(invoice.payer_id)
        if not recipients:
            raise Refused("This client has no contact with an e-mail address; add one, or hand the PDF over yourself.")
        mark_sent(invoice, by=by, to=[row.address for row in recipients])
        public_url = current_app.config["SETTINGS"].public_url
        for row in recipients:
            send_mail(
                key=f"invoice:{invoice.id}:{row.id}:{invoice.version}",
                kind="invoice",
                to=row.address,
                name=row.name,
                language=row.language,
                contact_id=row.id,
                client_id=invoice.client_id,
                about=invoice,
                subject=f"{invoice.number}",
                template="invoice",
                context={
                    "name": row.name,
                    "number": invoice.number,
                    "due_on": invoice.due_on,
                    "total": Money(invoice.gross, invoice.currency),
                    "link": f"{public_url}/portal/invoices/{invoice.id}",
                },
                attachments=[
                    {"name": f"{invoice.number}.pdf", "key": invoice.pdf_key or "", "content_type": "application/pdf"}
                ]
                if invoice.pdf_key
                else [],
            )
