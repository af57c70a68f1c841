"""Single acts on what there is in the database, chosen by dice: for several sessions at once, with no book kept."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from app.billing.amounts import Spread
from app.billing.commands.adding import add_new_items
from app.billing.commands.adjust import adjust_total
from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import DraftFacts, create_draft, discard_draft
from app.billing.commands.due_dates import change_due_date
from app.billing.commands.issue import approve_invoice
from app.billing.commands.jobs import move_job
from app.billing.commands.lines import LineChange, change_line, remove_line, treat_item
from app.billing.commands.payer import change_payer
from app.billing.commands.payments import PaymentFacts, allocate_payment, record_payment
from app.billing.commands.regroup import regroup_draft
from app.billing.commands.settling import reverse_payment, unallocate
from app.billing.commands.totals import lines_of
from app.billing.commands.wip import hold_items, release_items, transfer_items, write_off_items, write_on_items
from app.billing.models import Allocation, Invoice, InvoiceItem, InvoiceKind, Payment, Treatment
from app.clients.commands import ArrangementFacts, change_arrangement
from app.clients.models import Arrangement, ArrangementKind, Engagement
from app.core import clock
from app.core.db import db
from app.firm.models import Grouping
from app.jobs.models import Job
from app.ledger.commands import gather_account_balances
from app.timekeeping.commands.entries import EntryFacts, delete_entry, edit_entry, record_entry, restore_entry
from app.timekeeping.commands.expenses import ExpenseFacts, record_expense
from app.timekeeping.commands.splits import split_entry
from app.timekeeping.models import Expense, TimeEntry
from tests.trial.told import a_new, goes, numbered
from tests.trial.world import World

Act = Callable[[World, random.Random], Any]
ACTS: dict[str, Act] = {}


def act(function: Act) -> Act:
    ACTS[function.__name__] = function
    return function


def one(dice: random.Random, table: Any, *conditions: Any) -> Any:
    """Any row, an entry as well as an expense where an entry is asked for."""
    ids = db.session.scalars(sa.select(table.id).where(*conditions)).all()
    return db.session.get_one(table, dice.choice(sorted(ids))) if ids else None


def a_day(dice: random.Random, most: int = 60) -> dt.date:
    return clock.today() - dt.timedelta(days=dice.randint(0, most))


def a_draft(dice: random.Random) -> Invoice | None:
    found: Invoice | None = one(dice, Invoice, Invoice.number.is_(None))
    return found


def time_facts(world: World, dice: random.Random) -> EntryFacts:
    work = dice.choice(world.works)
    return EntryFacts(
        engagement_id=work.id, job_id=work.job if dice.random() < 0.5 else None, worked_on=a_day(dice),
        recorded=dt.timedelta(minutes=dice.randint(1, 300)), narrative="Work",
    )  # fmt: skip


@act
def record(world: World, dice: random.Random) -> None:
    record_entry(a_new(), time_facts(world, dice), by=world.bea)


@act
def record_on_one_day(world: World, dice: random.Random) -> None:
    """Where a day's time on a job is rounded as one."""
    work = next(each for each in world.works if each.by_day)
    facts = EntryFacts(
        engagement_id=work.id, job_id=work.job, worked_on=clock.today(), narrative="Call",
        recorded=dt.timedelta(minutes=dice.randint(1, 20)),
    )  # fmt: skip
    record_entry(a_new(), facts, by=world.bea)


@act
def spend(world: World, dice: random.Random) -> None:
    work = dice.choice(world.works)
    facts = ExpenseFacts(
        engagement_id=work.id, spent_on=a_day(dice), net=Decimal(dice.randint(1, 900)), narrative="Fares"
    )
    record_expense(a_new(), facts, by=world.bea)


@act
def edit(world: World, dice: random.Random) -> None:
    if entry := one(dice, TimeEntry):
        edit_entry(entry, time_facts(world, dice), by=world.bea)


@act
def delete(world: World, dice: random.Random) -> None:
    if entry := one(dice, TimeEntry):
        (restore_entry if entry.deleted_at else delete_entry)(entry, by=world.bea)


@act
def split(world: World, dice: random.Random) -> None:
    if entry := one(dice, TimeEntry):
        split_entry(entry, a_new(), entry.recorded / 2, by=world.bea)


@act
def hold(world: World, dice: random.Random) -> None:
    if item := one(dice, dice.choice((TimeEntry, Expense))):
        (hold_items([item.id], "Dispute", by=world.bea) if dice.random() < 0.5
         else release_items([item.id], by=world.bea))  # fmt: skip


@act
def write(world: World, dice: random.Random) -> None:
    items = [each for each in (one(dice, TimeEntry), one(dice, Expense)) if each]
    if items:
        command = dice.choice((write_off_items, write_on_items))
        command([i.id for i in items], "Agreed", by=world.bea, percent=Decimal(dice.randint(1, 100)))


@act
def transfer(world: World, dice: random.Random) -> None:
    items = {each.id for each in (one(dice, TimeEntry), one(dice, TimeEntry)) if each}
    if items:
        transfer_items(list(items), dice.choice(world.works).id, "Wrong matter", by=world.bea)


