"""Sending an issued bill: to whoever gets its payer's bills, once unless it is asked for again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payer import change_payer
from app.billing.commands.recipients import bill_recipients
from app.billing.commands.send import send_invoice
from app.billing.models import Invoice, InvoiceState
from app.clients.models import AddressKind, ContactAddress
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.delivery.models import Delivery
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, make_client, make_contact


def draft(cast: Cast) -> Invoice:
    make_rate("100")
    make_entry(cast)
    return make_draft(cast)


def mailed(session: Session, bill: Invoice) -> list[str]:
    return list(session.scalars(sa.select(Delivery.recipient).where(Delivery.about_id == bill.id)))


def test_a_bill_is_sent_once_and_again_when_asked(session: Session, cast: Cast) -> None:
    bea = cast.actor(cast.bea)
    bill = approve_invoice(draft(cast), by=bea)
    address = session.scalars(
        sa.select(ContactAddress.value).where(
            ContactAddress.contact_id == cast.cleo.id, ContactAddress.kind == AddressKind.EMAIL
        )
    ).one()
    assert send_invoice(bill, by=bea) == [address] and bill.state is InvoiceState.SENT and bill.sent_at
    assert send_invoice(bill, by=bea) == [] and mailed(session, bill) == [address]
    again = new_id()
    for _ in range(2):
        assert send_invoice(bill, by=bea, send_id=again) == [address]
    assert mailed(session, bill) == [address] * 2


def test_it_goes_to_whoever_gets_the_payers_bills(session: Session, cast: Cast) -> None:
    bea, bill = cast.actor(cast.bea), draft(cast)
    parent = make_client("Parent plc", cast.office)
    change_payer(bill, parent.id, by=bea)
    approve_invoice(bill, by=bea)
    with pytest.raises(Refused, match="no contact with an e-mail address"):
        send_invoice(bill, by=bea)
    paula = make_contact("Paula", parent)
    assert [row.id for row in bill_recipients(parent.id)] == [paula.id]
    assert send_invoice(bill, by=bea) == mailed(session, bill) and len(mailed(session, bill)) == 1


def test_a_draft_or_a_void_bill_is_not_sent_nor_by_whoever_may_not(session: Session, cast: Cast) -> None:
    bea, bill = cast.actor(cast.bea), draft(cast)
    with pytest.raises(Refused, match="Approve the bill first"):
        send_invoice(bill, by=bea)
    approve_invoice(bill, by=bea)
    walled = replace(bea, walled_clients=frozenset({cast.acme.id}))
    for actor in (cast.actor(cast.sam), cast.contact(cast.otto), walled):
        with pytest.raises(NotAllowed):
            send_invoice(bill, by=actor)
    credit_invoice(bill, new_id(), "Wrong matter", by=bea)
    with pytest.raises(Refused, match="void"):
        send_invoice(bill, by=bea)
    assert mailed(session, bill) == []
