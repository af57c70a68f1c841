"""Putting right when an issued bill is due: what it has open ages from the new day, its paper stays as issued."""

from __future__ import annotations

import datetime as dt

from app.activity.commands import record
from app.billing.commands.settling import follow_due_date
from app.billing.commands.totals import hold_bill
from app.billing.models import Invoice, InvoiceKind, InvoiceState
from app.billing.policy import can_approve
from app.core.actors import Actor
from app.core.db import check_version, transaction
from app.core.errors import Refused
from app.core.permissions import authorize

LATEST = dt.timedelta(days=731)


def change_due_date(
    invoice: Invoice, due_on: dt.date, reason: str, *, by: Actor, version: int | None = None
) -> Invoice:
    """Let an issued bill be due on another day, with the reason. Taken back by changing it to the day it had.

    Ages, receivables, statements and the portal follow from today on; a report as of an earlier day says what it said.
    Raises Refused for a draft, a credit note, and a bill that is void or paid.
    """
    authorize(by, can_approve, invoice)
    with transaction():
        hold_bill(invoice)
        if invoice.number is None:
            raise Refused("A draft has terms; change those.", field="due_on")
        if invoice.kind is InvoiceKind.CREDIT_NOTE or invoice.state is InvoiceState.VOID:
            raise Refused("Nothing falls due on a credit note or a void bill.", field="due_on")
        if invoice.open_amount == 0:
            raise Refused(f"{invoice.number} is paid; nothing of it falls due any more.", field="due_on")
        check_version(invoice, version)
        before, issued_on = invoice.due_on, invoice.issued_on
        assert before is not None and issued_on is not None
        if due_on == before:
            return invoice
        if not reason.strip():
            raise Refused("Say why the due date changes.", field="reason")
        if due_on < issued_on:
            raise Refused("A bill cannot be due before its own date.", field="due_on")
        if due_on > issued_on + LATEST:
            raise Refused("That is more than two years after the bill; check the date.", field="due_on")
        invoice.due_on = due_on
        invoice.version += 1
        follow_due_date(invoice, by=by, reason=reason.strip())
        record(
            "billing.invoice.change_due_date", invoice, by=by, number=invoice.number, before=before, after=due_on,
            reason=reason.strip(), topics=("invoices",), covers=[("bill_life", invoice.id)],
        )
        return invoice
