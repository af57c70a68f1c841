"""The way from WIP to money through the screens, and what they answer to whoever may not."""

from __future__ import annotations

import datetime as dt
import html
import re
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.totals import lines_of
from app.billing.models import Invoice, InvoiceState, Payment
from app.clients.models import ClientContact
from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.core.permissions import Role
from app.timekeeping.models import ItemState
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, make_person, sign_in


def text_of(answer: Any) -> str:
    return str(answer.get_data(as_text=True))


@pytest.fixture
def bea(client: FlaskClient, cast: Cast) -> FlaskClient:
    make_rate("100")
    return sign_in(client, cast.bea)


def only(session: Session, table: Any) -> Any:
    return session.scalars(sa.select(table).execution_options(populate_existing=True)).one()


def test_a_client_is_billed_paid_and_stated_through_the_screens(session: Session, cast: Cast, bea: FlaskClient) -> None:
    make_entry(cast, "2", narrative="Reviewed the ledgers")
    page = text_of(bea.get("/billing"))
    assert "Acme Ltd" in page and "200.00" in page
    assert "Reviewed the ledgers" in text_of(bea.get(f"/billing/wip/clients/{cast.acme.id}"))
    assert bea.get(f"/billing/clients/{cast.acme.id}/draft").status_code == 200
    form = {
        "id": str(new_id()),
        "engagement": str(cast.acme_work.id),
        "until": clock.today().isoformat(),
        "grouping": "engagement",
    }
    first, second = (bea.post(f"/billing/clients/{cast.acme.id}/draft", data=form) for _ in range(2))
    assert (first.status_code, first.location) == (303, second.location)
    at = first.location
    assert "200.00" in text_of(bea.get(at))
    assert "180.00" in text_of(bea.get(f"{at}/adjustment?total=-10%25&spread=pro_rata"))
    assert bea.post(f"{at}/adjustment", data={"total": "-10 %", "spread": "pro_rata"}).status_code == 303
    refused = bea.post(f"{at}/approval", data={"issued_on": clock.today().isoformat()})
    assert refused.status_code == 422 and "Say why" in text_of(refused)
    bea.post(f"{at}/approval", data={"issued_on": clock.today().isoformat(), "reason": "Agreed"})
    invoice = only(session, Invoice)
    assert (invoice.number, invoice.gross) == ("INV-00001", Decimal(216))
    assert "INV-00001" in text_of(bea.get(at))
    assert bea.get(f"{at}/pdf").data.startswith(b"%PDF") and bea.get(f"{at}/pdf?save=1").status_code == 302
    pay = {
        "id": str(new_id()),
        "client": str(cast.acme.id),
        "currency": "GBP",
        "amount": "216.00",
        "entity_id": str(cast.entity.id),
        "received_on": clock.today().isoformat(),
        "method": "transfer",
        "spread": "auto",
    }
    assert "216.00" in text_of(bea.get(f"/billing/payments/new?client={cast.acme.id}"))
    paid, again = (bea.post("/billing/payments", data=pay) for _ in range(2))
    assert (paid.status_code, paid.location) == (303, again.location)
    assert "Paid" in text_of(bea.get(at))
    statement = text_of(bea.get(f"/billing/clients/{cast.acme.id}/statement"))
    assert "INV-00001" in statement and "Balance" in statement
    assert bea.get(f"/billing/clients/{cast.acme.id}/statement.pdf").data.startswith(b"%PDF")


