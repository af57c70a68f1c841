"""The tax of a draft's lines: worked out anew with every change, split where a rate changed between days of work."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.billing.amounts import TaxedLine, TaxSum, tax_summary
from app.billing.hours import once, time_priced
from app.billing.models import Invoice, InvoiceItem, InvoiceLine, InvoiceState, LineKind, Treatment
from app.billing.taxing import Taxing, changed_tax, tax_facts
from app.core.db import db
from app.core.errors import Refused
from app.core.ids import new_id
from app.firm.models import Entity
from app.people.models import Person
from app.timekeeping.models import BillTax, Expense, TimeEntry

ZERO = Decimal(0)
DATED = (LineKind.FEE, LineKind.EXPENSE)
COPIED = ("invoice_id", "client_id", "engagement_id", "currency", "kind", "description", "decimals", "tax_code", "rest")


class TaxChanged(Refused):
    """The tax of a draft is no longer what it showed."""


@dataclass(frozen=True)
class Behind:
    """An entry or expense that a line bills: when, how long at which rate, and how much of it."""

    item_id: UUID
    line_id: UUID
    worked_on: dt.date
    charged: dt.timedelta | None
    rate: Decimal | None
    billed: Decimal
    carried: Decimal
    person: str
    is_disbursement: bool


def behind_lines(invoice: Invoice) -> dict[UUID, list[Behind]]:
    """What each line of a draft bills, by date; one query."""
    own: dict[Any, tuple[Any, Any, Any]] = {
        TimeEntry: (TimeEntry.charged, TimeEntry.rate, sa.false()),
        Expense: (
            sa.cast(sa.null(), TimeEntry.charged.type), sa.cast(sa.null(), TimeEntry.rate.type),
            Expense.bill_tax == BillTax.DISBURSEMENT,
        ),
    }
    both = sa.union_all(*[
        sa.select(
            InvoiceItem.item_id, InvoiceItem.line_id, table.worked_on, columns[0].label("charged"),
            columns[1].label("rate"), InvoiceItem.billed, InvoiceItem.carried, Person.name.label("person"),
            columns[2].label("is_disbursement"),
        )
        .join(Person, Person.id == table.person_id)
        .join(InvoiceItem, sa.and_(InvoiceItem.item_id == table.id, InvoiceItem.item_kind == table.__tablename__))
        .where(InvoiceItem.invoice_id == invoice.id, InvoiceItem.treatment == Treatment.BILL,
               InvoiceItem.line_id.is_not(None))
        for table, columns in own.items()
    ]).subquery()
    found: dict[UUID, list[Behind]] = {}
    for row in db.session.execute(sa.select(both).order_by(both.c.worked_on, both.c.item_id)):
        found.setdefault(row.line_id, []).append(Behind(*row))
    return found


def settle_taxes(invoice: Invoice, lines: Sequence[InvoiceLine], taxing: Taxing) -> list[InvoiceLine]:
    """Give each line the tax of its code on its day; answers the lines, more than before where one had to be split.

    Time and expenses count by the day of each entry, a fee by the day that the draft states.
    """
    behind, settled = behind_lines(invoice), list[InvoiceLine]()
    for line in lines:
        items = behind.get(line.id, [])
        if line.kind not in DATED or not items:
            _set(line, taxing, line.supplied_on)
            settled.append(line)
            continue
        groups = list(taxing.split(line.tax_code, ((item.worked_on, item) for item in items)).values())
        whole, description = line.net, line.description
        for number, members in enumerate(groups):
            part = line if number == 0 else _apart(line, description)
            net = whole if len(groups) == 1 else sum((item.billed for item in members), ZERO)
            _charge(part, net, members, invoice.currency)
            _set(part, taxing, members[-1].worked_on)
            settled.append(part)
            if number:
                db.session.flush()
                _move(invoice, members, part)
    for position, line in enumerate(settled):
        line.position = position
    db.session.flush()
    return settled


def _set(line: InvoiceLine, taxing: Taxing, supplied_on: dt.date) -> None:
    line.supplied_on = supplied_on
    for name, value in tax_facts(taxing.on(line.tax_code, supplied_on)).items():
        setattr(line, name, value)


def _apart(line: InvoiceLine, description: str) -> InvoiceLine:
    values = {name: getattr(line, name) for name in COPIED} | {"description": description}
    part = InvoiceLine(id=new_id(), position=line.position, tax=ZERO, **values)
    db.session.add(part)
    return part


def _charge(line: InvoiceLine, net: Decimal, items: Sequence[Behind], currency: str) -> None:
    if line.allowance or line.charge:
        return
    time = [(item.charged, item.rate) for item in items]
    priced = time_priced(net, time, currency) if line.kind is LineKind.FEE else once(net)
    line.net = net
    for name, value in priced.items():
        setattr(line, name, value)


def _move(invoice: Invoice, items: Sequence[Behind], line: InvoiceLine) -> None:
    db.session.execute(
        sa.update(InvoiceItem)
        .where(InvoiceItem.invoice_id == invoice.id, InvoiceItem.item_id.in_([item.item_id for item in items]))
        .values(line_id=line.id)
    )


def sums_of_taxes(lines: Sequence[InvoiceLine]) -> list[TaxSum]:
    """Net and tax per treatment and rate, as the lines say."""
    return tax_summary(
        [TaxedLine(line.net, line.tax_treatment, line.tax_percent) for line in lines], [line.tax for line in lines]
    )


def refuse_other_tax(invoice: Invoice, before: Sequence[TaxSum], after: Sequence[TaxSum]) -> None:
    """Raises TaxChanged with both figures when the tax of a bill is not what its draft showed."""
    if before != after:
        entity = db.session.get_one(Entity, invoice.entity_id)
        when = "approved" if invoice.state is InvoiceState.AWAITING else "drafted"
        raise TaxChanged(changed_tax(before, after, entity, invoice.currency, when))
