"""Keeping the PDF of what was issued, and sending it."""

from __future__ import annotations

import hashlib
from uuid import UUID

import sqlalchemy as sa

from app.billing.commands.send import send_invoice
from app.billing.models import ISSUED, Invoice, InvoiceState
from app.billing.pdf import invoice_pdf
from app.clients.access import actor_for
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.queue import background, send
from app.core.storage import storage
from app.firm.queries import get_firm
from app.people.models import Person


@background("billing.keep_pdf")
def keep_pdf(invoice_id: str, send_by: str = "") -> None:
    """Render, store and remember the PDF once; then send the bill if that was asked for."""
    invoice = db.session.get(Invoice, UUID(invoice_id))
    if invoice is None or invoice.facts is None:
        return
    ensure_pdf(invoice)
    if send_by and invoice.state is InvoiceState.APPROVED:
        person = db.session.get(Person, UUID(send_by))
        send_invoice(invoice, by=actor_for(person) if person else SYSTEM)


def ensure_pdf(invoice: Invoice) -> bytes:
    """The kept PDF; made and stored now if no worker has come to it yet. Storage is used outside the transaction."""
    if invoice.pdf_key:
        return storage().get(invoice.pdf_key)
    firm = get_firm()
    assert firm is not None and invoice.facts is not None
    clock.set_zone(firm.zone)
    body = invoice_pdf(invoice.facts, firm)
    digest = hashlib.sha256(body).digest()
    key = f"kept/invoice-{invoice.id}-{digest.hex()[:16]}.pdf"
    storage().put(key, body, "application/pdf")
    with transaction() as session:
        session.refresh(invoice, with_for_update=True)
        if invoice.pdf_key is None:
            invoice.pdf_key, invoice.pdf_sha256 = key, digest
    return body if invoice.pdf_key == key else storage().get(invoice.pdf_key or key)


@background("billing.pdf_sweep", every=60)
def sweep() -> None:
    """Issued bills whose PDF was lost to a crash between commit and queue."""
    missing = db.session.scalars(
        sa.select(Invoice.id).where(Invoice.state.in_(ISSUED), Invoice.pdf_key.is_(None)).limit(50)
    ).all()
    for invoice_id in missing:
        send("billing.keep_pdf", invoice_id=str(invoice_id))