def test_a_draft_is_changed_line_by_line_in_place(session: Session, cast: Cast, bea: FlaskClient) -> None:
    entries = [make_entry(cast, "1") for _ in range(2)]
    invoice = make_draft(cast)
    session.refresh(invoice, ["lines"])
    at, line = f"/billing/invoices/{invoice.id}", invoice.lines[0]
    changed = bea.post(
        f"{at}/lines/{line.id}",
        headers={"HX-Request": "true"},
        data={"description": "Advice on VAT", "net": "150.00", "tax_code": cast.vat.code},
    )
    assert changed.status_code == 200 and "Advice on VAT" in text_of(changed) and "180.00" in text_of(changed)
    wrong = bea.post(f"{at}/lines/{line.id}", headers={"HX-Request": "true"}, data={"description": "x", "net": "abc"})
    assert wrong.status_code == 422 and "not an amount" in wrong.headers["HX-Trigger"]
    treated = bea.post(f"{at}/items/{entries[0].id}/treatment", data={"treatment": "later"})
    assert treated.status_code == 303
    session.refresh(entries[0])
    assert entries[0].state is ItemState.OPEN
    new_line = str(new_id())
    for _ in range(2):
        bea.post(f"{at}/lines", data={"id": new_line, "description": "Filing fee", "net": "20"})
    session.refresh(invoice)
    assert invoice.net == 95  # 75 for the entry that stays, 20 for the line written by hand
    assert bea.post(f"{at}/terms", data={"terms_days": "400", "tax_mode": "line"}).status_code == 422
    bea.post(f"{at}/terms", data={"terms_days": "30", "tax_mode": "total", "note": "Thank you", "reason": ""})
    session.refresh(invoice)
    assert (invoice.terms_days, invoice.note) == (30, "Thank you")
    assert bea.post(f"{at}/submission").status_code == 303
    assert "Awaiting approval" in text_of(bea.get(at))
    assert bea.post(f"{at}/removal").status_code == 303
    assert bea.get(at).status_code == 404


def drawn_line(page: str) -> dict[str, str]:
    """What the first line's form would send as it was drawn."""
    form = page[page.index('class="bill-fields"'):]
    return {name: html.unescape(re.search(f'name="{name}" value="([^"]*)"', form)[1])  # type: ignore[index]
            for name in ("was_description", "was_net", "was_tax_code")}


def test_two_who_change_one_line_of_a_draft_do_not_undo_each_other(
    session: Session, cast: Cast, bea: FlaskClient
) -> None:
    make_entry(cast, "2")
    invoice = make_draft(cast)
    line = lines_of(invoice)[0]
    at = f"/billing/invoices/{invoice.id}"
    was = drawn_line(text_of(bea.get(at)))
    shown = f"{Decimal(was['was_net']):.2f}"
    as_drawn = {"description": was["was_description"], "net": shown, "tax_code": was["was_tax_code"]}
    theirs = bea.post(f"{at}/lines/{line.id}", data={**was, **as_drawn, "net": "150.00"})
    mine = bea.post(f"{at}/lines/{line.id}", data={**was, **as_drawn, "description": "Advice\r\non VAT"})
    session.refresh(line)
    assert theirs.status_code == mine.status_code == 303
    assert line.net == 150 and line.description.splitlines() == ["Advice", "on VAT"]
    again = bea.post(f"{at}/lines/{line.id}", data={**was, **as_drawn, "description": "Advice\non VAT"})
    assert again.status_code == 303, "the same change twice is one change"
    refused = bea.post(f"{at}/lines/{line.id}", data={**was, **as_drawn, "net": "90.00"})
    page = text_of(refused)
    assert refused.status_code == 422 and "Somebody else changed this meanwhile; it is now “150.00”" in page
    assert 'value="90.00"' in page and line.net == 150
    kept = bea.post(f"{at}/lines/{line.id}", data={**drawn_line(page), "net": "90.00", "description": "Advice\non VAT"})
    session.refresh(line)
    assert kept.status_code == 303 and line.net == 90


