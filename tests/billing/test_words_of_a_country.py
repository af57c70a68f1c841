"""A firm reads its own country's words: of a tax on sales in the United States, and of dates, cheques and advances."""

from __future__ import annotations

import datetime as dt
import io
import re

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy.orm import Session

from app.billing.background import ensure_pdf
from app.billing.commands.statements import send_statement
from app.billing.models import Invoice
from app.billing.queries.statements import statement_of
from app.billing.statement_pdf import statement_pdf
from app.core import clock
from app.core.ids import new_id
from app.core.wording import day, full_day
from app.delivery.models import Delivery
from app.firm.forms import treatments_of
from app.firm.models import Entity, Office, TaxCode, TaxRate, TaxTreatment
from app.firm.words import english, words_of
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.journeys.world import make_world
from tests.make import Cast, sign_in
from tests.portal.make_portal import at_portal
from tests.test_architecture import rules

FOREIGN = re.compile(r"\bVAT\b|outside the scope|\bcheques?\b|\bdisbursements?\b", re.IGNORECASE)
# A British deadline that somebody of the firm has put on a service, by its name and code.
NAMED = re.compile("VAT return and payment|UK-VAT")
MONTHS = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
DAY_FIRST, MONTH_FIRST = re.compile(rf"\b\d{{1,2}} {MONTHS}\b"), re.compile(rf"\b{MONTHS} \d{{1,2}}\b")
PLACEHOLDER = re.compile(r' (?:placeholder|aria-label|title|data-label)="([^"]*)"')
# Ready services and the law's dates are those of every country.
OF_EVERY_COUNTRY = ("/services", "/templates", "/deadlines", "/statutes", "/lookup", "/imports", "/setup")


@pytest.fixture
def american(session: Session, cast: Cast) -> Cast:
    session.execute(sa.update(Entity).values(country="US", tax_number="123456789"))
    session.execute(sa.update(Office).values(zone="America/New_York", calendar="US-FED"))
    for table in (TaxCode, TaxRate):
        if "name" in table.__table__.columns:
            session.execute(sa.update(table).values(name="Sales tax 8%"))
    session.flush()
    session.expire_all()
    return cast


@pytest.mark.slow
def test_no_page_or_paper_of_an_american_firm_speaks_of_vat(
    app: Flask, client: FlaskClient, american: Cast, session: Session
) -> None:
    world = make_world(american)
    session.commit()
    sign_in(client, american.pat)
    read, foreign = 0, []
    for rule in rules(app):
        address = world.fill(rule) if "GET" in rule.methods else None
        if address is None or address.startswith(OF_EVERY_COUNTRY) or rule.rule.startswith(("/portal", "/dev")):
            continue
        answer = client.get(address)
        if answer.status_code != 200 or answer.mimetype not in ("text/html", "text/csv"):
            continue
        read += 1
        said = re.sub(r"<[^>]*>|\s+", " ", PLACEHOLDER.sub(r">\1<", answer.text))
        if found := FOREIGN.search(said := NAMED.sub("", said)):
            foreign.append(f"{address}: {said[max(0, found.start() - 60):found.end() + 60]!r}")
    assert read > 60 and not foreign, "\n".join(foreign)
    for bill in session.scalars(sa.select(Invoice).where(Invoice.number.is_not(None))):
        text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(ensure_pdf(bill))).pages)
        assert "Sales tax" in text and not FOREIGN.search(text)


@pytest.mark.slow
def test_the_clients_of_an_american_firm_read_its_words_and_dates(
    app: Flask, client: FlaskClient, american: Cast, session: Session
) -> None:
    world = make_world(american)
    bea, today = american.actor(american.bea), clock.today()
    account = statement_of(american.acme.id, "GBP", today - dt.timedelta(days=90), today, seen_by=bea)
    paper = statement_pdf(account, american.acme, american.firm)
    send_statement(american.acme, account, paper, send_id=new_id(), by=bea)
    session.commit()
    world.ids["invoice_id"] = world.ids["issued_invoice_id"]
    texts = {"the statement": " ".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages)}
    for mail in session.scalars(sa.select(Delivery)):
        texts[f"mail {mail.kind}"] = f"{mail.subject} {mail.text}"
    door = at_portal(client, american.cleo)
    for rule in rules(app):
        address = world.fill(rule) if "GET" in rule.methods and rule.rule.startswith("/portal") else None
        answer = door.get(address) if address else None
        if answer is not None and answer.status_code == 200 and answer.mimetype == "text/html":
            texts[rule.rule] = re.sub(r"<[^>]*>|\s+", " ", PLACEHOLDER.sub(r">\1<", answer.text))
    assert {"mail statement", "mail requests.request", "/portal/", "/portal/invoices/<uuid:invoice_id>"} <= set(texts)
    for where, text in texts.items():
        assert not FOREIGN.search(text) and not DAY_FIRST.search(text), (where, text)
    dated = [where for where, text in texts.items() if MONTH_FIRST.search(text)]
    assert {"the statement", "mail statement", "/portal/invoices/<uuid:invoice_id>"} <= set(dated)


def test_a_draft_describes_its_time_with_the_dates_of_the_country_that_bills(session: Session, cast: Cast) -> None:
    make_rate("100")
    for country, said in (("US", "October 1, 2026 to October 3, 2026"), ("GB", "1 October 2026 to 3 October 2026")):
        cast.entity.country = country
        for number in (1, 3):
            make_entry(cast, on=dt.date(2026, 10, number))
        draft = make_draft(cast)
        session.refresh(draft, ["lines"])
        assert draft.lines[0].description == f"General advice: professional services, {said}"


def test_dates_on_the_pages_are_ordered_as_where_the_reader_sits(
    client: FlaskClient, american: Cast, session: Session
) -> None:
    make_rate("100")
    make_entry(american, on=dt.date(2026, 10, 1))
    session.commit()
    page = sign_in(client, american.bea).get(f"/billing/wip/clients/{american.acme.id}").text
    assert "Thu, Oct 1" in page and "Thu 1 Oct" not in page


def test_words_outside_of_a_request_are_british(app: Flask) -> None:
    with app.app_context():
        assert full_day(dt.date(2025, 12, 12)) == "12 December 2025"
        assert day(dt.date(2025, 12, 12), dt.date(2025, 6, 1)) == "Fri 12 Dec"


def test_each_country_has_its_words_in_one_place() -> None:
    american, british, german = words_of("US"), words_of("GB"), words_of("DE")
    assert (american.tax_head, british.tax_head, german.tax_head) == ("Sales tax", "VAT", "USt")
    assert (american.disbursement, american.cheque, american.outside) == ("Cost advanced", "Check", "Not taxed")
    assert (british.disbursement, british.cheque) == ("Disbursement", "Cheque")
    assert british.taxed(TaxTreatment.OUTSIDE) == "Outside the scope of the tax"
    assert TaxTreatment.REVERSE_CHARGE in treatments_of("GB")
    assert set(treatments_of("US")) == {TaxTreatment.STANDARD, TaxTreatment.EXEMPT, TaxTreatment.OUTSIDE}
    assert (str(english("US")), str(english("DE"))) == ("en_US", "en_GB")
