"""At the portal: the payer's contacts see and read the bill, the client's see that it is there, others nothing."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.send import mark_sent
from app.billing.models import Invoice
from app.clients.models import ClientContact
from app.core import clock
from app.core.db import db, transaction
from app.core.ids import new_id
from tests.billing.make_billing import make_entry, make_rate
from tests.make import Cast, keep, make_cast, make_client, make_contact
from tests.portal.make_portal import at_portal
from tests.portal.test_isolation import at_the_door


def bill_for_rival(cast: Cast) -> Invoice:
    """Work for Rival that Acme pays, sent."""
    bea = cast.actor(cast.bea)
    make_rate("100")
    make_entry(cast, "3", engagement=cast.rival_work, narrative="Defence of the patent")
    facts = DraftFacts(
        client_id=cast.rival.id, engagement_ids=(cast.rival_work.id,), until=clock.today(), payer_id=cast.acme.id
    )
    bill = approve_invoice(create_draft(new_id(), facts, by=bea), by=bea)
    mark_sent(bill, by=bea)
    return bill


def test_the_payer_reads_and_owes_it(client: FlaskClient, cast: Any, session: Session) -> None:
    bill = bill_for_rival(cast)
    cleo = at_portal(client, cast.cleo)
    assert str(bill.number) in cleo.get("/portal/").get_data(as_text=True)
    listed = cleo.get("/portal/invoices/").get_data(as_text=True)
    assert str(bill.number) in listed and "360.00" in listed and "Paid by others" not in listed
    page = cleo.get(f"/portal/invoices/{bill.id}").get_data(as_text=True)
    assert "professional services" in page and "Still to pay" in page
    session.expire_all()
    assert session.get_one(Invoice, bill.id).viewed_at is not None


def test_the_client_sees_that_it_is_there_and_can_open_nothing_of_it(client: FlaskClient, cast: Any) -> None:
    bill = bill_for_rival(cast)
    otto = at_portal(client, cast.otto)
    assert str(bill.number) not in otto.get("/portal/").get_data(as_text=True)
    listed = otto.get("/portal/invoices/").get_data(as_text=True)
    assert "Paid by others" in listed and str(bill.number) in listed
    assert "Acme Ltd" in listed and "not yet paid" in listed
    assert "360" not in listed and "300.00" not in listed and str(bill.id) not in listed
    for path in (f"/portal/invoices/{bill.id}", f"/portal/invoices/{bill.id}/pdf"):
        assert otto.get(path).status_code == 404


def test_whoever_stands_for_both_sees_it_once_as_its_payer(client: FlaskClient, cast: Any, session: Session) -> None:
    bill = bill_for_rival(cast)
    both = make_contact("Bo", cast.acme)
    keep(ClientContact(client_id=cast.rival.id, contact_id=both.id, portal_access=True))
    listed = at_portal(client, both).get("/portal/invoices/").get_data(as_text=True)
    assert listed.count(str(bill.number)) == 1 and "Paid by others" not in listed


@pytest.mark.real
def test_the_database_gives_each_of_them_just_that_whatever_is_asked(real_app: Flask) -> None:
    with real_app.app_context():
        with transaction():
            cast = make_cast()
            stranger = make_contact("Nora", make_client("Nobody Ltd", cast.office))
        bill = bill_for_rival(cast)
        bill_id, who = bill.id, {"payer": cast.cleo.id, "client": cast.otto.id, "stranger": stranger.id}
        clients = [cast.acme.id, cast.rival.id]
        db.session.remove()

    def asked(contact: Any, question: str) -> list[Any]:
        with real_app.app_context(), at_the_door(contact), transaction() as session:
            values = {"bill": bill_id, "clients": clients}
            return [tuple(row) for row in session.execute(sa.text(question), values)]

    rows = {
        "bill": "SELECT id FROM invoice",
        "lines": "SELECT id FROM invoice_line",
        "postings": "SELECT amount FROM posting WHERE invoice_id = :bill",
        "written": "UPDATE invoice SET viewed_at = now() WHERE id = :bill RETURNING id",
    }
    others = "SELECT number, payer, is_paid FROM portal_paid_by_others(CAST(:clients AS uuid[]))"
    found = {name: {key: len(asked(contact, text)) for key, text in rows.items()} for name, contact in who.items()}
    assert found == {
        "payer": {"bill": 1, "lines": 1, "postings": 1, "written": 1},
        "client": dict.fromkeys(rows, 0),
        "stranger": dict.fromkeys(rows, 0),
    }
    assert {name: asked(contact, others) for name, contact in who.items()} == {
        "payer": [], "client": [("INV-00001", "Acme Ltd", False)], "stranger": [],
    }  # fmt: skip
