"""Books that an older version left wrong are named by `verify` and put right by what is posted, never by a change."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.activity.commands import record
from app.activity.models import Event
from app.billing.commands.repairing import list_wrong, repair_books
from app.billing.commands.settling import reverse_payment
from app.billing.commands.wip import transfer_items
from app.clients.models import Engagement
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.errors import NotAllowed
from app.core.proofs import run_proofs
from app.exchange.repair_cli import run
from app.firm.models import Entity
from app.ledger.books import books_of_entity
from app.ledger.commands import Leg, close_period, hold_balances, post
from app.ledger.models import Account, ExchangeRate, LedgerTransaction, TransactionKind
from app.timekeeping.commands.entries import delete_entry, restore_entry
from app.timekeeping.commands.wip import place_of, wip_legs
from app.timekeeping.models import TimeEntry
from tests.billing.test_exchange_differences import ago, pay
from tests.make import Cast, keep, make_engagement
from tests.timekeeping.make_time import leave_a_rest, make_entry, make_rate
from tests.timekeeping.test_figures import HOUR

WHOLE = sa.text("SELECT md5(string_agg(p::text, ',' ORDER BY p.transaction_id, p.line)) FROM posting p "
                "WHERE p.transaction_id <= :last")  # fmt: skip


@pytest.fixture
def euros(cast: Cast) -> Engagement:
    make_rate("100", currency="EUR")
    make_rate("100")
    for days, rate in ((100, "0.85"), (20, "0.75")):
        keep(ExchangeRate(currency="EUR", base="GBP", from_on=ago(days), rate=Decimal(rate)))
    return make_engagement(cast.acme, cast.entity, "Advice", currency="EUR")


def strayed(cast: Cast, work: Engagement, branch_currency: str = "GBP") -> TimeEntry:
    """Time that moved to a branch after a part of it was written off, and took that back, when this still put what
    left the old engagement into the branch's books: there stands -30, and +30 where it had been."""
    branch = keep(Entity(name="Dublin Ltd", country="IE", currency=branch_currency))
    other = make_engagement(cast.acme, branch, "Of the branch", currency=work.currency)
    entry, slip = (make_entry(cast, engagement=work, recorded=HOUR, worked_on=ago(30)) for _ in range(2))
    there = replace(place_of(entry), amount=Decimal(30))
    transfer_items([entry.id], other.id, "Wrong entity", by=cast.actor(cast.pat))
    old = db.session.scalar(sa.select(LedgerTransaction.id).where(LedgerTransaction.source_id == slip.id))
    with transaction():
        hold_balances(Account.WIP, [(each.id, cast.acme.id, work.currency) for each in (cast.entity, branch)])
        # Only what takes back a transaction may be posted into other books: so this says that it does.
        for place, entity, reverses in (
            (there, cast.entity, None), (replace(there, amount=Decimal(-30)), branch, old)
        ):
            post(
                TransactionKind.TRANSFERRED, wip_legs(place), by=SYSTEM, currency=work.currency, source=entry,
                books=books_of_entity(entity.id), happened_on=ago(10), reverses=reverses,
            )  # fmt: skip
        record("billing.wip.release", entry, by=SYSTEM, amount=Decimal(0), currency=work.currency)
    return entry


def found() -> dict[str, list[str]]:
    rooms = ("ledger.", "billing.", "timekeeping.")
    return {name: [one.message for one in its] for name, its in run_proofs()
            if its and name.startswith(rooms) and name != "billing.pdfs"}  # fmt: skip


def stands(entry: TimeEntry) -> dict[tuple[object, object], tuple[Decimal, Decimal]]:
    rows = db.session.execute(
        sa.text("SELECT engagement_id, entity_id, sum(amount), sum(base_amount) FROM posting WHERE account = 'wip' "
                "AND item_id = :item GROUP BY 1, 2 HAVING sum(amount) <> 0 OR sum(base_amount) <> 0"),
        {"item": entry.id},
    )  # fmt: skip
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


@pytest.mark.parametrize(("currency", "branch"), [("GBP", "GBP"), ("EUR", "GBP"), ("EUR", "EUR")])
def test_wip_in_another_entitys_books_is_brought_home(
    cast: Cast, euros: Engagement, currency: str, branch: str
) -> None:
    work = euros if currency == "EUR" else cast.acme_work
    entry = strayed(cast, work, branch)
    assert set(found()) >= {"ledger.own_books"}
    assert all("`firmament repair books`" in said for said in found()["ledger.own_books"])
    last = db.session.scalar(sa.select(sa.func.max(LedgerTransaction.id)))
    before = db.session.scalar(WHOLE, {"last": last})
    assert len(list_wrong(by=SYSTEM)) == len(repair_books(by=SYSTEM)) == 1
    assert db.session.scalar(WHOLE, {"last": last}) == before
    db.session.refresh(entry)
    [(place, (amount, _))] = stands(entry).items()
    assert amount == entry.open_value == 100
    assert place[0] == entry.engagement_id
    assert found() == {}
    delete_entry(entry, by=cast.actor(cast.sam))
    assert stands(entry) == {} and found() == {}


