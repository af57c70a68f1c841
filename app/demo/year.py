"""A year of an accountancy firm, day by day: work comes, is done, asked for, billed and paid."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.billing.commands.adjust import adjust_total
from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.send import mark_sent
from app.billing.models import Invoice
from app.catalogue.models import StepKind
from app.clients.access import actor_for
from app.clients.models import Client, Engagement
from app.core import clock
from app.core.actors import SYSTEM, Actor
from app.core.db import db, in_one_piece
from app.core.errors import NotAllowed
from app.core.ids import new_id
from app.demo.asking import Asking
from app.demo.cast import ADVICE, INTERNAL
from app.demo.founding import House
from app.firm.calendars import calendar_for
from app.jobs.commands.deadlines import satisfy_deadline
from app.jobs.commands.jobs import complete_job
from app.jobs.commands.reviews import return_task
from app.jobs.commands.tasks import complete_task
from app.jobs.models import DOABLE_STATES, UNMET, Deadline, Job, JobStatus, Task
from app.people.models import Person
from app.planning.commands.forecasting import top_up_forecasts
from app.planning.commands.occurrences import create_occurrences, due_occurrences
from app.requests.commands.asking import ask_due_requests
from app.timekeeping.commands.entries import EntryFacts, record_entry
from app.timekeeping.commands.expenses import ExpenseFacts, ExpenseTax, record_expense
from app.timekeeping.models import BillTax, ItemState, TimeEntry

HOUR = dt.timedelta(hours=1)
DAY_MINUTES = 435
BILLED_WITHIN = 5


class Year:
    """One office's days. Deterministic for a seed; nothing here but the product's commands writes."""

    def __init__(self, house: House, dice: random.Random) -> None:
        self.house = house
        self.dice = dice
        self.left: dict[UUID, int] = {}
        self.actors: dict[UUID, Actor] = {p.id: actor_for(p) for p in house.people.values()}
        self.asking = Asking(house, dice, self.actors)
        self.unpaid: list[tuple[dt.date, UUID]] = []
        self.calendars = {name: calendar_for(office.calendar) for name, office in house.offices.items()}

    def run(self, first: dt.date, last: dt.date, tell: Callable[[dt.date], None]) -> None:
        """Live through the days from first to last, both included."""
        day = first
        while day <= last:
            tell(day)
            with clock.travel_to(self.at(day, 7)):
                self._create_due_jobs()
            if any(c.is_working_day(day) for c in self.calendars.values()):
                with in_one_piece():
                    self._live(day, is_last=day == last)
            db.session.expunge_all()
            day += dt.timedelta(days=1)

    def at(self, day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
        return dt.datetime.combine(day, dt.time(hour, minute), clock.zone())

    def _create_due_jobs(self) -> None:
        if clock.today().day == 1:
            while top_up_forecasts(by=SYSTEM):
                pass
        ids = [row.id for row in due_occurrences(500, by=SYSTEM)]
        if ids:
            create_occurrences(ids, by=SYSTEM)

    def _live(self, day: dt.date, *, is_last: bool) -> None:
        with clock.travel_to(self.at(day, 9, 30)):
            ask_due_requests(by=SYSTEM)
            self.asking.receive(day)
        work = self._tasks_by_person(day)
        for person in self.house.people.values():
            office = next(name for name, o in self.house.offices.items() if o.id == person.office_id)
            if self.calendars[office].is_working_day(day) and self.dice.random() > 0.12:
                minutes = DAY_MINUTES // 2 if is_last else DAY_MINUTES
                self._work(person, day, minutes, work[person.id])
        with clock.travel_to(self.at(day, 17)):
            self._finish_jobs(day)
            if day.day == BILLED_WITHIN or (
                day.day in (6, 7) and (day - dt.timedelta(days=day.day - 5)).weekday() >= 5
            ):
                self._bill(day)
            self._collect(day)

    def _tasks_by_person(self, day: dt.date) -> dict[UUID, list[Task]]:
        found: dict[UUID, list[Task]] = defaultdict(list)
        for task in db.session.scalars(
            sa.select(Task)
            .join(Job, Job.id == Task.job_id)
            .where(
                Task.state.in_(DOABLE_STATES),
                Task.assignee_id.is_not(None),
                Job.status == JobStatus.ACTIVE,
                Job.starts_on <= day,
            )
            .order_by(Task.due_on.nulls_last(), Task.id)
        ):
            found[task.assignee_id].append(task)  # type: ignore[index]
        return found

    def _work(self, person: Person, day: dt.date, minutes: int, tasks: list[Task]) -> None:
        """Tasks by due date first, then advice for one's clients, now and then the firm's own business."""
        by, hour = self.actors[person.id], 9 * 60
        spare = 60 if person.grade != "Administrator" else 120
        for task in tasks:
            if minutes <= spare:
                break
            if task.due_on and (task.due_on - day).days > 15:
                continue
            if task.id not in self.left:
                estimate = (task.estimate or HOUR).total_seconds() / 60
                self.left[task.id] = max(int(estimate * self.dice.triangular(0.6, 1.7, 1.0)), 10)
            chunk = min(self.left[task.id], minutes, 240)
            with clock.travel_to(self.at(day, hour // 60, hour % 60)):
                self._record(task.engagement_id, day, chunk, by, task=task, narrative=task.name)
                self.left[task.id] -= chunk
                if self.left[task.id] <= 0:
                    self._complete(task, by)
            minutes, hour = minutes - chunk, min(hour + chunk, 19 * 60)
        self._fill(person, day, minutes, hour, by)

    def _fill(self, person: Person, day: dt.date, minutes: int, hour: int, by: Actor) -> None:
        if person.grade != "Administrator":
            target = {"Partner": 0.55, "Manager": 0.7}.get(person.grade, 0.82)
            mine = [c for c in self.house.clients if c.office_id == person.office_id and c.id in self.house.advice]
            while minutes > DAY_MINUTES * (1 - target) and mine:
                chunk = minutes if self._long_ago(day) else min(self.dice.choice((180, 210, 240, 270)), minutes)
                with clock.travel_to(self.at(day, hour // 60, hour % 60)):
                    engagement = self.house.advice[self.dice.choice(mine).id]
                    self._record(engagement.id, day, chunk, by, narrative=self.dice.choice(ADVICE))
                minutes, hour = minutes - chunk, min(hour + chunk, 19 * 60)
        if minutes >= 45 and self.dice.random() < (0.35 if self._long_ago(day) else 0.7):
            with clock.travel_to(self.at(day, hour // 60, hour % 60)):
                self._record(self.house.internal.id, day, min(minutes, 240), by, narrative=self.dice.choice(INTERNAL))

    def _long_ago(self, day: dt.date) -> bool:
        """Before the last weeks, a day's advice stands as one entry."""
        return (self.today() - day).days > 45

    def _record(
        self, engagement_id: UUID, day: dt.date, minutes: int, by: Actor, *, task: Task | None = None, narrative: str
    ) -> None:
        facts = EntryFacts(
            engagement_id=engagement_id,
            worked_on=day,
            recorded=dt.timedelta(minutes=minutes),
            narrative=narrative,
            task_id=task.id if task else None,
        )
        record_entry(new_id(), facts, by=by)

    def _complete(self, task: Task, by: Actor) -> None:
        db.session.refresh(task, ["state", "returns", "started_at"])
        if task.state not in DOABLE_STATES:
            return
        try:
            if task.kind is StepKind.REVIEW and task.returns == 0 and self.dice.random() < 0.06:
                back = return_task(task, note="Please tie the control account to the ledger and send it again.", by=by)
                self.left[back.id] = 45
                self.left[task.id] = 20
                return
            complete_task(task, by=by)
        except NotAllowed:
            # One's own work is reviewed by somebody else.
            other = next(a for a in self.actors.values() if a.role == "partner" and a.id != by.id)
            complete_task(task, by=other)

    def _finish_jobs(self, day: dt.date) -> None:
        done = db.session.scalars(
            sa.select(Job).where(Job.status == JobStatus.ACTIVE, Job.tasks_total > 0, Job.tasks_done >= Job.tasks_total)
        ).all()
        for job in done:
            by = self.actors.get(job.owner_id) if job.owner_id else None
            for deadline in db.session.scalars(
                sa.select(Deadline).where(Deadline.job_id == job.id, Deadline.state.in_(UNMET))
            ):
                satisfy_deadline(deadline, by=by or SYSTEM)
            complete_job(job, by=by or SYSTEM)

    def _bill(self, day: dt.date) -> None:
        """Last month's WIP, a client at a time; small ones wait for the quarter."""
        until = day.replace(day=1) - dt.timedelta(days=1)
        bea = self.actors[self.house.people["Beatrice Lowe"].id]
        worth = dict(
            db.session.execute(
                sa.select(TimeEntry.client_id, sa.func.sum(TimeEntry.open_value))
                .where(
                    TimeEntry.state == ItemState.OPEN,
                    TimeEntry.billable,
                    TimeEntry.deleted_at.is_(None),
                    TimeEntry.worked_on <= until,
                )
                .group_by(TimeEntry.client_id)
            ).all()
        )
        for client in self.house.clients:
            value = worth.get(client.id, Decimal(0))
            if value <= 0 or (value < 900 and until.month % 3) or self.dice.random() < 0.08:
                continue
            if self.dice.random() < 0.15:
                self._disburse(client, until, bea)
            self._bill_client(client, until, bea)

    def _disburse(self, client: Client, until: dt.date, by: Actor) -> None:
        if client.id in self.house.advice:
            record_expense(
                new_id(),
                ExpenseFacts(
                    engagement_id=self.house.advice[client.id].id,
                    spent_on=until,
                    net=Decimal(34),
                    narrative="Companies House filing fee",
                    category="Filing fees",
                    bill_tax=ExpenseTax(
                        how=BillTax.DISBURSEMENT, receipt_name=client.name,
                        evidence="Fee of the company’s own confirmation statement",
                    ),
                ),
                by=by,
            )

    def _bill_client(self, client: Client, until: dt.date, by: Actor) -> None:
        engagements = db.session.scalars(sa.select(Engagement.id).where(Engagement.client_id == client.id)).all()
        invoice = create_draft(
            new_id(), DraftFacts(client_id=client.id, engagement_ids=tuple(engagements), until=until), by=by
        )
        if self.dice.random() < 0.45:
            share = Decimal(self.dice.choice((88, 90, 92, 95))) / 100
            adjust_total(
                invoice, (invoice.net * share).quantize(Decimal(5)), by=by, reason="Fee agreed with the client"
            )
        if clock.today() > self.today() - dt.timedelta(days=25) and self.dice.random() < 0.25:
            return
        approve_invoice(invoice, by=by)
        mark_sent(invoice, by=by, to=[])
        wait = self.dice.choice((6, 9, 12, 14, 15, 18, 21, 28, 35, 47, 70))
        self.unpaid.append((clock.today() + dt.timedelta(days=wait), invoice.id))

    def today(self) -> dt.date:
        return self.asking.last

    def _collect(self, day: dt.date) -> None:
        due = [row for row in self.unpaid if row[0] <= day]
        self.unpaid = [row for row in self.unpaid if row[0] > day]
        bea = self.actors[self.house.people["Beatrice Lowe"].id]
        for _, invoice_id in due:
            invoice = db.session.get_one(Invoice, invoice_id)
            luck = self.dice.random()
            if luck < 0.015 and (self.today() - day).days > 40:
                credit_invoice(invoice, new_id(), "Billed to the wrong engagement", by=bea)
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
                    by=bea,
                )
