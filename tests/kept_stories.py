"""Stories in which every input of the copies of money, requests and forecasts changes, one act after the other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

import sqlalchemy as sa

from app.activity.commands import run_reader, seal_events
from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import discard_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import LineChange, change_line
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.settling import reverse_payment, unallocate
from app.billing.commands.totals import lines_of
from app.billing.commands.wip import take_back, transfer_items, write_off_items, write_on_items
from app.billing.models import Allocation, Invoice, Rest
from app.catalogue.models import Cadence
from app.clients.commands.clients import facts_of, update_client
from app.clients.commands.contacts import ContactFacts, update_contact
from app.clients.models import ArrangementKind, PayrollFrequency
from app.core.actors import SYSTEM
from app.core.clock import today, travel_to
from app.core.db import db, transaction
from app.core.ids import new_id
from app.core.rounding import RoundingRule, RoundMode, RoundPer
from app.firm.commands.entities import add_closure
from app.people.commands.account import edit_profile
from app.people.commands.people import PersonDetails, edit_person
from app.planning.background import redate
from app.planning.commands.forecasting import top_up_forecasts
from app.planning.commands.occurrences import change_occurrence, restore_occurrence, skip_occurrence
from app.planning.commands.series import SeriesValues, edit_series, end_series
from app.planning.models import ByHand, Occurrence
from app.requests.commands.answering import answer_for_client, save_answer, submit_answers
from app.requests.commands.reviewing import accept_item, return_item
from app.requests.commands.sending import cancel_request, reopen_request, send_request
from app.requests.proofs import jobs_count_what_they_wait_for
from app.timekeeping.commands.entries import EntryFacts, delete_entry, edit_entry
from app.timekeeping.commands.expenses import ExpenseFacts, record_expense
from tests.billing.make_billing import make_draft
from tests.jobs.make_jobs import make_job, make_task, settle
from tests.make import make_engagement
from tests.planning.make_planning import make_series, make_service
from tests.planning.test_days_by_hand import _version
from tests.planning.test_series import follow_events
from tests.requests.make_requests import item_of, make_request
from tests.timekeeping.make_time import make_entry, make_rate

MINUTE = dt.timedelta(minutes=1)
BY_DAY = RoundingRule(15, RoundMode.UP, per=RoundPer.DAY_AND_JOB)


class Story:
    """`ACTS` in the order in which they happen; `SPOILED` says, for each copy, what spoils it at the end."""

    ACTS: ClassVar[dict[str, Callable[[Any], Any]]]
    SPOILED: ClassVar[dict[str, str]]

    def __init__(self, cast: Any) -> None:
        self.cast = cast


class Money(Story):
    """Acme's advice is rounded by day, its accounts have a fee, and its tax is billed by the hour."""

    def __init__(self, cast: Any) -> None:
        super().__init__(cast)
        with transaction():
            make_rate("60")
            cast.acme_work.rounding = BY_DAY.to_json()
            fixed = ArrangementKind.FIXED
            self.fixed = make_engagement(cast.acme, cast.entity, "Accounts", kind=fixed, fee=Decimal(1000))
            self.hourly = make_engagement(cast.acme, cast.entity, "Tax")
        self.bea, self.pat, self.sam = cast.actor(cast.bea), cast.actor(cast.pat), cast.actor(cast.sam)

    def record(self) -> None:
        self.first, self.second = (make_entry(self.cast, recorded=n * MINUTE) for n in (10, 15))
        self.yearly = make_entry(self.cast, engagement=self.fixed, recorded=120 * MINUTE)
        self.tax = make_entry(self.cast, engagement=self.hourly, recorded=60 * MINUTE)

    def change(self) -> None:
        facts = EntryFacts(
            worked_on=self.first.worked_on, recorded=40 * MINUTE, engagement_id=self.cast.acme_work.id
        )
        edit_entry(self.first, facts, by=self.sam)

    def spend(self) -> None:
        record_expense(new_id(), ExpenseFacts(
            engagement_id=self.hourly.id, spent_on=today(), net=Decimal("12.34"), narrative="Filing fee",
        ), by=self.bea)

    def draft(self) -> None:
        self.bill: Invoice = make_draft(self.cast, self.fixed)

    def lower(self) -> None:
        change_line(
            self.bill, lines_of(self.bill)[0].id, LineChange(net=Decimal(600), rest=Rest.CARRY), by=self.bea
        )

    def take_apart(self) -> None:
        discard_draft(self.bill, by=self.bea)
        discard_draft(make_draft(self.cast, self.cast.acme_work), by=self.bea)

    def issue(self) -> None:
        self.bills = [
            approve_invoice(make_draft(self.cast, each), by=self.bea)
            for each in (self.fixed, self.hourly, self.cast.acme_work)
        ]

    def pay(self) -> None:
        self.payment = record_payment(new_id(), PaymentFacts(
            client_id=self.cast.acme.id, entity_id=self.cast.entity.id, received_on=today(), amount=Decimal(700),
            currency="GBP",
        ), by=self.bea)

    def credit(self) -> None:
        for bill in self.bills:
            credit_invoice(bill, new_id(), "Wrong", by=self.bea)

    def draft_again(self) -> None:
        self.again = make_draft(self.cast, self.hourly)

    ACTS: ClassVar = {
        "time recorded": record, "time of a day changed": change,
        "time taken back": lambda s: delete_entry(s.second, by=s.sam), "an expense recorded": spend,
        "time written off": lambda s: write_off_items([s.tax.id], "Too slow", by=s.pat, percent=Decimal(50)),
        "a write-off taken back": lambda s: take_back([s.tax.id], "After all", by=s.pat),
        "time written up": lambda s: write_on_items([s.tax.id], "Well done", by=s.pat, percent=Decimal(10)),
        "time moved to another engagement": lambda s: transfer_items([s.yearly.id], s.fixed.id, "Here", by=s.bea)
        if s.yearly.engagement_id != s.fixed.id
        else transfer_items([make_entry(s.cast, engagement=s.hourly).id], s.fixed.id, "There", by=s.bea),
        "a fee drafted": draft, "a line lowered": lower, "a draft taken apart": take_apart, "a bill issued": issue,
        "a payment received": pay,
        "money taken off a bill": lambda s: unallocate(
            db.session.scalars(sa.select(Allocation).order_by(Allocation.id)).first(), "Wrong bill", by=s.bea),
        "a payment taken back": lambda s: reverse_payment(s.payment, "Bounced", by=s.bea),
        "a bill credited": credit, "a bill drafted again": draft_again,
    }
    SPOILED: ClassVar = {
        "arrangement.drawn": "UPDATE arrangement SET drawn = drawn + 1 WHERE agreed_amount = 1000",
        "time_entry.written": "UPDATE time_entry SET written = written - 1, open_value = open_value - 1"
                              " WHERE open_value > 1",
        "time_entry.billed": "UPDATE time_entry SET billed = billed + 1, open_value = open_value - 1"
                             " WHERE open_value > 1",
        "invoice.open_amount": "UPDATE invoice SET open_amount = open_amount + 1 WHERE kind = 'invoice'",
        "invoice.net": "UPDATE invoice SET net = net + 1, gross = gross + 1 WHERE number IS NULL",
        "invoice.tax": "UPDATE invoice SET tax = tax + 1, gross = gross + 1 WHERE number IS NULL",
        "time_entry.charged": "UPDATE time_entry SET charged = charged + 900 WHERE rounding->>'per' = 'day_and_job'",
        "balance.amount": "UPDATE balance SET amount = amount + 1 WHERE account = 'wip'",
        "client_balance.amount": "UPDATE client_balance SET amount = amount + 1 WHERE account = 'wip'",
        "account_balance.amount": "UPDATE account_balance SET amount = amount + 1 WHERE account = 'wip'",
    }


