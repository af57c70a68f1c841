"""What the portal's pages show, to whom, and with how many questions to the database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from app.activity.models import Event
from app.billing.models import Invoice, InvoiceState
from app.clients.models import ClientContact
from app.core.clock import today
from app.core.db import db
from app.documents.commands.serving import share_document
from app.documents.models import Document
from app.requests.commands.answering import save_answer
from tests.jobs.make_jobs import make_job, make_service
from tests.make import keep
from tests.portal.make_portal import at_portal
from tests.requests.make_requests import FILES, fresh, give_file, item_of, make_request

PAGES = tuple(f"/portal/{page}" for page in ("", "requests/", "documents/", "work/", "invoices/", "account/"))


def busy_client(cast: Any) -> Any:
    """Acme with a little of everything."""
    service = make_service("VAT return")
    for number in range(3):
        make_job(cast.acme_work, f"VAT {number}", service_id=service.id, tasks_total=5, tasks_done=2)
    request = make_request(cast)
    cleo = cast.contact(cast.cleo)
    give_file(item_of(request, "statements"), "a.pdf", (FILES / "good" / "basicapi.pdf").read_bytes(), by=cleo)
    save_answer(item_of(fresh(request), "turnover"), ["5"], by=cleo)
    return fresh(request)


def test_every_page_is_there_for_a_new_contact_and_for_a_busy_one(client: FlaskClient, cast: Any) -> None:
    browser = at_portal(client, cast.cleo)
    for page in PAGES:
        assert browser.get(page).status_code == 200, page
    busy_client(cast)
    for page in PAGES:
        assert browser.get(page).status_code == 200, page
    assert "VAT return" in browser.get("/portal/").text
    assert "a.pdf" in browser.get("/portal/documents/").text


def test_home_and_request_ask_the_database_a_fixed_number_of_times(
    client: FlaskClient, cast: Any, max_queries: Callable[[int], Any]
) -> None:
    request = busy_client(cast)
    for number in range(8):
        make_request(cast, name=f"More {number}")
    browser = at_portal(client, cast.cleo)
    page = f"/portal/requests/{request.id}"
    browser.get("/portal/")
    browser.get(page)
    with max_queries(6):
        browser.client.get("/portal/")
    with max_queries(4):
        browser.client.get(page)


def test_saving_an_answer_asks_little(client: FlaskClient, cast: Any, max_queries: Callable[[int], Any]) -> None:
    request = busy_client(cast)
    browser = at_portal(client, cast.cleo)
    path = f"/portal/requests/{request.id}/items/{item_of(request, 'turnover').id}/answer"
    with max_queries(4):
        browser.client.post(path, data={"value": "7"}, headers={"HX-Request": "true"})


def test_no_page_changes_anything_but_what_is_allowed(client: FlaskClient, cast: Any) -> None:
    request = busy_client(cast)
    browser = at_portal(client, cast.cleo)
    browser.get(f"/portal/requests/{request.id}")
    before = fingerprint()
    for page in (*PAGES, f"/portal/requests/{request.id}", f"/portal/requests/{request.id}/progress"):
        assert browser.get(page).status_code == 200
    assert fingerprint() == before


def fingerprint() -> dict[str, str]:
    """A digest of every table, without what a visit may touch."""
    tables = db.session.scalars(sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
    return {
        table: str(db.session.scalar(sa.text(f'SELECT md5(coalesce(string_agg(t::text, \',\' ORDER BY t::text), \'\')) '
                                             f'FROM "{table}" t')))
        for table in tables if table not in ("contact_session",)
    }


def test_two_clients_can_be_seen_together_or_one_at_a_time(client: FlaskClient, cast: Any) -> None:
    keep(ClientContact(client_id=cast.rival.id, contact_id=cast.cleo.id, portal_access=True))
    make_request(cast, name="For Acme")
    make_request(cast, name="For Rival", client=cast.rival)
    browser = at_portal(client, cast.cleo)
    both = browser.get("/portal/").text
    assert "For Acme" in both and "For Rival" in both
    browser.post("/portal/client", data={"client": str(cast.rival.id)})
    one = browser.get("/portal/").text
    assert "For Acme" not in one and "For Rival" in one


def test_a_shared_document_is_opened_and_the_opening_is_recorded(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    body = (FILES / "good" / "basicapi.pdf").read_bytes()
    document = give_file(item_of(request, "statements"), "a.pdf", body, by=cast.contact(cast.cleo))
    kept = db.session.get_one(Document, document.id)
    share_document(kept, by=cast.actor(cast.mel))
    browser = at_portal(client, cast.cleo)
    answer = browser.get(f"/portal/documents/{document.id}/file")
    assert answer.status_code == 303 and "kept/" in answer.location
    opened = db.session.scalars(sa.select(Event).where(Event.kind == "documents.document.opened")).all()
    assert [event.actor_id for event in opened] == [cast.cleo.id]


def test_a_document_of_ours_is_not_there_until_it_is_shared(client: FlaskClient, cast: Any) -> None:
    row = keep(Document(
        client_id=cast.acme.id, name="internal note.pdf", state="available", size=3, media_type="application/pdf",
        sha256=b"x" * 32, kept_key="kept/x", client_sees=False, added_kind="person", added_by=cast.mel.id,
        created_at=dt.datetime.now(dt.UTC),
    ))
    browser = at_portal(client, cast.cleo)
    assert browser.get(f"/portal/documents/{row.id}/file").status_code == 404
    assert "internal note" not in browser.get("/portal/documents/").text


def test_an_invoice_is_seen_once_it_is_sent(client: FlaskClient, cast: Any) -> None:
    values = {
        "entity_id": cast.entity.id, "client_id": cast.acme.id, "payer_id": cast.acme.id, "currency": "GBP",
        "issued_on": today(), "due_on": today(), "net": Decimal(100), "tax": Decimal(20), "gross": Decimal(120),
    }
    draft = keep(Invoice(state=InvoiceState.DRAFT, **values))
    sent = keep(Invoice(state=InvoiceState.APPROVED, number="INV-1", **values))
    db.session.execute(sa.text("UPDATE invoice SET state = 'sent', sent_at = now() WHERE number = 'INV-1'"))
    browser = at_portal(client, cast.cleo)
    page = browser.get(f"/portal/invoices/{sent.id}")
    assert page.status_code == 200 and "120.00" in page.text
    assert browser.get(f"/portal/invoices/{draft.id}").status_code == 404
    assert at_portal(client, cast.otto).get(f"/portal/invoices/{sent.id}").status_code == 404
