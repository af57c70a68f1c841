"""What a client reads without anybody explaining it: whose, for which period, by when, how much."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from app.billing.models import Invoice, InvoiceState
from app.core.clock import now, today
from app.core.db import db
from app.core.wording import dated, exact
from app.requests.commands.answering import save_answer, submit_answers
from app.requests.commands.reviewing import accept_all
from tests.jobs.make_jobs import make_job
from tests.make import keep
from tests.portal.make_portal import at_portal
from tests.requests.make_requests import TURNOVER, fresh, give_file, item_of, link_in, mails, make_request


def test_a_requests_mail_names_the_client_and_the_period(cast: Any) -> None:
    job = make_job(cast.acme_work, "VAT return", period_name="Q3 2025")
    make_request(cast, job_id=job.id)
    (mail,) = mails("requests.request")
    assert f"({cast.acme.name}, Q3 2025)" in mail.text and f"({cast.acme.name}, Q3 2025)" in mail.html


def test_a_late_request_is_marked_and_its_day_has_a_year(client: FlaskClient, cast: Any) -> None:
    day = today() - dt.timedelta(days=3)
    request = make_request(cast, due_on=day)
    browser = at_portal(client, cast.cleo)
    home = browser.get("/portal/").text
    row = home[home.index('class="ask late"'):]
    assert "was due" in row and exact(day) in row and str(day.year) in exact(day)
    page = browser.get(f"/portal/requests/{request.id}").text
    assert exact(day) in page[page.index("was due"):] and "please by" not in page


def test_what_is_finished_is_not_said_to_be_late(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast, due_on=today() - dt.timedelta(days=3), items=(TURNOVER,))
    save_answer(item_of(request, "turnover"), ["10"], by=cast.contact(cast.cleo))
    submit_answers(fresh(request), by=cast.contact(cast.cleo))
    accept_all(fresh(request), by=cast.actor(cast.mel))
    page = at_portal(client, cast.cleo).get("/portal/requests/").text
    assert request.name in page and "finished" in page and "was due" not in page


def test_requests_of_one_name_are_told_apart_by_their_period(client: FlaskClient, cast: Any) -> None:
    made = [
        make_request(cast, name="Your papers", job_id=make_job(cast.acme_work, month, period_name=month).id)
        for month in ("August 2026", "September 2026")
    ]
    browser = at_portal(client, cast.cleo)
    for path in ("", "requests/"):
        page = browser.get(f"/portal/{path}").text
        assert "August 2026" in page and "September 2026" in page, path
    assert "August 2026" in browser.get(f"/portal/requests/{made[0].id}").text


def test_a_requests_link_says_what_is_wanted_of_whom_and_by_when_before_it_is_pressed(
    client: FlaskClient, cast: Any
) -> None:
    day = today() + dt.timedelta(days=4)
    job = make_job(cast.acme_work, "VAT return", period_name="Q3 2025")
    request = make_request(cast, due_on=day, job_id=job.id)
    page = client.get(link_in(mails("requests.request")[0])).text
    assert request.name in page and f"({cast.acme.name}, Q3 2025)" in page and dated(day) in page


def test_by_a_requests_link_the_period_is_read_and_the_way_to_everything_else_is_found(
    client: FlaskClient, cast: Any
) -> None:
    job = make_job(cast.acme_work, "VAT return", period_name="Q3 2025")
    request = make_request(cast, job_id=job.id)
    browser = at_portal(client, cast.cleo, request)
    page = browser.get(f"/portal/requests/{request.id}").text
    assert "Q3 2025" in page and "Documents and invoices" in page
    way = re.search(r'href="([^"]+)"[^>]*>Documents and invoices', page)
    there = browser.get(way[1] if way else "")
    assert there.status_code == 403 and "Send me the link" in there.text and 'aria-current="page"' in there.text
    assert "Back to the request" in browser.get("/portal/sign-in/sent").text
    assert at_portal(client, cast.cleo).get(way[1] if way else "").location == "/portal/"
    assert "Back to the request" not in client.get("/portal/sign-in/sent").text


def test_what_was_done_is_said_on_the_page_and_nothing_lies_over_its_buttons(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    item = item_of(request, "turnover")
    browser = at_portal(client, cast.cleo, request)
    sent = browser.post(f"/portal/requests/{request.id}/submission", data={"here": item.id, f"value-{item.id}": "10"})
    page = browser.get(sent.location).text
    main = page[page.index("<main"):page.index("</main>")]
    assert '<div role="status">' in main and "1 sent" in main
    assert '<div id="toasts" role="region" aria-live="polite" aria-label="Messages"></div>' in page
    missing = main[main.index("Still missing:</p>"):]
    assert f'href="#item-{item_of(request, "statements").id}"' in missing
    assert f'href="#item-{item.id}"' not in main


def test_what_was_refused_is_listed_at_the_top_with_the_way_to_it(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    item, other = item_of(request, "turnover"), item_of(request, "notes")
    answer = at_portal(client, cast.cleo, request).post(
        f"/portal/requests/{request.id}/submission",
        data={"here": [item.id, other.id], f"value-{item.id}": "about ten", f"value-{other.id}": "None."},
    )
    top = answer.text[:answer.text.index('id="items"')]
    assert answer.status_code == 422 and f'href="#item-{item.id}"' in top and f'href="#item-{other.id}"' not in top


def test_every_day_that_the_portal_shows_has_its_year(client: FlaskClient, cast: Any) -> None:
    late = {"entity_id": cast.entity.id, "client_id": cast.acme.id, "payer_id": cast.acme.id, "currency": "GBP",
            "issued_on": today() - dt.timedelta(days=40), "due_on": today() - dt.timedelta(days=10)}
    bill = keep(Invoice(state=InvoiceState.APPROVED, number="INV-7", net=Decimal(100), tax=Decimal(20),
                        gross=Decimal(120), open_amount=Decimal(120), **late))
    db.session.execute(sa.text("UPDATE invoice SET state = 'sent', sent_at = now()"))
    request = make_request(cast, due_on=today() + dt.timedelta(days=3))
    give_file(item_of(request, "statements"), "a.csv", b"a,b\n1,2\n", by=cast.contact(cast.cleo))
    make_job(cast.acme_work, "Books", status="completed", completed_at=now())
    browser = at_portal(client, cast.cleo)
    for path in ("", "requests/", f"requests/{request.id}", "documents/", "work/", "invoices/", f"invoices/{bill.id}"):
        page = browser.get(f"/portal/{path}")
        days = re.findall(r"<time [^>]*>([^<]*)</time>", page.text)
        assert page.status_code == 200 and all(re.search(r"\b20\d\d\b", day) for day in days), (path, days)
        assert days or path.startswith("requests/"), path
    row = browser.get("/portal/invoices/").text
    assert '<span class="toned late">was due' in row[row.index('class="ask late"'):]


def test_home_says_how_much_is_owed_in_all(client: FlaskClient, cast: Any) -> None:
    for number in (1, 2):
        keep(Invoice(
            state=InvoiceState.APPROVED, number=f"INV-{number}", entity_id=cast.entity.id, client_id=cast.acme.id,
            payer_id=cast.acme.id, currency="GBP", issued_on=today(), due_on=today(), net=Decimal(100),
            tax=Decimal(20), gross=Decimal(120), open_amount=Decimal(120),
        ))
    db.session.execute(sa.text("UPDATE invoice SET state = 'sent', sent_at = now()"))
    page = at_portal(client, cast.cleo).get("/portal/").text
    assert "240.00" in page[page.index("To pay"):page.index("INV-1")]


def test_invoices_say_what_is_to_pay_in_all_and_how_much_of_it_is_late(client: FlaskClient, cast: Any) -> None:
    for number, days in ((1, -3), (2, 3)):
        keep(Invoice(
            state=InvoiceState.APPROVED, number=f"INV-{number}", entity_id=cast.entity.id, client_id=cast.acme.id,
            payer_id=cast.acme.id, currency="GBP", issued_on=today() - dt.timedelta(days=7 - days),
            due_on=today() + dt.timedelta(days=days),
            net=Decimal(100), tax=Decimal(20), gross=Decimal(120), open_amount=Decimal(120),
        ))
    db.session.execute(sa.text("UPDATE invoice SET state = 'sent', sent_at = now()"))
    cast.entity.iban = "GB33BUKB20201555555555"
    browser = at_portal(client, cast.cleo)
    page = browser.get("/portal/invoices/").text
    top = page[page.index("To pay"):page.index("INV-")]
    assert "£240.00" in top and "£120.00" in top[top.index("due already"):]
    open_bill, late_bill = (browser.get(to).text for to in re.findall(r'href="(/portal/invoices/[0-9a-f-]{36})"', page))
    assert "£120.00 to pay by" in open_bill and "£120.00 to pay. This was due on" in late_bill
    assert "GB33 BUKB 2020 1555 5555 55" in open_bill


def test_what_is_sent_stays_where_it_was_and_the_count_adds_up(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    cleo = cast.contact(cast.cleo)
    save_answer(item_of(request, "turnover"), ["10"], by=cleo)
    submit_answers(request, by=cleo)
    page = at_portal(client, cast.cleo, request).get(f"/portal/requests/{request.id}").text
    assert page.index("Bank statements October") < page.index("Turnover") < page.index("Anything we should know?")
    assert "1 of 3 answered · 1 still missing · 1 if you have it" in page