class Asked(Story):
    """Posting waits for what Acme is asked for."""

    def __init__(self, cast: Any) -> None:
        super().__init__(cast)
        with transaction():
            self.job = make_job(cast.acme_work)
            self.task = make_task(self.job, "Post")
        settle(self.job)
        self.mel, self.cleo = cast.actor(cast.mel), cast.contact(cast.cleo)

    def write(self) -> None:
        self.request = make_request(self.cast, sent=False, job_id=self.job.id, task_id=self.task.id)

    def item(self, code: str) -> Any:
        return item_of(self.request, code)

    def submit(self) -> None:
        save_answer(self.item("notes"), ["Nothing"], by=self.cleo)
        submit_answers(self.request, by=self.cleo)
        db.session.flush()
        assert list(jobs_count_what_they_wait_for()) == [], "until it is read the proof counts it as being worked out"
        seal_events()
        while run_reader("requests.waiting"):
            pass

    def send_back(self) -> None:
        return_item(self.item("turnover"), "Of which quarter?", by=self.mel)

    ACTS: ClassVar = {
        "a request written": write, "a request sent": lambda s: send_request(s.request, by=s.mel),
        "an item answered": lambda s: answer_for_client(s.item("turnover"), ["1200.00"], by=s.mel),
        "answers sent by the client": submit, "an item sent back": send_back,
        "an item accepted": lambda s: (
            answer_for_client(s.item("turnover"), ["1300.00"], by=s.mel), accept_item(s.item("turnover"), by=s.mel)),
        "a request closed": lambda s: cancel_request(s.request, by=s.mel),
        "a request opened again": lambda s: reopen_request(s.request, by=s.mel),
    }
    SPOILED: ClassVar = {
        "job.waiting_items": "UPDATE job SET waiting_items = waiting_items + 1, waiting_total = waiting_total + 1",
        "task.waits_for_client": "UPDATE task SET waits_for_client = NOT waits_for_client",
    }