def test_a_refused_change_of_a_draft_comes_back_with_what_was_typed_where_no_script_runs(
    session: Session, cast: Cast, bea: FlaskClient
) -> None:
    entry = make_entry(cast, "2")
    invoice = make_draft(cast)
    line = lines_of(invoice)[0].id
    at = f"/billing/invoices/{invoice.id}"
    asked: dict[str, tuple[dict[str, str], str, str]] = {
        f"lines/{line}": ({"description": "Advice on VAT", "net": "abc"}, f"net-{line}", "not an amount"),
        f"lines/{line}?": ({"description": "", "net": "150.00"}, f"description-{line}", "Say what the line is for"),
        "lines": ({"description": "Filing fee", "net": "-5"}, "net-new", "cannot be below zero"),
        "adjustment": ({"total": "much", "spread": "chosen", "item": str(entry.id)}, "total-total", "not an amount"),
    }
    for address, (typed, field, said) in asked.items():
        answer = bea.post(f"{at}/{address}", data=typed)
        page = text_of(answer)
        assert answer.status_code == 422 and "Draft for Acme Ltd" in page, address
        beside = re.search(f'id="{field}-error">(.*?)</span></span>', page, re.S)
        assert beside and said in beside[1], address
        assert f'href="#{field}"' in page and f'aria-describedby="{field}-error' in page, address
        assert all(text in page for text in typed.values()), address
    assert f'value="{entry.id}" form="change-total" checked' in page
    again = text_of(bea.get(at))
    assert "200.00" in again and "Filing fee" not in again and "Advice on VAT" not in again


def test_new_time_is_offered_to_a_draft_and_joins_when_asked(session: Session, cast: Cast, bea: FlaskClient) -> None:
    make_entry(cast, "1")
    invoice = make_draft(cast)
    make_entry(cast, "3")
    at = f"/billing/invoices/{invoice.id}"
    assert "1 new entry since this draft was made" in text_of(bea.get(at))
    bea.post(f"{at}/new-items")
    session.refresh(invoice)
    assert invoice.net == 400
    assert "new entry" not in text_of(bea.get(at))


def test_selected_entries_are_held_released_written_off_and_transferred(
    session: Session, cast: Cast, bea: FlaskClient
) -> None:
    from tests.make import make_engagement

    entry, other = make_entry(cast, "1"), make_engagement(cast.acme, cast.entity, "Tax")
    picked = {"item": str(entry.id), "back": f"/billing/wip/clients/{cast.acme.id}"}
    refused = bea.post("/billing/wip/hold", data=picked)
    assert refused.status_code == 422 and "Say why" in text_of(refused)
    held = bea.post("/billing/wip/hold", data={**picked, "hold-reason": "Dispute"})
    assert (held.status_code, held.location) == (303, picked["back"])
    session.refresh(entry)
    assert (entry.state, entry.hold_reason) == (ItemState.HELD, "Dispute")
    bea.post("/billing/wip/release", data=picked)
    bea.post("/billing/wip/write-off", data={**picked, "write-off-reason": "Training", "write-off-percent": "25 %"})
    bea.post("/billing/wip/transfer", data={**picked, "transfer-reason": "Wrong matter", "engagement": str(other.id)})
    session.refresh(entry)
    assert (entry.open_value, entry.engagement_id) == (75, other.id)
    assert bea.post("/billing/wip/hold", data={"hold-reason": "x"}).status_code == 422


def test_a_bill_goes_to_the_client_once_per_press_and_is_credited_with_its_reason(
    session: Session, cast: Cast, bea: FlaskClient
) -> None:
    from app.delivery.models import Delivery
    from tests.make import count

    make_entry(cast)
    invoice = approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
    at, press = f"/billing/invoices/{invoice.id}", {"send_id": str(new_id())}
    for _ in range(2):
        assert bea.post(f"{at}/sending", data=press).status_code == 303
    assert count(Delivery) == 1
    assert bea.post(f"{at}/sending", data={"send_id": str(new_id())}).status_code == 303
    assert count(Delivery) == 2
    assert bea.post(f"{at}/credit", data={"id": str(new_id())}).status_code == 422
    note = bea.post(f"{at}/credit", data={"id": str(new_id()), "reason": "Wrong client"})
    assert "Wrong client" in text_of(bea.get(note.location))
    session.refresh(invoice)
    assert invoice.state is InvoiceState.VOID


def test_approving_and_sending_needs_somebody_to_send_to(session: Session, cast: Cast, bea: FlaskClient) -> None:
    make_entry(cast)
    invoice = make_draft(cast)
    session.execute(sa.delete(ClientContact).where(ClientContact.client_id == cast.acme.id))
    answer = bea.post(f"/billing/invoices/{invoice.id}/approval", data={"send": "1"})
    assert answer.status_code == 422 and "no contact with an e-mail address" in text_of(answer)
    session.refresh(invoice)
    assert invoice.number is None


