"""Whatever is done to time, bills and money, in whatever order, every proof holds."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.billing.amounts import Spread, spread_total
from app.billing.commands.adding import add_new_items
from app.billing.commands.adjust import adjust_total
from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import DraftFacts, create_draft, discard_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import LineChange, change_line, remove_line, treat_item
from app.billing.commands.payments import PaymentFacts, allocate_payment, record_payment
from app.billing.commands.settling import reverse_payment
from app.billing.commands.totals import lines_of
from app.billing.commands.wip import hold_items, release_items, transfer_items, write_off_items, write_on_items
from app.billing.models import Invoice, InvoiceItem, InvoiceKind, InvoiceLine, LineKind, Payment, Rest, Treatment
from app.clients.commands import (
    ArrangementFacts,
    add_arrangement,
    archive_arrangement,
    change_arrangement,
    restore_arrangement,
)
from app.clients.models import Arrangement, ArrangementKind, Engagement
from app.core import clock
from app.core.db import db
from app.core.errors import FirmamentError
from app.core.ids import new_id
from app.core.money import round_amount
from app.core.proofs import run_proofs
from app.ledger.commands import close_period
from app.ledger.models import ExchangeRate
from app.timekeeping.commands.entries import EntryFacts, delete_entry, edit_entry, record_entry, restore_entry
from app.timekeeping.commands.expenses import ExpenseFacts, record_expense
from app.timekeeping.models import TimeEntry
from tests.billing.make_billing import make_rate
from tests.histories import examples
from tests.make import Cast, keep, make_engagement

EXAMPLES = examples("ties out")
Step = tuple[str, int, int]
Act = Callable[["World", int, int], None]
ACTS: dict[str, Act] = {}
RESTS = (Rest.WRITE_OFF, Rest.CARRY, None)


def act(function: Act) -> Act:
    ACTS[function.__name__] = function
    return function


class World:
    """Two clients with engagements in four currencies, two of them for a fee; picks of what is there by number."""

    def __init__(self, cast: Cast) -> None:
        self.bea, self.pat = cast.actor(cast.bea), cast.actor(cast.pat)
        self.acme, self.entity = cast.acme.id, cast.entity.id
        made = [cast.acme_work, cast.rival_work]
        for client, currency, fee in (
            (cast.acme, "GBP", "1000"), (cast.acme, "EUR", None), (cast.acme, "EUR", None),
            (cast.rival, "JPY", None), (cast.rival, "KWD", "123.457"), (cast.rival, "JPY", "100000"),
        ):  # fmt: skip
            agreed: dict[str, Any] = {"kind": ArrangementKind.FIXED, "fee": Decimal(fee)} if fee else {}
            made.append(make_engagement(client, cast.entity, f"More {currency}", currency=currency, **agreed))
        self.engagements = [each.id for each in made]
        self.together = [
            (client.id, tuple(each.id for each in made if (each.client_id, each.currency) == (client.id, currency)))
            for client, currency in (
                (cast.acme, "GBP"), (cast.acme, "EUR"), (cast.rival, "GBP"), (cast.rival, "JPY"), (cast.rival, "KWD"),
            )
        ]  # fmt: skip

    def one(self, table: Any, n: int, *conditions: Any) -> Any:
        rows = db.session.scalars(sa.select(table).where(*conditions).order_by(table.id)).all()
        return rows[n % len(rows)] if rows else None

    def one_item(self, n: int, *conditions: Any) -> Any:
        rows = db.session.scalars(
            sa.select(InvoiceItem).where(InvoiceItem.item_kind == "time_entry", *conditions)
            .order_by(InvoiceItem.invoice_id, InvoiceItem.item_id)
        ).all()
        return rows[n % len(rows)] if rows else None

    def day(self, n: int) -> dt.date:
        return clock.today() - dt.timedelta(days=n % 75)

    def facts(self, a: int, b: int) -> EntryFacts:
        return EntryFacts(
            engagement_id=self.engagements[a % len(self.engagements)],
            worked_on=self.day(b),
            recorded=dt.timedelta(minutes=1 + a * 7 % 400),
            narrative="Work",
        )


@act
def record(world: World, a: int, b: int) -> None:
    record_entry(new_id(), world.facts(a, b), by=world.bea)


@act
def spend(world: World, a: int, b: int) -> None:
    facts = ExpenseFacts(
        engagement_id=world.engagements[a % len(world.engagements)],
        spent_on=world.day(b),
        net=Decimal(a + 1) / 3,
        mark_up_percent=Decimal(b),
        narrative="Fares",
    )
    record_expense(new_id(), facts, by=world.bea)


@act
def edit(world: World, a: int, b: int) -> None:
    if entry := world.one(TimeEntry, a):
        edit_entry(entry, world.facts(b, a), by=world.bea)


@act
def delete(world: World, a: int, b: int) -> None:
    if entry := world.one(TimeEntry, a):
        (delete_entry if b % 3 else restore_entry)(entry, by=world.bea)


@act
def hold(world: World, a: int, b: int) -> None:
    if entry := world.one(TimeEntry, a):
        hold_items([entry.id], "Dispute", by=world.bea) if b % 2 else release_items([entry.id], by=world.bea)


@act
def write(world: World, a: int, b: int) -> None:
    if entry := world.one(TimeEntry, a):
        change = write_off_items if b % 2 else write_on_items
        change([entry.id], "Agreed", by=world.bea, percent=Decimal(1 + b))


@act
def transfer(world: World, a: int, b: int) -> None:
    if entry := world.one(TimeEntry, a):
        transfer_items([entry.id], world.engagements[b % len(world.engagements)], "Wrong matter", by=world.bea)


@act
def draft(world: World, a: int, b: int) -> None:
    client_id, together = world.together[a % len(world.together)]
    facts = DraftFacts(client_id=client_id, engagement_ids=together, until=world.day(b % 5))
    create_draft(new_id(), facts, by=world.bea)


def _draft(n: int, world: World) -> Any:
    return world.one(Invoice, n, Invoice.number.is_(None))


@act
def adjust(world: World, a: int, b: int) -> None:
    if invoice := _draft(a, world):
        adjust_total(
            invoice, invoice.net * (60 + b) / 100, by=world.bea, spread=list(Spread)[b % 3], rest=RESTS[a % 3],
            reason="Agreed",
        )


@act
def relist(world: World, a: int, b: int) -> None:
    invoice = _draft(a, world)
    if lines := lines_of(invoice) if invoice else []:
        line = lines[b % len(lines)]
        if b % 5 == 0:
            remove_line(invoice, line.id, by=world.bea)
        else:
            net = Decimal(b * 3) if b % 4 else None
            change_line(invoice, line.id, LineChange(net=net, rest=RESTS[a % 3]), by=world.bea)


@act
def treat(world: World, a: int, b: int) -> None:
    invoice = _draft(a, world)
    rows = (
        db.session.scalars(
            sa.select(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id).order_by(InvoiceItem.item_id)
        ).all()
        if invoice
        else []
    )
    if rows:
        row, treatment = rows[b % len(rows)], list(Treatment)[b % 3]
        part = round_amount(row.value * a / 60, invoice.currency) if a % 2 else None
        rest = RESTS[a % 2]
        assert rest is not None
        treat_item(invoice, row.item_id, treatment, by=world.bea, amount=part, rest=rest)


@act
def stray(world: World, a: int, b: int) -> None:
    """What a draft has left for later is moved elsewhere."""
    if left := world.one_item(a, InvoiceItem.treatment == Treatment.LATER):
        edit_entry(db.session.get_one(TimeEntry, left.item_id), world.facts(b, a), by=world.bea)


@act
def agree(world: World, a: int, b: int) -> None:
    arrangement = world.one(Arrangement, a)
    kind = list(ArrangementKind)[b % 2]
    facts = ArrangementFacts(
        kind=kind, agreed_amount=Decimal(1 + b * 31) if kind is ArrangementKind.FIXED else None,
        from_on=arrangement.from_on,
    )
    if b % 3:
        change_arrangement(arrangement, facts, by=world.pat, reason="Agreed")
    elif b % 2:
        engagement = world.one(Engagement, a)
        add_arrangement(new_id(), engagement, replace(facts, from_on=world.day(b)), by=world.pat)
    else:
        if arrangement.archived_at is None:
            archive_arrangement(arrangement, by=world.pat, reason="Agreed")
        else:
            restore_arrangement(arrangement, by=world.pat)


@act
def gather(world: World, a: int, b: int) -> None:
    if invoice := _draft(a, world):
        add_new_items(invoice, clock.today(), by=world.bea) if b % 4 else discard_draft(invoice, by=world.bea)


@act
def approve(world: World, a: int, b: int) -> None:
    if invoice := _draft(a, world):
        approve_invoice(invoice, by=world.bea, reason="Agreed", issued_on=world.day(b % 3))


@act
def credit(world: World, a: int, b: int) -> None:
    bill = world.one(Invoice, a, Invoice.number.is_not(None), Invoice.kind == InvoiceKind.INVOICE)
    if bill is not None:
        credit_invoice(bill, new_id(), "Wrong", by=world.bea)


@act
def pay(world: World, a: int, b: int) -> None:
    facts = PaymentFacts(
        client_id=world.together[b % len(world.together)][0],
        entity_id=world.entity,
        received_on=world.day(b % 40),
        amount=Decimal(1 + a * 7),
        currency=("GBP", "EUR", "GBP", "JPY", "KWD")[b % len(world.together)],
    )
    record_payment(new_id(), facts, by=world.bea)


@act
def use_credit(world: World, a: int, b: int) -> None:
    if payment := world.one(Payment, a):
        allocate_payment(payment, None, by=world.bea) if b % 3 else reverse_payment(payment, "Bounced", by=world.bea)


@act
def close(world: World, a: int, b: int) -> None:
    month = (clock.today().replace(day=1) - dt.timedelta(days=1 + 31 * (a % 2))).replace(day=1)
    close_period(month, by=world.pat)


@pytest.fixture
def world(session: Session, cast: Cast) -> World:
    make_rate("99.99")
    for currency, amount, rates in (
        ("EUR", "87.35", ("0.8512", "0.8731", "0.8444")),
        ("JPY", "15000", ("0.0052", "0.0049", "0.0051")),
        ("KWD", "31.457", ("2.4731", "2.4512", "2.5018")),
    ):
        make_rate(amount, currency=currency)
        for n, rate in enumerate(rates):
            keep(
                ExchangeRate(
                    id=new_id(),
                    currency=currency,
                    base="GBP",
                    from_on=clock.today() - dt.timedelta(days=200 - 80 * n),
                    rate=Decimal(rate),
                )
            )
    world = World(cast)
    # Something of each, an entry billed in two parts, and two drafts: so that every act finds something to do.
    for n in range(12):
        record_entry(new_id(), world.facts(n, 3 * n), by=world.bea)
    parts = DraftFacts(client_id=cast.rival.id, engagement_ids=(cast.rival_work.id,), until=clock.today())
    for n in range(2):
        bill = create_draft(new_id(), parts, by=world.bea)
        row = world.one_item(0, InvoiceItem.invoice_id == bill.id)
        if n == 0:
            part = round_amount(row.value / 3, bill.currency)
            treat_item(bill, row.item_id, Treatment.BILL, by=world.bea, amount=part, rest=Rest.CARRY)
        approve_invoice(bill, by=world.bea)
    for client_id, together in (world.together[0], world.together[3]):
        facts = DraftFacts(client_id=client_id, engagement_ids=together, until=clock.today())
        create_draft(new_id(), facts, by=world.bea)
    return world


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["record"] * 5 + ["draft", "approve", "pay"] * 2 + sorted(ACTS)),
        st.integers(0, 60),
        st.integers(0, 60),
    ),
    min_size=6,
    max_size=30,
)


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@pytest.mark.slow
@pytest.mark.histories("ties out")
@given(steps=STEPS)
def test_every_proof_holds_after_any_sequence_of_acts(world: World, steps: list[Step]) -> None:
    connection: Any = db.engines[None]
    db.session.commit()
    before = connection.begin_nested()
    try:
        for name, a, b in steps:
            with contextlib.suppress(FirmamentError):  # refused is an answer too: nothing may have moved
                ACTS[name](world, a, b)
        db.session.commit()
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        assert not lines_that_are_not_their_entries()
        found = {name: each for name, each in run_proofs("ledger.", "billing.", without="billing.pdfs") if each}
        assert not found
    finally:
        db.session.rollback()
        db.session.expunge_all()
        before.rollback()
        connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")


def lines_that_are_not_their_entries() -> list[Any]:
    """Lines of drafts with another amount than their entries have; fees that are not spread by their entries' value."""
    wrong: list[Any] = []
    lines = db.session.scalars(
        sa.select(InvoiceLine).join(Invoice, Invoice.id == InvoiceLine.invoice_id).where(Invoice.number.is_(None))
    )
    for line in lines.all():
        rows = db.session.scalars(
            sa.select(InvoiceItem).where(InvoiceItem.line_id == line.id, InvoiceItem.treatment == Treatment.BILL)
            .order_by(InvoiceItem.item_id)
        ).all()
        parts = [row.billed for row in rows]
        if line.kind is LineKind.FIXED and rows:
            worth = [(dt.date.min, row.value) for row in rows]
            fair = spread_total(line.net, worth, Spread.PRO_RATA, line.currency)
            if any(abs(one - other) > 1 for one, other in zip(fair, parts, strict=True)):
                wrong.append((line.kind, line.net, parts, fair))
        if rows and sum(parts) != line.net:
            wrong.append((line.kind, line.net, parts))
    return wrong


