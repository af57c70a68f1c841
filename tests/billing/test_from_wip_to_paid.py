"""Time becomes WIP, WIP becomes a bill, the bill is paid, and every figure follows."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.billing.amounts import Spread
from app.billing.commands.adjust import adjust_total
from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import discard_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, credit_left, record_payment
from app.billing.commands.send import mark_sent
from app.billing.commands.settling import reverse_payment
from app.billing.commands.totals import billed_items, lines_of
from app.billing.commands.wip import hold_items, write_off_items
from app.billing.models import Invoice, InvoiceState
from app.core import clock
from app.core.db import transaction
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.ledger.models import Account
from app.ledger.queries import balance_of
from app.timekeeping.commands.entries import delete_entry, edit_entry
from app.timekeeping.models import ItemState
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast


def wip(cast: Cast) -> Decimal:
    return balance_of(Account.WIP, seen_by=cast.actor(cast.pat), client_id=cast.acme.id).get("GBP", Decimal(0))


def owed(cast: Cast) -> Decimal:
    return balance_of(Account.RECEIVABLE, seen_by=cast.actor(cast.pat), client_id=cast.acme.id).get("GBP", Decimal(0))


def pay(cast: Cast, amount: str, **values: object):  # type: ignore[no-untyped-def]
    facts = PaymentFacts(
        client_id=cast.acme.id,
        entity_id=cast.entity.id,
        received_on=clock.today(),
        amount=Decimal(amount),
        currency="GBP",
        **values,
    )  # type: ignore[arg-type]
    return record_payment(new_id(), facts, by=cast.actor(cast.bea))


def test_the_whole_way_from_time_to_money(session: Session, cast: Cast) -> None:
    make_rate("100", person_id=cast.sam.id)
    entry = make_entry(cast, "1.5")
    assert (wip(cast), entry.rate_source.startswith("the person")) == (Decimal(150), True)
    invoice = make_draft(cast)
    assert (invoice.net, invoice.tax, invoice.gross) == (Decimal(150), Decimal(30), Decimal(180))
    approve_invoice(invoice, by=cast.actor(cast.bea))
    session.refresh(entry)
    assert (wip(cast), owed(cast), entry.state, entry.open_value) == (0, Decimal(180), ItemState.BILLED, 0)
    pay(cast, "180")
    assert (owed(cast), invoice.open_amount) == (0, 0)


def test_a_write_down_falls_on_the_entries_to_the_last_penny_and_needs_its_reason(session: Session, cast: Cast) -> None:
    make_rate("99.99", person_id=cast.sam.id)
    entries = [make_entry(cast, hours) for hours in ("1", "1.1", "0.7")]
    invoice = make_draft(cast)
    adjust_total(invoice, invoice.net * Decimal("0.9"), by=cast.actor(cast.bea), spread=Spread.PRO_RATA)
    with pytest.raises(Refused, match="Say why"):
        approve_invoice(invoice, by=cast.actor(cast.bea))
    invoice.reason = "Agreed with the client"
    approve_invoice(invoice, by=cast.actor(cast.bea))
    assert wip(cast) == 0
    assert owed(cast) == invoice.gross == sum(line.net + line.tax for line in lines_of(invoice))
    assert all(entry.state is ItemState.BILLED for entry in entries if session.refresh(entry) is None)


def test_new_time_never_joins_a_draft_and_drafted_time_cannot_change(session: Session, cast: Cast) -> None:
    make_rate("100")
    entry = make_entry(cast, "1")
    invoice = make_draft(cast)
    make_entry(cast, "2")
    assert invoice.net == 100
    session.refresh(entry)
    with pytest.raises(Refused, match="draft bill"):
        delete_entry(entry, by=cast.actor(cast.sam))
    discard_draft(invoice, by=cast.actor(cast.bea))
    session.refresh(entry)
    delete_entry(entry, by=cast.actor(cast.sam))
    assert wip(cast) == 200


def test_numbers_have_no_gap_and_pressing_twice_issues_once(session: Session, cast: Cast) -> None:
    make_rate("100")
    numbers = []
    for _ in range(3):
        make_entry(cast)
        invoice = make_draft(cast)
        approve_invoice(invoice, by=cast.actor(cast.bea))
        approve_invoice(invoice, by=cast.actor(cast.bea))
        numbers.append(invoice.number)
    assert numbers == ["INV-00001", "INV-00002", "INV-00003"]


def test_an_issued_invoice_never_changes(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = make_draft(cast)
    approve_invoice(invoice, by=cast.actor(cast.bea))
    with pytest.raises(DBAPIError, match="never changes"), transaction():
        invoice.gross = Decimal(1)
        session.flush()


def test_a_credit_note_brings_the_wip_back_and_turns_payments_into_credit(session: Session, cast: Cast) -> None:
    make_rate("100")
    entry = make_entry(cast)
    invoice = make_draft(cast)
    approve_invoice(invoice, by=cast.actor(cast.bea))
    mark_sent(invoice, by=cast.actor(cast.bea))
    payment = pay(cast, "50")
    note = credit_invoice(invoice, new_id(), "Wrong client", by=cast.actor(cast.bea))
    session.refresh(entry)
    assert (invoice.state, note.number, note.gross) == (InvoiceState.VOID, "CN-00001", invoice.gross)
    assert (entry.state, entry.open_value, wip(cast), owed(cast)) == (ItemState.OPEN, 100, 100, 0)
    assert credit_left(payment) == 50
    again = make_draft(cast)
    approve_invoice(again, by=cast.actor(cast.bea))
    assert again.number == "INV-00002"


def test_overpayment_stays_as_credit_and_a_bounced_payment_opens_its_invoices_again(
    session: Session, cast: Cast
) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = make_draft(cast)
    approve_invoice(invoice, by=cast.actor(cast.bea))
    payment = pay(cast, "200")
    assert (credit_left(payment), owed(cast)) == (80, 0)
    reverse_payment(payment, "Bounced", by=cast.actor(cast.bea))
    reverse_payment(payment, "Bounced", by=cast.actor(cast.bea))
    session.refresh(invoice)
    assert (owed(cast), invoice.open_amount, credit_left(payment)) == (120, 120, 0)


def test_one_payment_settles_several_invoices_oldest_due_first(session: Session, cast: Cast) -> None:
    make_rate("100")
    invoices: list[Invoice] = []
    for _ in range(2):
        make_entry(cast)
        invoices.append(approve_invoice(make_draft(cast), by=cast.actor(cast.bea)))
    pay(cast, "180")
    for invoice in invoices:
        session.refresh(invoice)
    assert [i.open_amount for i in invoices] == [0, 60]


def test_held_time_stays_out_and_written_off_time_is_gone_with_its_reason(session: Session, cast: Cast) -> None:
    make_rate("100")
    held, off, billed = make_entry(cast), make_entry(cast), make_entry(cast)
    hold_items([held.id], "Dispute", by=cast.actor(cast.bea))
    with pytest.raises(Refused, match="Say why"):
        write_off_items([off.id], " ", by=cast.actor(cast.bea))
    write_off_items([off.id], "Training", by=cast.actor(cast.bea))
    invoice = make_draft(cast)
    assert invoice.net == billed.value == 100
    assert (off.state, wip(cast)) == (ItemState.WRITTEN_OFF, 200)


def test_staff_may_not_bill_and_nobody_bills_across_a_wall(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = make_draft(cast)
    with pytest.raises(NotAllowed):
        approve_invoice(invoice, by=cast.actor(cast.sam))
    with pytest.raises(NotAllowed):
        approve_invoice(invoice, by=cast.actor(cast.mel))


def test_an_edit_moves_wip_by_the_difference(session: Session, cast: Cast) -> None:
    from app.timekeeping.commands.entries import EntryFacts

    make_rate("100")
    entry = make_entry(cast, "1")
    import datetime as dt

    edit_entry(
        entry,
        EntryFacts(engagement_id=entry.engagement_id, worked_on=entry.worked_on, recorded=dt.timedelta(hours=3)),
        by=cast.actor(cast.sam),
    )
    assert wip(cast) == 300


def test_a_difference_falls_on_the_entries_that_are_chosen(session: Session, cast: Cast) -> None:
    make_rate("100", person_id=cast.sam.id)
    first, second, third = (make_entry(cast, hours) for hours in ("1", "2", "1"))
    invoice, bea = make_draft(cast), cast.actor(cast.bea)
    adjust_total(invoice, Decimal("300.01"), by=bea, spread=Spread.CHOSEN, chosen={first.id, third.id})
    billed = {row.item_id: row.billed for row in billed_items(invoice)}
    assert billed == {first.id: Decimal("50.01"), second.id: Decimal(200), third.id: Decimal(50)}
    assert invoice.net == Decimal("300.01") == sum(line.net for line in lines_of(invoice))
    with pytest.raises(Refused, match="tick those"):
        adjust_total(invoice, Decimal(250), by=bea, spread=Spread.CHOSEN)
    with pytest.raises(Refused, match="needs more of them"):
        adjust_total(invoice, Decimal(100), by=bea, spread=Spread.CHOSEN, chosen={first.id})
    invoice.reason = "Agreed"
    approve_invoice(invoice, by=bea)
    assert (wip(cast), owed(cast)) == (0, invoice.gross)
