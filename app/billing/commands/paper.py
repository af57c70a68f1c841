"""The paper of a bill before it has a number: the same for its issue and for a look at the draft."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from app.billing.addresses import asks_addresses, lack_words, lacking
from app.billing.commands.totals import lines_of, lock_invoice, recompute
from app.billing.facts import facts_of
from app.billing.models import Invoice, InvoiceLine
from app.billing.pdf import invoice_pdf, logo_of, try_paper
from app.billing.policy import can_see_bill, can_see_invoices
from app.clients.models import Client
from app.core import clock
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.permissions import authorize
from app.firm.models import Entity, TaxTreatment
from app.firm.queries import the_firm


def check_paper(
    invoice: Invoice, lines: Sequence[InvoiceLine], day: dt.date, *, without_address: bool = False
) -> None:
    """Raises Refused with what a bill of this day would lack on its paper.

    `without_address` lets a bill go out without one where the law does not ask for it.
    """
    if not lines:
        raise Refused("A bill needs at least one line.")
    if invoice.gross <= 0:
        raise Refused("A bill over zero cannot be issued; write the time off instead.")
    if day > clock.today():
        raise Refused("A bill cannot be dated in the future.", field="issued_on")
    payer, entity = db.session.get_one(Client, invoice.payer_id), db.session.get_one(Entity, invoice.entity_id)
    lacks = lacking(payer, entity)
    if lacks and (asks_addresses(entity) or not without_address):
        raise Refused(lack_words(lacks, entity), field="without_address")
    if any(line.tax_treatment is TaxTreatment.REVERSE_CHARGE for line in lines) and not payer.tax_number:
        raise Refused(
            "Reverse charge names the customer's own VAT number (Directive 2006/112/EC, art. 226(4)). "
            f"{payer.name} has none."
        )


def tried_facts(invoice: Invoice, lines: Sequence[InvoiceLine], day: dt.date) -> dict[str, Any]:
    """Date the bill, and answer what its paper says once that has been made for a trial. Raises Refused with what
    stands in its way."""
    invoice.issued_on, invoice.due_on = day, day + dt.timedelta(days=invoice.terms_days)
    payer, entity = db.session.get_one(Client, invoice.payer_id), db.session.get_one(Entity, invoice.entity_id)
    facts = facts_of(invoice, lines, payer, entity)
    try_paper(facts, the_firm(), lines=[line.id for line in lines])
    return facts


class _Seen(Exception):
    """Ends the savepoint of a look, so that nothing of it stays."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts


def preview_pdf(invoice: Invoice, *, by: Actor, issued_on: dt.date | None = None) -> bytes:
    """The PDF that issuing a draft on a day (today) would make, marked as a draft and without a number.

    Nothing is kept: what issuing would write is rolled back, and what was done before it stays. Raises Refused with
    the reason that issuing would give.
    """
    authorize(by, can_see_invoices)
    if invoice.number is not None or not can_see_bill(by, invoice):
        raise NotFound()
    day = issued_on or clock.today()
    with transaction() as session:
        lock_invoice(invoice)
        if invoice.number is not None:
            raise NotFound()
        try:
            with session.begin_nested():
                recompute(invoice, day)
                lines = lines_of(invoice)
                check_paper(invoice, lines, day, without_address=True)
                raise _Seen(tried_facts(invoice, lines, day))
        except _Seen as seen:
            facts = seen.facts
    firm = the_firm()
    return invoice_pdf({**facts, "number": "", "draft": True}, firm, logo=logo_of(firm))
