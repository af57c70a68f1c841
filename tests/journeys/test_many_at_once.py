"""Several people do what touches the same bills and the same graph, for a while: nobody waits in a circle."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, allocate_payment, record_payment
from app.billing.commands.settling import reverse_payment
from app.billing.commands.wip import transfer_items
from app.billing.models import Invoice, Payment
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.errors import FirmamentError
from app.core.ids import new_id
from app.core.proofs import run_proofs
from app.jobs.commands.dependencies import add_dependency
from app.jobs.commands.tasks import Later, assign_task, cancel_task, complete_task, reopen_task
from app.jobs.models import Task
from app.people.models import Person
from app.timekeeping.commands.entries import EntryFacts, edit_entry
from app.timekeeping.models import TimeEntry
from tests.billing.make_billing import make_draft, make_entry
from tests.jobs.make_jobs import make_chain, make_job
from tests.make import Cast
from tests.together import a_firm, at_once, deadlocks

pytestmark = pytest.mark.real
Act = Callable[[Cast, random.Random], object]


@pytest.fixture
def firm(real_app: Flask) -> Cast:
    return a_firm(real_app)


def one_of(table: Any, dice: random.Random, *conditions: Any) -> Any:
    ids = db.session.scalars(sa.select(table.id).where(*conditions).order_by(table.id)).all()
    return db.session.get_one(table, dice.choice(ids)) if ids else None


def issue(firm: Cast, dice: random.Random) -> None:
    make_entry(firm)
    approve_invoice(make_draft(firm), by=SYSTEM)


def credit(firm: Cast, dice: random.Random) -> None:
    bill = one_of(Invoice, dice, Invoice.number.is_not(None), Invoice.kind == "invoice")
    if bill is not None:
        credit_invoice(bill, new_id(), "Wrong", by=SYSTEM)


def pay(firm: Cast, dice: random.Random) -> None:
    record_payment(new_id(), PaymentFacts(
        client_id=firm.acme.id, entity_id=firm.entity.id, received_on=clock.today(), currency="GBP",
        amount=Decimal(dice.randint(1, 300)),
    ), by=SYSTEM)  # fmt: skip


def allocate(firm: Cast, dice: random.Random) -> None:
    paid = one_of(Payment, dice)
    if paid is not None:
        allocate_payment(paid, None, by=SYSTEM)


def bounce(firm: Cast, dice: random.Random) -> None:
    paid = one_of(Payment, dice)
    if paid is not None:
        reverse_payment(paid, "Bounced", by=SYSTEM)


def move(firm: Cast, dice: random.Random) -> None:
    """Time goes from one client to the other, in either direction."""
    entry = one_of(TimeEntry, dice)
    there = firm.rival_work if entry.engagement_id == firm.acme_work.id else firm.acme_work
    transfer_items([entry.id], there.id, "Wrong place", by=SYSTEM)


def edit(firm: Cast, dice: random.Random) -> None:
    entry = one_of(TimeEntry, dice, TimeEntry.deleted_at.is_(None))
    task = one_of(Task, dice)
    edit_entry(entry, EntryFacts(
        task_id=task.id if task else None, engagement_id=None if task else entry.engagement_id,
        worked_on=entry.worked_on, recorded=dt.timedelta(minutes=dice.randint(6, 90)),
    ), by=SYSTEM)  # fmt: skip


def complete(firm: Cast, dice: random.Random) -> None:
    complete_task(one_of(Task, dice), by=SYSTEM)


def assign(firm: Cast, dice: random.Random) -> None:
    to = db.session.get_one(Person, dice.choice((firm.sam.id, firm.mel.id)))
    assign_task(one_of(Task, dice), to=to, by=SYSTEM)


def reopen(firm: Cast, dice: random.Random) -> None:
    reopen_task(one_of(Task, dice), by=SYSTEM, later=dice.choice(list(Later)))


def cancel(firm: Cast, dice: random.Random) -> None:
    cancel_task(one_of(Task, dice), by=SYSTEM)


MONEY: tuple[Act, ...] = (issue, issue, credit, pay, pay, allocate, bounce, move)
WORK: tuple[Act, ...] = (complete, complete, assign, reopen, edit, edit, cancel, move)


def linked_jobs(firm: Cast) -> None:
    """Two jobs whose steps wait on each other, and time on them."""
    one, two = (make_chain(make_job(firm.acme_work), "First", "Second", "Third") for _ in range(2))
    add_dependency(two[1], after=one[0], by=SYSTEM)
    add_dependency(one[2], after=two[0], by=SYSTEM)
    for _ in range(4):
        make_entry(firm)
        make_entry(firm, engagement=firm.rival_work)


def run(app: Flask, firm: Cast, acts: tuple[Act, ...], *, people: int, each: int, seed: int) -> list[Any]:
    """What became of each act of so many people who begin together."""
    done: list[Any] = []

    def working(number: int) -> Callable[[], object]:
        dice = random.Random(seed * 100 + number)

        def work() -> None:
            for _ in range(each):
                act = dice.choice(acts)
                try:
                    act(firm, dice)
                    done.append(act.__name__)
                except FirmamentError:
                    done.append("refused")
                finally:
                    db.session.remove()

        return work

    done += [each for each in at_once(app, *[working(number) for number in range(people)]) if each is not None]
    return done


def proven() -> None:
    rooms = ("ledger.", "billing.", "jobs.", "timekeeping.")
    found = [
        (name, each) for name, findings in run_proofs() for each in findings
        if name.startswith(rooms) and name != "billing.pdfs" and not each.note
    ]
    assert found == []


@pytest.mark.parametrize("acts", [MONEY, WORK], ids=["money", "work"])
def test_what_several_do_at_once_never_waits_in_a_circle(real_app: Flask, firm: Cast, acts: tuple[Act, ...]) -> None:
    with real_app.app_context(), transaction():
        linked_jobs(firm)
    done = run(real_app, firm, acts, people=4, each=8, seed=1)
    assert deadlocks(done) == 0 and not [each for each in done if isinstance(each, Exception)]
    assert len({each for each in done if each != "refused"}) > 3
    with real_app.app_context():
        proven()


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(20))
def test_the_same_for_long(real_app: Flask, firm: Cast, seed: int) -> None:
    with real_app.app_context(), transaction():
        linked_jobs(firm)
    done = run(real_app, firm, MONEY + WORK, people=6, each=60, seed=seed)
    assert deadlocks(done) == 0 and not [each for each in done if isinstance(each, Exception)]
    with real_app.app_context():
        proven()
