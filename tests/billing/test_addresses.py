"""A bill names both postal addresses: asked for once, on the draft, and kept."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.billing.commands.issue import approve_invoice
from app.billing.commands.runs import start_bill_run
from app.billing.models import Invoice, InvoiceState
from app.clients.commands.clients import give_address
from app.clients.models import Client
from app.core import clock
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.runs.commands import work_run
from app.runs.models import RunItem
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, make_client, make_engagement, sign_in

LACKS = "Acme Ltd has no postal address"


@pytest.fixture
def draft(session: Session, cast: Cast) -> Invoice:
    cast.acme.address = ""
    make_rate("100")
    make_entry(cast)
    return make_draft(cast)


def test_a_vat_invoice_is_not_issued_without_the_customers_address(cast: Cast, draft: Invoice) -> None:
    bea = cast.actor(cast.bea)
    for bare in (False, True):  # nobody may say otherwise here
        with pytest.raises(Refused, match=rf"{LACKS}, and a VAT invoice must show it \(VAT Regulations 1995, reg. 14"):
            approve_invoice(draft, by=bea, without_address=bare)
    assert draft.number is None
    give_address(cast.acme, "1 Dock Road\nHull", by=bea)
    approve_invoice(draft, by=bea)
    assert draft.facts and draft.facts["buyer"]["address"] == "1 Dock Road\nHull"


def test_nor_without_the_firms_own(cast: Cast, draft: Invoice) -> None:
    cast.acme.address, cast.entity.address, cast.entity.country = "Hull", " ", "IE"
    with pytest.raises(Refused, match=r"Hartwell & Co Ltd has no postal address, .*Directive 2006/112/EC"):
        approve_invoice(draft, by=cast.actor(cast.bea))


@pytest.mark.parametrize(("country", "tax_number"), [("US", "12-3456789"), ("GB", "")])
def test_where_the_law_does_not_ask_it_is_asked_once_and_may_be_left_out(
    cast: Cast, draft: Invoice, country: str, tax_number: str
) -> None:
    cast.entity.country, cast.entity.tax_number = country, tax_number
    db.session.commit()
    bea = cast.actor(cast.bea)
    with pytest.raises(Refused, match=f"{LACKS}. Add it on the draft, or say that the bill is issued without") as said:
        approve_invoice(draft, by=bea)
    assert said.value.field == "without_address"
    assert approve_invoice(draft, by=bea, without_address=True).number


def test_an_address_is_kept_with_the_client_and_told_of(session: Session, cast: Cast) -> None:
    bea = cast.actor(cast.bea)
    session.commit()
    with pytest.raises(Refused, match="Write the postal address"):
        give_address(cast.acme, "  ", by=bea)
    version = cast.acme.version
    give_address(cast.acme, "1 Dock Road", by=bea)
    give_address(cast.acme, "1 Dock Road", by=bea)
    told = session.scalars(sa.select(Event).where(Event.kind == "clients.client.update")).all()
    assert (cast.acme.address, len(told)) == ("1 Dock Road", 1) and cast.acme.version > version
    with pytest.raises(NotAllowed):  # behind a wall
        give_address(cast.rival, "1 Dock Road", by=cast.actor(cast.wes))


def test_it_is_added_there_and_then_on_the_draft(
    session: Session, cast: Cast, client: FlaskClient, draft: Invoice
) -> None:
    sign_in(client, cast.bea)
    at = f"/billing/invoices/{draft.id}"
    page = client.get(at).text
    assert "has no postal address, and a VAT invoice must show it" in page and "Issue it without" not in page
    refused = client.post(f"{at}/address", data={"address": " "})
    assert refused.status_code == 422 and "Write the postal address" in refused.text
    saved = client.post(f"{at}/address", data={"address": "1 Dock Road\r\nHull"})
    assert (saved.status_code, saved.location) == (303, at)
    assert session.get_one(Client, cast.acme.id, populate_existing=True).address == "1 Dock Road\nHull"
    assert "no postal address" not in client.get(at).text
    assert client.post(f"{at}/approval", data={}).status_code == 303


def test_a_firm_of_the_united_states_may_tick_that_it_goes_without(
    session: Session, cast: Cast, client: FlaskClient, draft: Invoice
) -> None:
    cast.entity.country = "US"
    session.commit()
    sign_in(client, cast.bea)
    at = f"/billing/invoices/{draft.id}"
    assert "Issue it without a postal address" in client.get(at).text
    assert client.post(f"{at}/approval", data={}).status_code == 422
    assert client.post(f"{at}/approval", data={"without_address": "1"}).status_code == 303


def test_the_payers_address_counts_and_only_who_sees_the_payer_adds_it(
    session: Session, cast: Cast, client: FlaskClient, draft: Invoice
) -> None:
    cast.acme.address, cast.rival.address = "Hull", ""
    draft.payer_id = cast.rival.id
    cast.wes.role = cast.bea.role
    session.commit()
    with pytest.raises(Refused, match="Rival plc has no postal address"):
        approve_invoice(draft, by=cast.actor(cast.bea))
    sign_in(client, cast.wes)
    answer = client.post(f"/billing/invoices/{draft.id}/address", data={"address": "Elsewhere"})
    assert answer.status_code == 404 and session.get_one(Client, cast.rival.id).address == ""


def test_a_bill_run_says_which_bills_stand_back_and_why(session: Session, cast: Cast) -> None:
    make_rate("100")
    bare = make_client("Birch Ltd", cast.office, address="")
    for engagement in (cast.acme_work, make_engagement(bare, cast.entity)):
        make_entry(cast, engagement=engagement)
    run = start_bill_run(new_id(), clock.today(), by=cast.actor(cast.pat), approve=True)
    work_run(run.id, lambda _: cast.actor(cast.pat))
    items = {item.label: item for item in session.scalars(sa.select(RunItem).where(RunItem.run_id == run.id))}
    assert "Birch Ltd has no postal address" in str(items["Birch Ltd"].result)
    states = {bill.client_id: bill.state for bill in session.scalars(sa.select(Invoice))}
    assert states == {cast.acme.id: InvoiceState.APPROVED, bare.id: InvoiceState.DRAFT}