def test_a_proof_finds_what_does_not_tie_out(session: Session, cast: Cast, world: World) -> None:
    invoice = world.one(Invoice, 0, Invoice.number.is_(None))
    approve_invoice(invoice, by=world.bea)
    record_entry(new_id(), world.facts(0, 1), by=world.bea)
    session.flush()
    by_hand = session.begin_nested()  # undone before the database's own checks, which would not let it come to this
    session.execute(
        sa.text("UPDATE time_entry SET engagement_id = :other WHERE state = 'billed'"), {"other": world.engagements[2]}
    )
    session.execute(sa.text("UPDATE balance SET amount = amount + 1 WHERE account = 'wip'"))
    for figure in ("value + 3", "written - 1", "billed + 1"):
        name, change = figure.split(" ", 1)
        session.execute(sa.text(
            f"UPDATE time_entry SET {name} = {name} {change}, "
            f"open_value = open_value {change if name != 'billed' else '- 1'} WHERE state = 'open'"
        ))  # fmt: skip
    session.execute(sa.text("UPDATE invoice SET open_amount = open_amount - 1 WHERE open_amount > 0"))
    session.execute(sa.text("UPDATE number_series SET next_value = 9 WHERE kind = 'invoice'"))
    wrong = {name for name, findings in run_proofs() if findings}
    by_hand.rollback()
    assert {
        "ledger.balances",
        "billing.wip_of_items",
        "billing.figures_of_items",
        "billing.items_of_bills",
        "billing.wip_equation",
        "billing.open_amounts",
        "billing.numbers",
    } <= wrong
    assert session.get(Engagement, world.engagements[0]) is not None
