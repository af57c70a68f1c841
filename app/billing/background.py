"""Keeping the PDF of what was issued, and sending it when that was asked for."""

from __future__ import annotations

import datetime as dt
import hashlib
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.commands.send import send_invoice
from app.billing.commands.totals import lock_invoice
from app.billing.models import Invoice
from app.billing.pdf import invoice_pdf
from app.clients.access import actor_for
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.queue import background, send
from app.core.storage import storage
from app.firm.queries import get_firm
from app.people.models import Person

SLACK = dt.timedelta(seconds=30)


@background("billing.keep_pdf")
def keep_pdf(invoice_id: str) -> None:
    """Render, store and remember the PDF once; then mail the bill if whoever approved it wanted that."""
    invoice = db.session.get(Invoice, UUID(invoice_id))
    if invoice is None or invoice.facts is None:
        return
    ensure_pdf(invoice)
    if invoice.send_wanted_by is None:
        return
    person = db.session.get(Person, invoice.send_wanted_by)
    try:
        send_invoice(invoice, by=actor_for(person) if person else SYSTEM)
    except Refused:
        # The address went away between approving and sending: the bill stays approved, to be sent by hand.
        with transaction():
            invoice.send_wanted_by = None


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
    with transaction():
        lock_invoice(invoice)
        if invoice.pdf_key is None:
            invoice.pdf_key, invoice.pdf_sha256 = key, digest
            record(
                "billing.pdf.kept",
                invoice,
                by=SYSTEM,
                number=invoice.number,
                key=key,
                sha256=digest.hex(),
                covers=[("bill_life", invoice.id)],
            )
    return body if invoice.pdf_key == key else storage().get(invoice.pdf_key or key)


@background("billing.pdf_sweep", every=60)
def sweep() -> None:
    """Issued bills whose PDF, or whose sending, was lost to a crash between commit and queue."""
    waiting = db.session.scalars(
        sa.select(Invoice.id)
        .where(
            sa.or_(
                sa.and_(Invoice.number.is_not(None), Invoice.pdf_key.is_(None)),
                Invoice.send_wanted_by.is_not(None),
            ),
            Invoice.updated_at < clock.now() - SLACK,
        )
        .limit(50)
    ).all()
    for invoice_id in waiting:
        send("billing.keep_pdf", invoice_id=str(invoice_id))
