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
from app.core.wording import exact
from app.requests.commands.answering import save_answer, submit_answers
from tests.jobs.make_jobs import make_job
from tests.make import keep
from tests.portal.make_portal import at_portal
from tests.requests.make_requests import give_file, item_of, mails, make_request


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
    assert exact(day) in browser.get(f"/portal/requests/{request.id}").text


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


def test_what_is_sent_stays_where_it_was_and_the_count_adds_up(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    cleo = cast.contact(cast.cleo)
    save_answer(item_of(request, "turnover"), ["10"], by=cleo)
    submit_answers(request, by=cleo)
    page = at_portal(client, cast.cleo, request).get(f"/portal/requests/{request.id}").text
    assert page.index("Bank statements October") < page.index("Turnover") < page.index("Anything we should know?")
    assert "1 of 3 answered · 1 still missing · 1 if you have it" in page