class Recurring(Story):
    """Acme's books are kept each year, each VAT quarter and each payroll."""

    def __init__(self, cast: Any) -> None:
        super().__init__(cast)
        service, _template = make_service(request=False)
        self.facts(year_end_month=12, year_end_day=31, vat_stagger=1)
        self.series = [
            make_series(cast.acme, service, today(), cadence=each)
            for each in (Cadence.YEAR, Cadence.VAT_QUARTER, Cadence.PAYROLL)
        ]
        follow_events()

    def facts(self, **said: Any) -> None:
        update_client(self.cast.acme, replace(facts_of(self.cast.acme), **said), by=SYSTEM)

    def coming(self) -> Occurrence:
        return db.session.scalars(
            sa.select(Occurrence).where(Occurrence.series_id == self.series[1].id)
            .order_by(Occurrence.period_start.desc()).limit(1)
        ).one()

    def rename(self) -> None:
        self.facts(name="Acme Group")
        follow_events()

    def publish(self) -> None:
        _version(self.cast, self.series[0])
        follow_events()
        redate()

    def close(self) -> None:
        day = self.coming().due_on
        add_closure(new_id(), closed_on=day, name="Strike", by=self.cast.actor(self.cast.pat))
        redate()

    def wait(self) -> None:
        with travel_to(dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)):
            assert top_up_forecasts(by=SYSTEM)
        db.session.expire_all()

    ACTS: ClassVar = {
        "a client's year end": lambda s: s.facts(year_end_month=4, year_end_day=30),
        "a client's VAT quarters": lambda s: s.facts(vat_stagger=2),
        "a client's payroll": lambda s: s.facts(
            payroll_frequency=PayrollFrequency.FOUR_WEEKLY, first_pay_day=dt.date(2025, 11, 28)),
        "a client's name": rename, "a new version of a service": publish,
        "a series changed": lambda s: edit_series(s.series[1], SeriesValues(30, 1), by=SYSTEM),
        "a period changed by hand": lambda s: change_occurrence(s.coming(), ByHand(title="Another"), by=SYSTEM),
        "a period skipped": lambda s: skip_occurrence(s.coming(), by=SYSTEM),
        "a period taken back": lambda s: restore_occurrence(s.coming(), by=SYSTEM),
        "a calendar": close, "months gone by": wait,
        "a series ended": lambda s: end_series(s.series[2], by=SYSTEM),
    }
    SPOILED: ClassVar = {"occurrence.due_on": "UPDATE occurrence SET due_on = due_on + 1 WHERE state = 'forecast'"}


class Named(Story):
    """A client, whoever stands for it and a colleague take names that sort apart from how they are spelled."""

    def stands_for(self) -> None:
        facts = ContactFacts(name="Élodie Ångström")
        db.session.refresh(self.cast.cleo, ["addresses"])
        update_contact(self.cast.cleo, facts, by=SYSTEM)

    def colleague(self) -> None:
        sam = self.cast.sam
        details = PersonDetails(name="Łukasz Øster", email=sam.email, role=sam.role, office_id=sam.office_id)
        edit_person(sam, details, by=self.cast.actor(self.cast.pat))

    ACTS: ClassVar = {
        "a client's name": lambda s: update_client(
            s.cast.acme, replace(facts_of(s.cast.acme), name="Öl & Söhne"), by=SYSTEM),
        "a contact's name": stands_for, "a colleague's name": colleague,
        "a colleague's name by themselves": lambda s: edit_profile(
            s.cast.sam, by=s.cast.actor(s.cast.sam), name="Zoë Ünal", initials=""),
    }
    SPOILED: ClassVar = {
        f"{table}.sort_key": f"UPDATE {table} SET sort_key = 'another' WHERE name LIKE '{begins}%'"
        for table, begins in (("client", "Öl"), ("contact", "Él"), ("person", "Zo"))
    }


STORIES: list[type[Story]] = [Money, Asked, Recurring, Named]
