"""The money of the demo firm's year: what is billed by the month, chased, paid, credited."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.billing.commands.adjust import adjust_total
from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.send import mark_sent
from app.billing.commands.statements import send_statement
from app.billing.models import Invoice
from app.billing.queries.statements import statement_of
from app.billing.statement_pdf import statement_pdf
from app.catalogue.models import Service
from app.clients.models import Client, Engagement
from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.ids import new_id
from app.demo.cast import FEE_NOT_AGREED, NO_ADDRESS, PAYS_LATE, REGISTRIES
from app.demo.founding import House
from app.demo.services import BILLED_AT_THE_END
from app.firm.models import Entity, Firm
from app.timekeeping.commands.expenses import ExpenseFacts, ExpenseTax, record_expense
from app.timekeeping.models import BillTax, ItemState, TimeEntry


class Money:
    """What Beatrice does: bills, statements and payments; `unpaid` is which bill is paid when, as far as is known."""

    def __init__(self, house: House, last: dt.date, bea: Actor, unpaid: list[tuple[dt.date, UUID]]) -> None:
        self.house = house
        self.last = last
        self.bea = bea
        self.unpaid = unpaid
        self.dice = random.Random()
        self.office_of = {office.id: name for name, office in house.offices.items()}

    def bill(self, day: dt.date) -> None:
        """Last month's WIP, a client at a time; small ones and projects wait for the quarter."""
        until = day.replace(day=1) - dt.timedelta(days=1)
        billed_now = self._billed_now(until)
        at_hand = [*db.session.scalars(sa.select(Client)), *db.session.scalars(sa.select(Entity))]
        worth = dict(
            db.session.execute(
                sa.select(TimeEntry.client_id, sa.func.sum(TimeEntry.open_value))
                .where(
                    TimeEntry.state == ItemState.OPEN,
                    TimeEntry.billable,
                    TimeEntry.deleted_at.is_(None),
                    TimeEntry.worked_on <= until,
                    TimeEntry.engagement_id.in_(billed_now),
                )
                .group_by(TimeEntry.client_id)
            ).all()
        )
        for client in self.house.clients:
            value = worth.get(client.id, Decimal(0))
            if value <= 0 or (value < 600 and until.month % 3) or self.dice.random() < 0.05:
                continue
            if (self.last - day).days < FEE_NOT_AGREED.get(client.name, 0):
                continue
            if self.dice.random() < 0.15:
                self._disburse(client, until, self.bea)
            self._bill_client(client, until, self.bea)
        del at_hand

    def _billed_now(self, until: dt.date) -> sa.Select[UUID]:
        """Engagements whose work is billed with this month: audits and projects wait for the quarter's end."""
        found = sa.select(Engagement.id).outerjoin(Service, Service.id == Engagement.service_id)
        if until.month % 3:
            found = found.where(sa.or_(Service.id.is_(None), Service.code.not_in(BILLED_AT_THE_END)))
        return found

    def _disburse(self, client: Client, until: dt.date, by: Actor) -> None:
        if client.id in self.house.advice:
            office, fee, whose = REGISTRIES[self.office_of[client.office_id]]
            record_expense(
                new_id(),
                ExpenseFacts(
                    engagement_id=self.house.advice[client.id].id,
                    spent_on=until,
                    net=Decimal(fee),
                    narrative=f"{office} filing fee",
                    category="Filing fees",
                    bill_tax=ExpenseTax(
                        how=BillTax.DISBURSEMENT, receipt_name=client.name,
                        evidence=f"Fee of the company’s own {whose}",
                    ),
                ),
                by=by,
            )

    def chase(self, day: dt.date) -> None:
        """A statement goes to whoever owes a bill that fell due a month ago."""
        firm = db.session.scalars(sa.select(Firm)).one()
        late = db.session.execute(
            sa.select(Invoice.payer_id, Invoice.currency).where(
                Invoice.number.is_not(None), Invoice.open_amount > 0, Invoice.due_on < day - dt.timedelta(days=30),
            ).distinct().order_by(Invoice.payer_id)
        ).all()
        for payer_id, currency in late:
            client = db.session.get_one(Client, payer_id)
            if client.name in NO_ADDRESS:
                continue
            found = statement_of(payer_id, currency, day - dt.timedelta(days=90), day, seen_by=self.bea)
            send_statement(client, found, statement_pdf(found, client, firm), send_id=new_id(), by=self.bea)

    def _bill_client(self, client: Client, until: dt.date, by: Actor) -> None:
        engagements = tuple(db.session.scalars(
            self._billed_now(until).where(Engagement.client_id == client.id).order_by(Engagement.id)
        ))
        facts = DraftFacts(client_id=client.id, engagement_ids=engagements, until=until)
        invoice = create_draft(new_id(), facts, by=by)
        if self.dice.random() < 0.45:
            share = Decimal(self.dice.choice((88, 90, 92, 95))) / 100
            adjust_total(
                invoice, (invoice.net * share).quantize(Decimal(5)), by=by, reason="Fee agreed with the client"
            )
        if clock.today() > self.last - dt.timedelta(days=25) and self.dice.random() < 0.25:
            return
        approve_invoice(invoice, by=by)
        mark_sent(invoice, by=by, to=[])
        wait = self.dice.choice((6, 9, 12, 13, 14, 14, 15, 18, 21, 28, 35, 47, 70))
        if client.name in PAYS_LATE:
            wait = PAYS_LATE[client.name] + self.dice.randint(0, 15)
        self.unpaid.append((clock.today() + dt.timedelta(days=wait), invoice.id))

    def collect(self, day: dt.date) -> None:
        due = [row for row in self.unpaid if row[0] <= day]
        self.unpaid = [row for row in self.unpaid if row[0] > day]
        for _, invoice_id in due:
            invoice = db.session.get_one(Invoice, invoice_id)
            luck = self.dice.random()
            if luck < 0.015 and (self.last - day).days > 40:
                credit_invoice(invoice, new_id(), "Billed to the wrong engagement", by=self.bea)
                continue
            amount = invoice.open_amount
            if luck < 0.06:
                amount = (amount / 2).quantize(Decimal("0.01"))
                self.unpaid.append((day + dt.timedelta(days=30), invoice_id))
            elif luck < 0.08:
                amount += Decimal(25)
            if amount > 0:
                record_payment(
                    new_id(),
                    PaymentFacts(
                        client_id=invoice.payer_id,
                        entity_id=invoice.entity_id,
                        received_on=day,
                        amount=amount,
                        currency=invoice.currency,
                        reference=invoice.number or "",
                    ),
                    by=self.bea,
                )
