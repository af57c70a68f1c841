"""Keeping the PDF of what was issued, and sending it when that was asked for."""

from __future__ import annotations

import datetime as dt
import hashlib
from uuid import UUID

import sqlalchemy as sa
import structlog

from app.activity.commands import record
from app.billing.commands.send import send_invoice
from app.billing.commands.totals import lock_invoice
from app.billing.models import Invoice
from app.billing.pdf import invoice_pdf, logo_of
from app.clients.access import actor_for
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.queue import NOW, PAPERS, TookTooLong, background, send
from app.core.storage import storage
from app.firm.queries import get_firm
from app.people.models import Person

log = structlog.get_logger()
FAILED = "It is on the list of bills whose paper failed; it is tried again by itself."
SLACK = dt.timedelta(seconds=30)
AGAIN = dt.timedelta(hours=1)
MOST = 50


@background("billing.keep_pdf", queue=PAPERS, seconds=300)
def keep_pdf(invoice_id: str) -> None:
    """Render, store and remember the PDF once; then mail the bill if whoever approved it wanted that."""
    invoice = db.session.get(Invoice, UUID(invoice_id))
    if invoice is None or invoice.facts is None:
        return
    try:
        ensure_pdf(invoice)
    except Refused:
        return  # it is on the list of papers that failed; nothing is sent without one
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
    """The kept PDF; made and stored now if no worker has come to it yet. Storage is used outside the transaction.

    Raises Refused when it cannot be made; then the bill is listed among those whose paper failed.
    """
    if invoice.pdf_key:
        return storage().get(invoice.pdf_key)
    firm = get_firm()
    assert firm is not None and invoice.facts is not None
    clock.set_zone(firm.zone)
    try:
        body = invoice_pdf(invoice.facts, firm, logo=logo_of(firm))
    except (Exception, TookTooLong) as error:
        log.error("paper_failed", invoice=str(invoice.id), kind=type(error).__name__)
        _note_failure(invoice, str(error))
        raise Refused(f"The paper of {invoice.number} cannot be made. {FAILED}") from error
    digest = hashlib.sha256(body).digest()
    key = f"kept/invoice-{invoice.id}-{digest.hex()[:16]}.pdf"
    storage().put(key, body, "application/pdf")
    with transaction():
        lock_invoice(invoice)
        if invoice.pdf_key is None:
            invoice.pdf_key, invoice.pdf_sha256 = key, digest
            invoice.paper_failed_at, invoice.paper_error = None, ""
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


def _note_failure(invoice: Invoice, error: str) -> None:
    with transaction():
        lock_invoice(invoice)
        first = invoice.paper_failed_at is None
        invoice.paper_failed_at, invoice.paper_error = clock.now(), error.replace("\x00", "")[:500]
        if first:
            record("billing.pdf.fail", invoice, by=SYSTEM, number=invoice.number, topics=("invoices",))


@background("billing.pdf_sweep", every=60, queue=NOW, seconds=60)
def sweep() -> None:
    """Issued bills whose PDF, or whose sending, was lost to a crash between commit and queue.

    One whose paper failed is tried again each hour and comes last: however many they are, they hold up no other.
    """
    now = clock.now()
    waiting = db.session.scalars(
        sa.select(Invoice.id)
        .where(
            sa.or_(
                sa.and_(Invoice.number.is_not(None), Invoice.pdf_key.is_(None)),
                Invoice.send_wanted_by.is_not(None),
            ),
            Invoice.updated_at < now - SLACK,
            sa.or_(Invoice.paper_failed_at.is_(None), Invoice.paper_failed_at < now - AGAIN),
        )
        .order_by(Invoice.paper_failed_at.asc().nulls_first(), Invoice.updated_at)
        .limit(MOST)
    ).all()
    for invoice_id in waiting:
        send("billing.keep_pdf", invoice_id=str(invoice_id))
