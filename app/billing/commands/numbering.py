"""Giving a bill its number: gapless in its series, and never against the order of dates."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.billing.models import Invoice, InvoiceKind
from app.core.db import db
from app.core.errors import Refused
from app.core.wording import full_day
from app.firm.commands import next_number
from app.firm.models import SeriesKind


def give_number(invoice: Invoice, day: dt.date) -> str:
    """The next number of its kind. Call it late, but before the books are held: the series stays locked until the
    transaction ends."""
    kind = SeriesKind.CREDIT_NOTE if invoice.kind is InvoiceKind.CREDIT_NOTE else SeriesKind.INVOICE
    number = next_number(kind, invoice.entity_id)[0]
    latest = db.session.scalar(
        sa.select(sa.func.max(Invoice.issued_on)).where(
            Invoice.entity_id == invoice.entity_id, Invoice.kind == invoice.kind, Invoice.number.is_not(None)
        )
    )
    if latest is not None and day < latest:
        raise Refused(
            f"The last one is dated {full_day(latest)}; numbers follow dates, so this one cannot be earlier.",
            field="issued_on",
        )
    return number
