"""Single acts on what there is in the database, chosen by dice: for several sessions at once, with no book kept.

They are called as the rules of the machine are; `test_the_same_acts.py` holds the two lists together.
"""

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
from app.billing.commands.drafts import (
    DraftFacts,
    create_draft,
    discard_draft,
    return_to_draft,
    submit_for_approval,
)
from app.billing.commands.due_dates import change_due_date
from app.billing.commands.issue import approve_invoice
from app.billing.commands.jobs import move_job
from app.billing.commands.lines import (
    DraftTerms,
    LineChange,
    add_line,
    change_line,
    change_terms,
    remove_line,
    treat_item,
)
from app.billing.commands.payer import change_payer
from app.billing.commands.payments import PaymentFacts, allocate_payment, record_payment
from app.billing.commands.regroup import regroup_draft
from app.billing.commands.settling import reverse_payment, unallocate
from app.billing.commands.totals import lines_of
from app.billing.commands.wip import (
    hold_items,
    release_items,
    transfer_items,
    write_off_items,
    write_on_items,
)
from app.billing.commands.wip import take_back as take_back_items
from app.billing.models import (
    Allocation,
    Invoice,
    InvoiceItem,
    InvoiceKind,
    InvoiceLine,
    Payment,
    Rest,
    TaxMode,
    Treatment,
)
from app.clients.commands import ArrangementFacts, change_arrangement
from app.clients.models import Arrangement, ArrangementKind, Engagement
from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.firm.models import Grouping
from app.jobs.models import Job
from app.ledger.commands import gather_account_balances
from app.ledger.rates import ExchangeRateFacts, add_exchange_rate
from app.timekeeping.commands.entries import EntryFacts, delete_entry, edit_entry, record_entry, restore_entry
from app.timekeeping.commands.expenses import ExpenseFacts, delete_expense, record_expense, restore_expense
from app.timekeeping.commands.splits import rejoin_entry, split_entry
from app.timekeeping.models import Expense, TimeEntry
from tests.trial.sums import DECIMALS
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


def some_money(dice: random.Random, currency: str, most: int) -> Decimal:
    """Down to the smallest unit."""
    places = DECIMALS[currency]
    return Decimal(dice.randint(1, most * 10**places)).scaleb(-places)


def a_draft(dice: random.Random) -> Invoice | None:
    found: Invoice | None = one(dice, Invoice, Invoice.number.is_(None))
    return found


def a_line(dice: random.Random) -> tuple[Invoice, InvoiceLine] | None:
    invoice = a_draft(dice)
    lines = lines_of(invoice) if invoice else []
    return (invoice, dice.choice(lines)) if invoice and lines else None


def an_item(dice: random.Random, such: Callable[[Any], Any] = lambda table: sa.true()) -> Any:
    """An entry or an expense; of the other kind when there is none of the one."""
    first, second = dice.sample((TimeEntry, Expense), 2)
    return one(dice, first, such(first)) or one(dice, second, such(second))


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
def record_a_few(world: World, dice: random.Random) -> None:
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
        engagement_id=work.id, spent_on=a_day(dice), net=some_money(dice, work.currency, 900), narrative="Fares"
    )
    record_expense(a_new(), facts, by=world.bea)


@act
def edit(world: World, dice: random.Random) -> None:
    if entry := one(dice, TimeEntry):
        edit_entry(entry, time_facts(world, dice), by=world.bea)


@act
def delete(world: World, dice: random.Random) -> None:
    if item := an_item(dice, lambda table: table.deleted_at.is_(None)):
        (delete_entry if isinstance(item, TimeEntry) else delete_expense)(item, by=world.bea)


@act
def restore(world: World, dice: random.Random) -> None:
    if item := an_item(dice, lambda table: table.deleted_at.is_not(None)):
        (restore_entry if isinstance(item, TimeEntry) else restore_expense)(item, by=world.bea)


@act
def split(world: World, dice: random.Random) -> None:
    if entry := one(dice, TimeEntry):
        split_entry(entry, a_new(), entry.recorded / 2, by=world.bea)


@act
def rejoin(world: World, dice: random.Random) -> None:
    if part := one(dice, TimeEntry, TimeEntry.split_from_id.is_not(None)):
        rejoin_entry(part, by=world.bea)


@act
def hold(world: World, dice: random.Random) -> None:
    if item := an_item(dice):
        (hold_items([item.id], "Dispute", by=world.bea) if dice.random() < 0.5
         else release_items([item.id], by=world.bea))  # fmt: skip


@act
def write(world: World, dice: random.Random) -> None:
    items = [each for each in (one(dice, TimeEntry), one(dice, Expense)) if each]
    if items:
        command = dice.choice((write_off_items, write_on_items))
        command([i.id for i in items], "Agreed", by=world.bea, percent=Decimal(dice.randint(1, 100)))


@act
def take_back(world: World, dice: random.Random) -> None:
    """All that was written on or off of an item by hand."""
    if item := an_item(dice, lambda table: table.written != 0):
        take_back_items([item.id], "Mistake", by=world.bea)


@act
def transfer(world: World, dice: random.Random) -> None:
    items = {each.id for each in (one(dice, TimeEntry), one(dice, TimeEntry)) if each}
    if items:
        transfer_items(list(items), dice.choice(world.works).id, "Wrong matter", by=world.bea)


@act
def move(world: World, dice: random.Random) -> None:
    """A job to another engagement of its client, with all that is recorded under it."""
    if job := one(dice, Job):
        now = db.session.get_one(Engagement, job.engagement_id)
        works = [work for work in world.works if (work.client, work.currency) == (now.client_id, now.currency)]
        move_job(job, db.session.get_one(Engagement, dice.choice(works).id), by=world.bea)