def test_a_refused_approval_keeps_the_date_and_the_reason_that_were_typed(
    session: Session, cast: Cast, bea: FlaskClient
) -> None:
    make_entry(cast)
    at = f"/billing/invoices/{make_draft(cast).id}"
    bea.post(f"{at}/adjustment", data={"total": "-10 %", "spread": "pro_rata", "rest": "write_off"})
    day = (clock.today() - dt.timedelta(days=1)).isoformat()
    for then in ("", "next"):
        answer = bea.post(
            f"{at}/approval", data={"issued_on": day, "reason": "", "then": then}, headers={"HX-Request": "true"}
        )
        page = text_of(answer)
        assert answer.status_code == 422 and "Say why" in page[page.index('name="reason"'):], then
        assert then or ("data-opened" in page and f'value="{day}"' in page[page.index('id="approve"'):])
    late = (clock.today() + dt.timedelta(days=400)).isoformat()
    answer = bea.post(f"{at}/approval", data={"issued_on": late, "reason": "As agreed"}, headers={"HX-Request": "true"})
    dialog = text_of(answer)[text_of(answer).index('id="approve"'):]
    assert answer.status_code == 422 and 'id="issued_on-error"' in dialog and f'value="{late}"' in dialog
    assert 'value="As agreed"' in dialog


def test_a_sitting_goes_through_every_draft(session: Session, cast: Cast, bea: FlaskClient) -> None:
    for engagement in (cast.acme_work, cast.rival_work):
        make_entry(cast, engagement=engagement)
        make_draft(cast, engagement)
    seen = []
    for _ in range(2):
        invoice_id = text_of(bea.get("/billing/sitting")).split("/billing/invoices/")[1][:36]
        seen.append(invoice_id)
        answer = bea.post(f"/billing/invoices/{invoice_id}/approval", data={"then": "next"})
        assert answer.location == "/billing/sitting"
    assert len(set(seen)) == 2 and "That was the last one" in text_of(bea.get("/billing/sitting"))


def test_a_payment_is_spread_as_written_and_its_credit_used_later(
    session: Session, cast: Cast, bea: FlaskClient
) -> None:
    bills = []
    for _ in range(2):
        make_entry(cast)
        bills.append(approve_invoice(make_draft(cast), by=cast.actor(cast.bea)))
    pay = {
        "id": str(new_id()),
        "client": str(cast.acme.id),
        "currency": "GBP",
        "amount": "150",
        "entity_id": str(cast.entity.id),
        "received_on": clock.today().isoformat(),
        "method": "transfer",
        "spread": "parts",
        f"part-{bills[1].id}": "130",
    }
    over = bea.post("/billing/payments", data=pay)
    assert over.status_code == 422 and "has only 120.00 GBP open" in text_of(over) and 'value="150"' in text_of(over)
    at = bea.post("/billing/payments", data=pay | {f"part-{bills[1].id}": "120"}).location
    assert "30.00" in text_of(bea.get(at))
    bea.post(f"{at}/allocation", data={"auto": "1"})
    for bill in bills:
        session.refresh(bill)
    assert [bill.open_amount for bill in bills] == [90, 0]
    bea.post(f"{at}/reversal", data={"reason": "Bounced"})
    for bill in bills:
        session.refresh(bill)
    assert [bill.open_amount for bill in bills] == [120, 120]
    assert only(session, Payment).reversed_at is not None