def test_what_is_closed_but_not_in_base_is_closed(cast: Cast, euros: Engagement) -> None:
    entry = make_entry(cast, engagement=euros, recorded=HOUR, worked_on=ago(30))
    delete_entry(entry, by=cast.actor(cast.sam))
    leave_a_rest(entry, Decimal("3.21"))
    payment = pay(cast, 5, "40", ())
    reverse_payment(payment, "Bounced", by=cast.actor(cast.bea))
    rest = {Account.CREDIT: Decimal(2), Account.GAIN_LOSS: Decimal(-2)}
    legs = [
        Leg(account=account, amount=Decimal(0), base_amount=base, client_id=cast.acme.id, payment_id=payment.id)
        for account, base in rest.items()
    ]
    with transaction():
        post(
            TransactionKind.PAID, legs, by=SYSTEM, currency="EUR", books=books_of_entity(cast.entity.id),
            source=payment, happened_on=ago(5),
        )  # fmt: skip
        record("billing.payment.allocate", payment, by=SYSTEM, amount=Decimal(0), currency="EUR", invoices=[])
    assert set(found()) == {"ledger.wip_in_base", "billing.base"}
    assert [each.words for each in repair_books(by=SYSTEM)] == [
        f"WIP of {entry.id}: 0 EUR at 3.2100 in base", f"credit of {payment.id}: closed, but not in base"
    ]
    assert stands(entry) == {} and found() == {}
    restore_entry(entry, by=cast.actor(cast.sam))
    assert [each[1] for each in stands(entry).values()] == [Decimal("85")] and found() == {}


def test_it_is_posted_on_the_first_open_day_with_its_reason_and_told(cast: Cast, euros: Engagement) -> None:
    entry = make_entry(cast, engagement=euros, recorded=HOUR, worked_on=ago(60))
    delete_entry(entry, by=cast.actor(cast.sam))
    leave_a_rest(entry, Decimal(1))
    close_period(ago(60).replace(day=1), by=cast.actor(cast.pat))
    repair_books(by=SYSTEM)
    made = db.session.scalars(sa.select(LedgerTransaction).order_by(LedgerTransaction.id.desc()).limit(1)).one()
    assert (made.posted_on, made.source_id, made.by_id) == (clock.today(), entry.id, None)
    assert made.reason == "put right: books of an older version"
    told = db.session.scalars(sa.select(Event).where(Event.kind == "billing.books.repair")).all()
    assert [each.subject_id for each in told] == [entry.id]


def test_the_command_only_says_what_it_would_do_unless_it_is_asked_to_and_finds_nothing_after(
    cast: Cast, euros: Engagement
) -> None:
    entry = make_entry(cast, engagement=euros, recorded=HOUR, worked_on=ago(30))
    delete_entry(entry, by=cast.actor(cast.sam))
    leave_a_rest(entry, Decimal(1))
    said: list[str] = []
    for applies in (False, True, False, True):
        run(applies=applies, say=said.append)
    line = f"WIP of {entry.id}: 0 EUR at 1.0000 in base"
    assert said == [
        line, "1 to put right. Nothing was posted: add --apply.",
        line, "1 put right, dated today or the first open day; `firmament verify` proves it.",
        "Nothing to put right.", "Nothing to put right.",
    ]  # fmt: skip


def test_nothing_new_comes_into_another_entitys_books_by_this_way_out(cast: Cast, euros: Engagement) -> None:
    entry = strayed(cast, cast.acme_work)
    branch = next(each for (_, each), (amount, _) in stands(entry).items() if amount < 0)
    half = [Leg(account=account, amount=amount, client_id=cast.acme.id, engagement_id=cast.acme_work.id,
                item_id=entry.id, aged_on=entry.worked_on)
            for account, amount in ((Account.WIP, Decimal(10)), (Account.WIP_MEMO, Decimal(-10)))]  # fmt: skip
    with pytest.raises(DBAPIError, match="the books of another entity"), transaction():
        post(TransactionKind.TRANSFERRED, half, by=SYSTEM, currency="GBP", books=books_of_entity(branch),
             source=entry, happened_on=clock.today())  # fmt: skip


def test_nobody_but_the_machine_repairs(cast: Cast) -> None:
    for act in (list_wrong, repair_books):
        with pytest.raises(NotAllowed):
            act(by=cast.actor(cast.pat))