@act
def move(world: World, dice: random.Random) -> None:
    """A job to another engagement of its client, with all that is recorded under it."""
    if job := one(dice, Job):
        works = [work for work in world.works if work.client == job.client_id]
        move_job(job, db.session.get_one(Engagement, dice.choice(works).id), by=world.bea)


@act
def draft(world: World, dice: random.Random) -> None:
    whose, other = dice.sample(world.clients, 2)
    currency = dice.choice(("GBP", "GBP", "JPY"))
    ids = tuple(work.id for work in world.works if (work.client, work.currency) == (whose, currency))
    payer = other if dice.random() < 0.2 else whose
    facts = DraftFacts(client_id=whose, engagement_ids=ids, until=clock.today(), payer_id=payer)
    create_draft(a_new(), facts, by=world.bea)


@act
def add_to_draft(world: World, dice: random.Random) -> None:
    if invoice := a_draft(dice):
        add_new_items(invoice, clock.today(), by=world.bea)


@act
def take_apart(world: World, dice: random.Random) -> None:
    if invoice := a_draft(dice):
        discard_draft(goes(invoice), by=world.bea)


@act
def relist(world: World, dice: random.Random) -> None:
    invoice = a_draft(dice)
    if invoice and (lines := lines_of(invoice)):
        line = dice.choice(lines)
        if dice.random() < 0.3:
            remove_line(invoice, line.id, by=world.bea)
        else:
            change_line(invoice, line.id, LineChange(net=Decimal(dice.randint(1, 500))), by=world.bea)


@act
def adjust(world: World, dice: random.Random) -> None:
    if invoice := a_draft(dice):
        net = (invoice.net * dice.randint(60, 120) / 100).quantize(Decimal(1))
        adjust_total(invoice, net, by=world.bea, spread=dice.choice(list(Spread)[:3]), reason="Agreed")


@act
def treat(world: World, dice: random.Random) -> None:
    invoice = a_draft(dice)
    ids = sa.select(InvoiceItem.item_id).where(InvoiceItem.invoice_id == invoice.id) if invoice else None
    items = db.session.scalars(ids).all() if ids is not None else []
    if invoice and items:
        treat_item(invoice, dice.choice(sorted(items)), dice.choice(list(Treatment)), by=world.bea)


@act
def approve(world: World, dice: random.Random) -> None:
    if invoice := a_draft(dice):
        numbered(approve_invoice(invoice, by=world.bea, reason="Agreed"))


@act
def credit(world: World, dice: random.Random) -> None:
    if bill := one(dice, Invoice, Invoice.number.is_not(None), Invoice.kind == InvoiceKind.INVOICE):
        credit_invoice(bill, a_new(), "Wrong", by=world.bea)


@act
def redate(world: World, dice: random.Random) -> None:
    """Another due date, from which on what is open ages."""
    if bill := one(dice, Invoice, Invoice.number.is_not(None), Invoice.kind == InvoiceKind.INVOICE):
        assert bill.issued_on is not None
        change_due_date(bill, bill.issued_on + dt.timedelta(days=dice.randint(0, 90)), "Agreed", by=world.bea)


@act
def agree(world: World, dice: random.Random) -> None:
    """Another fee, or less of it while it is drafted."""
    if fee := one(dice, Arrangement, Arrangement.kind == ArrangementKind.FIXED):
        wanted = ArrangementFacts(kind=ArrangementKind.FIXED, agreed_amount=Decimal(dice.randint(1, 3000)))
        change_arrangement(fee, wanted, by=world.pat, reason="Agreed")


@act
def regroup(world: World, dice: random.Random) -> None:
    if invoice := a_draft(dice):
        regroup_draft(invoice, dice.choice(list(Grouping)), by=world.bea)


@act
def let_pay(world: World, dice: random.Random) -> None:
    if invoice := a_draft(dice):
        change_payer(invoice, dice.choice(world.clients), by=world.bea)


@act
def pay(world: World, dice: random.Random) -> None:
    facts = PaymentFacts(
        client_id=dice.choice(world.clients), entity_id=world.entities[0], received_on=a_day(dice, 3),
        amount=Decimal(dice.randint(1, 5000)), currency=dice.choice(("GBP", "GBP", "JPY")),
    )  # fmt: skip
    record_payment(a_new(), facts, by=world.bea)


@act
def use_credit(world: World, dice: random.Random) -> None:
    if payment := one(dice, Payment):
        if dice.random() < 0.6:
            allocate_payment(payment, None, by=world.bea)
        else:
            reverse_payment(payment, "Bounced", by=world.bea)


@act
def take_off_bill(world: World, dice: random.Random) -> None:
    """Money that was put on a bill, or was taken off it already."""
    if put := one(dice, Allocation):
        unallocate(put, "Wrong bill", by=world.bea)


@act
def gather(world: World, dice: random.Random) -> None:
    with world.gathering_from(1):
        gather_account_balances(by=world.pat_as_system)


@act
def close(world: World, dice: random.Random) -> None:
    world.close_month(a_day(dice, 60).replace(day=1))


# What makes work for the others comes more often.
WEIGHTS = {"record": 5, "record_on_one_day": 3, "draft": 4, "approve": 4, "pay": 3, "credit": 2, "close": 1}


def some_acts(dice: random.Random, many: int) -> list[str]:
    names = sorted(ACTS)
    return dice.choices(names, [WEIGHTS.get(name, 2) for name in names], k=many)