@act
def draft(world: World, dice: random.Random) -> None:
    whose, other = dice.sample(world.clients, 2)
    currency = dice.choice(("GBP", "GBP", "JPY", "KWD"))
    ids = tuple(work.id for work in world.works if (work.client, work.currency) == (whose, currency))
    payer = other if dice.random() < 0.2 else whose
    facts = DraftFacts(client_id=whose, engagement_ids=ids, until=clock.today(), payer_id=payer)
    create_draft(a_new(), facts, by=world.bea)


@act
def add_new(world: World, dice: random.Random) -> None:
    if invoice := a_draft(dice):
        add_new_items(invoice, clock.today(), by=world.bea)


@act
def file(world: World, dice: random.Random) -> None:
    """Ask for the approval of a draft, take that back, or take the draft apart."""
    if invoice := a_draft(dice):
        what = dice.choice(("submit", "return", "discard"))
        if what == "submit":
            submit_for_approval(invoice, by=world.bea)
        elif what == "return":
            return_to_draft(invoice, "Again", by=world.bea)
        else:
            discard_draft(goes(invoice), by=world.bea)


@act
def change_net(world: World, dice: random.Random) -> None:
    if found := a_line(dice):
        invoice, line = found
        change = LineChange(net=some_money(dice, invoice.currency, 500), rest=dice.choice((None, *Rest)))
        change_line(invoice, line.id, change, by=world.bea)


@act
def change_tax(world: World, dice: random.Random) -> None:
    if found := a_line(dice):
        change_line(found[0], found[1].id, LineChange(tax_code=dice.choice(world.taxes)), by=world.bea)


@act
def add_words(world: World, dice: random.Random) -> None:
    if invoice := a_draft(dice):
        net = some_money(dice, invoice.currency, 300)
        add_line(invoice, new_id(), "A fee", net, by=world.bea, tax_code=dice.choice(world.taxes))


@act
def take_off_line(world: World, dice: random.Random) -> None:
    if found := a_line(dice):
        remove_line(found[0], found[1].id, by=world.bea)


@act
def adjust(world: World, dice: random.Random) -> None:
    if invoice := a_draft(dice):
        net = (invoice.net * dice.randint(60, 120) / 100).quantize(Decimal(1))
        adjust_total(invoice, net, by=world.bea, spread=dice.choice(list(Spread)[:3]), reason="Agreed")


@act
def set_terms(world: World, dice: random.Random) -> None:
    """Among them whether each line is taxed, or the total."""
    if invoice := a_draft(dice):
        terms = DraftTerms(
            terms_days=dice.choice((0, 14, 30)), note="", tax_mode=dice.choice(list(TaxMode)), reason=invoice.reason
        )
        change_terms(invoice, terms, by=world.bea)


@act
def treat(world: World, dice: random.Random) -> None:
    invoice = a_draft(dice)
    ids = sa.select(InvoiceItem.item_id).where(InvoiceItem.invoice_id == invoice.id) if invoice else None
    items = db.session.scalars(ids).all() if ids is not None else []
    if invoice and items:
        treatment = dice.choice(list(Treatment))
        part = some_money(dice, invoice.currency, 100) if dice.random() < 0.3 else None
        amount, rest = part if treatment is Treatment.BILL else None, dice.choice(list(Rest))
        treat_item(invoice, dice.choice(sorted(items)), treatment, by=world.bea, amount=amount, rest=rest)


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
    currency = dice.choice(("GBP", "GBP", "JPY", "KWD"))
    facts = PaymentFacts(
        client_id=dice.choice(world.clients), received_on=a_day(dice, 3), currency=currency,
        entity_id=dice.choice(world.entities) if currency == "KWD" else world.entities[0],
        amount=some_money(dice, currency, 5000),
    )  # fmt: skip
    record_payment(a_new(), facts, by=world.bea)


@act
def allocate(world: World, dice: random.Random) -> None:
    """Credit that is left, of whichever payment, to one bill or to those due first."""
    if payment := one(dice, Payment):
        bill = one(dice, Invoice, Invoice.open_amount > 0, Invoice.payer_id == payment.client_id)
        part = some_money(dice, payment.currency, 500)
        named = ((bill.id, part),) if bill and dice.random() < 0.4 else None
        allocate_payment(payment, named, by=world.bea)


@act
def bounce(world: World, dice: random.Random) -> None:
    if payment := one(dice, Payment):
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


@act
def exchange(world: World, dice: random.Random) -> None:
    """The rate of a day becomes known, be it after the day."""
    currency, places = dice.choice((("JPY", 5), ("KWD", 2)))
    rate = Decimal(dice.randint(300, 700)).scaleb(-places) / (1 if currency == "JPY" else 2)
    facts = ExchangeRateFacts(currency=currency, base="GBP", rate=rate, from_on=a_day(dice))
    add_exchange_rate(new_id(), facts, by=world.pat)


# What makes work for the others comes more often.
WEIGHTS = {"record": 5, "record_a_few": 3, "draft": 4, "approve": 4, "pay": 3, "credit": 2, "close": 1}


def some_acts(dice: random.Random, many: int, *, hand: int = 0, hands: int = 1) -> list[str]:
    """The acts are dealt to so many hands, so that each is played by one of them; the rest by weight, in any order."""
    names = sorted(ACTS)
    dealt = names[hand % hands :: hands]
    chosen = dealt + dice.choices(names, [WEIGHTS.get(name, 2) for name in names], k=many - len(dealt))
    dice.shuffle(chosen)
    return chosen