PAGES = (
    "/billing",
    "/billing/wip/finished",
    "/billing/drafts",
    "/billing/invoices",
    "/billing/payments",
    "/billing/payments/new",
    "/billing/receivables",
    "/billing/runs/new",
    "/billing/sitting",
    "/billing/wip/clients/{client}",
    "/billing/clients/{client}/draft",
    "/billing/clients/{client}/statement",
    "/clients/{client}/wip",
    "/clients/{client}/invoices",
    "/clients/{client}/balance",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_of_billing_opens_empty_for_billing_and_not_for_staff(
    path: str, cast: Cast, client: FlaskClient
) -> None:
    path = path.format(client=cast.acme.id)
    assert sign_in(client, cast.bea).get(path).status_code == 200
    assert sign_in(client.application.test_client(), cast.sam).get(path).status_code in (403, 404)


def test_an_unknown_or_walled_bill_is_not_found_alike(session: Session, cast: Cast, client: FlaskClient) -> None:
    from app.clients.models import Wall
    from app.core.clock import now
    from tests.make import keep

    make_rate("100")
    make_entry(cast, engagement=cast.rival_work)
    invoice = approve_invoice(make_draft(cast, cast.rival_work), by=cast.actor(cast.bea))
    facts = PaymentFacts(
        client_id=cast.rival.id, entity_id=cast.entity.id, received_on=clock.today(), amount=Decimal(5), currency="GBP"
    )
    payment = record_payment(new_id(), facts, by=cast.actor(cast.bea))
    keep(Wall(person_id=cast.bea.id, client_id=cast.rival.id, reason="Family", created_at=now()))
    bea = sign_in(client, cast.bea)
    for path in (
        f"/billing/invoices/{invoice.id}",
        f"/billing/invoices/{uuid4()}",
        f"/billing/payments/{payment.id}",
        f"/billing/invoices/{invoice.id}/pdf",
        f"/billing/clients/{cast.rival.id}/statement",
        f"/billing/wip/clients/{cast.rival.id}",
    ):
        assert bea.get(path).status_code == 404, path
    for path in (
        f"/billing/invoices/{invoice.id}/credit",
        f"/billing/invoices/{invoice.id}/sending",
        f"/billing/payments/{payment.id}/reversal",
    ):
        assert bea.post(path, data={"reason": "x"}).status_code == 404, path
    for path in ("/billing", "/billing/invoices", "/billing/payments", "/billing/receivables", "/billing/runs/new"):
        assert "Rival" not in text_of(bea.get(path)), path


def test_lists_ask_the_database_the_same_few_times_whatever_they_hold(
    session: Session, cast: Cast, bea: FlaskClient, max_queries: Any
) -> None:
    from tests.make import make_client, make_engagement

    for n in range(6):
        engagement = make_engagement(make_client(f"Client {n}", cast.office), cast.entity)
        for _ in range(3):
            make_entry(cast, engagement=engagement)
        if n % 2:
            invoice = approve_invoice(make_draft(cast, engagement), by=cast.actor(cast.bea))
            facts = PaymentFacts(
                client_id=invoice.client_id,
                entity_id=cast.entity.id,
                received_on=clock.today(),
                amount=Decimal(10),
                currency="GBP",
            )
            record_payment(new_id(), facts, by=cast.actor(cast.bea))
            make_entry(cast, engagement=engagement)
    draft = make_draft(cast, engagement)
    db.session.expire_all()
    limits = {
        "/billing": 11,
        "/billing/invoices": 9,
        "/billing/drafts": 9,
        "/billing/payments": 9,
        "/billing/receivables": 11,
        "/billing/runs/new": 9,
        f"/billing/invoices/{draft.id}": 16,
    }
    for path, most in limits.items():
        with max_queries(most):
            assert bea.get(path).status_code == 200, path


def test_a_past_day_is_answered_from_the_postings(session: Session, cast: Cast, bea: FlaskClient) -> None:
    before = clock.today() - dt.timedelta(days=40)
    with clock.travel_to(clock.now() - dt.timedelta(days=39)):
        make_entry(cast, "5", on=before)
    make_entry(cast, "1")
    page = text_of(bea.get(f"/billing?on={clock.today() - dt.timedelta(days=20)}"))
    assert "500.00" in page and "600.00" not in page
    assert "600.00" in text_of(bea.get("/billing"))


def test_months_close_and_rates_are_added_by_a_partner_only(session: Session, cast: Cast, client: FlaskClient) -> None:
    pat = sign_in(client, cast.pat)
    month = (clock.today().replace(day=1) - dt.timedelta(days=1)).strftime("%Y-%m")
    with clock.travel_to(clock.now() - dt.timedelta(days=45)):
        make_rate("100")
        make_entry(cast)
    assert "Ties out" in text_of(
        pat.get(f"/settings/books/{(clock.today() - dt.timedelta(days=48)).strftime('%Y-%m')}")
    )
    assert pat.post(f"/settings/books/{month}/closure").status_code == 303
    assert "Closed" in text_of(pat.get("/settings/books"))
    assert pat.get("/settings/books/nonsense").status_code == 404
    rate = {"id": str(new_id()), "currency": "EUR", "base": "GBP", "rate": "0.85", "from_on": "2020-01-01"}
    assert pat.post("/settings/exchange-rates", data=rate).status_code == 303
    assert pat.post("/settings/exchange-rates", data=rate | {"id": str(new_id())}).status_code == 422
    assert pat.post("/settings/exchange-rates", data=rate | {"id": str(new_id()), "rate": "much"}).status_code == 422
    assert sign_in(client.application.test_client(), cast.bea).get("/settings/books").status_code == 403


def test_a_bill_run_leaves_out_what_is_not_ticked_and_is_started_once(
    session: Session, cast: Cast, bea: FlaskClient
) -> None:
    from app.runs.models import Run, RunItem

    for engagement in (cast.acme_work, cast.rival_work):
        make_entry(cast, engagement=engagement)
    keys = [f"{client.id}:{cast.entity.id}:GBP" for client in (cast.acme, cast.rival)]
    page = text_of(bea.get("/billing/runs/new"))
    assert all(key in page for key in keys)
    form = {
        "id": str(new_id()),
        "until": clock.today().isoformat(),
        "grouping": "entry",
        "shown": keys,
        "client": keys[:1],
    }
    first, second = (bea.post("/billing/runs", data=form) for _ in range(2))
    assert (first.status_code, first.location) == (303, second.location)
    assert [item.label for item in session.scalars(sa.select(RunItem))] == ["Acme Ltd"]
    assert only(session, Run).options["grouping"] == "entry"
    nobody = bea.post("/billing/runs", data=form | {"id": str(new_id()), "client": []})
    assert nobody.status_code == 422 and "No client is left" in text_of(nobody)
    narrowed = text_of(bea.get("/billing/runs/new?q=riv"))
    assert "Rival plc" in narrowed and "Acme" not in narrowed


def test_the_entries_behind_a_line_are_fetched_when_asked_for(session: Session, cast: Cast, bea: FlaskClient) -> None:
    make_entry(cast, narrative="Called the bank")
    invoice = make_draft(cast)
    session.refresh(invoice, ["lines"])
    at = f"/billing/invoices/{invoice.id}"
    assert "Called the bank" not in text_of(bea.get(at))
    assert "Called the bank" in text_of(bea.get(f"{at}?open={invoice.lines[0].id}"))
    assert "Called the bank" in text_of(bea.get(f"{at}/lines/{invoice.lines[0].id}/entries"))


def test_every_page_of_billing_offers_what_can_be_done_there(cast: Cast, client: FlaskClient) -> None:
    make_rate("100")
    make_entry(cast)
    sign_in(client, cast.pat)
    pages = {
        "/billing": ("Bill run", "/billing/wip.csv"),
        "/billing/invoices": ("/billing/invoices.csv",),
        "/billing/payments": ("/billing/payments/new", "/billing/payments.csv"),
        "/billing/receivables": ("/billing/payments/new", "/billing/receivables.csv"),
    }
    for address, offered in pages.items():
        page = client.get(address).text
        assert [words for words in offered if words not in page] == [], address
    entries = client.get(f"/billing/wip/clients/{cast.acme.id}").text
    assert 'name="write-off-percent"' in entries and 'name="write-on-percent"' in entries
    assert 'name="engagement"' in entries and 'name="transfer-reason"' in entries


def test_the_difference_falls_on_entries_ticked_on_the_screen(cast: Cast, client: FlaskClient) -> None:
    make_rate("100")
    entry, _other = make_entry(cast), make_entry(cast)
    invoice = make_draft(cast)
    sign_in(client, cast.bea)
    line = lines_of(invoice)[0].id
    at = f"/billing/invoices/{invoice.id}"
    assert f'value="{entry.id}" form="change-total"' in client.get(f"{at}/lines/{line}/entries").text
    asked = {"total": "-10 %", "spread": "chosen", "item": str(entry.id)}
    assert "180.00" in client.get(f"{at}/adjustment", query_string=asked).text
    client.post(f"{at}/adjustment", data={**asked, "version": invoice.version})
    entries = client.get(f"{at}/lines/{line}/entries").text
    assert "<strong>80.00</strong>" in entries and entries.count("<strong>") == 1


@pytest.fixture
def pats_client(session: Session, cast: Cast, bea: FlaskClient) -> None:
    """A client of Pat's with something unbilled."""
    make_entry(cast, "2")
    cast.acme.partner_id = cast.pat.id
    session.flush()


@pytest.mark.usefixtures("pats_client")
def test_a_name_typed_into_a_filter_narrows_it_where_no_script_runs(cast: Cast, bea: FlaskClient) -> None:
    assert "Acme Ltd" in text_of(bea.get(f"/billing?partner=&partner_text={cast.pat.name.upper()}"))
    narrowed = text_of(bea.get(f"/billing?partner=&partner_text={cast.mel.name}"))
    assert "Acme Ltd" not in narrowed and "Nothing unbilled there" in narrowed
    assert f'value="{cast.mel.name}"' in narrowed


@pytest.mark.parametrize(
    ("address", "field"),
    [("/billing", "partner"), ("/billing", "person"), ("/billing/runs/new", "manager"), ("/board", "owner")],
)
def test_a_name_that_is_nobodys_stays_in_the_filter_and_is_said_so_beside_it(
    cast: Cast, bea: FlaskClient, address: str, field: str
) -> None:
    make_entry(cast, "2")
    page = text_of(bea.get(f"{address}?{field}=&{field}_text=Nobody at all"))
    assert f'id="{field}-error"' in page and "No one is called that" in page
    assert f'name="{field}_text" value="Nobody at all"' in page
    assert address == "/board" or "Acme Ltd" in page
    assert "No one is called that" not in text_of(bea.get(f"{address}?{field}=&{field}_text={cast.pat.name}"))


def test_a_name_that_two_share_is_not_taken_for_nobodys(session: Session, cast: Cast, bea: FlaskClient) -> None:
    make_person("Another", Role.STAFF, cast.office).name = cast.pat.name
    session.flush()
    page = text_of(bea.get(f"/billing?partner=&partner_text={cast.pat.name}"))
    assert "Several are called that" in page and f'value="{cast.pat.name}"' in page


@pytest.mark.usefixtures("pats_client")
def test_a_name_typed_over_the_one_shown_counts_where_no_script_empties_the_id(cast: Cast, bea: FlaskClient) -> None:
    shown = f"/billing?partner={cast.pat.id}"
    assert "Acme Ltd" in text_of(bea.get(f"{shown}&partner_text={cast.pat.name}"))
    assert "Acme Ltd" not in text_of(bea.get(f"{shown}&partner_text={cast.mel.name}"))
    assert f'value="{cast.pat.name}"' not in text_of(bea.get(f"{shown}&partner_text="))


@pytest.mark.parametrize("kind", ["csv", "pdf"])
def test_a_statement_is_a_file_whatever_the_clients_code_is(
    session: Session, cast: Cast, bea: FlaskClient, kind: str
) -> None:
    cast.acme.code = 'Å"漢字; x'
    session.flush()
    answer = bea.get(f"/billing/clients/{cast.acme.id}/statement.{kind}")
    said = answer.headers["Content-Disposition"]
    assert answer.status_code == 200 and said.isascii() and said.count('"') == 2
    assert "statement-%C3%85%22%E6%BC%A2%E5%AD%97%3B%20x-" in said
