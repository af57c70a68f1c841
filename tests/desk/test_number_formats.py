"""Each reader types amounts as they write numbers, and in the currency that the form speaks of; no other is taken."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.billing.commands.totals import lines_of
from app.billing.models import Payment
from app.clients.models import Engagement
from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.firm.models import TaxRate
from app.ledger.models import ExchangeRate
from app.timekeeping.models import Expense, Rate
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, keep, make_client, make_engagement, sign_in

GERMAN = "1.234,56"


@pytest.fixture
def pat(client: FlaskClient, cast: Cast) -> FlaskClient:
    return sign_in(client, cast.pat)


@pytest.fixture
def german(client: FlaskClient, cast: Cast) -> FlaskClient:
    cast.pat.number_format = GERMAN
    db.session.flush()
    return sign_in(client, cast.pat)


def error_of(page: str, field: str) -> str:
    found = re.search(rf'id="{field}-error"[^>]*>.*?<span>(.*?)</span></span>', page, re.S)
    return found[1] if found else ""


def in_currency(cast: Cast, currency: str) -> Engagement:
    return make_engagement(make_client(f"{currency} Ltd", cast.office, currency=currency), cast.entity)


def value_of(page: str, name: str) -> str:
    return re.search(rf'<input[^>]*name="{name}"[^>]*?value="([^"]*)"', page)[1]  # type: ignore[index]


def test_a_person_chooses_how_they_write_numbers_and_has_what_is_usual_until_then(
    pat: FlaskClient, cast: Cast, session: Session
) -> None:
    assert "As is usual in United Kingdom: 1,234.56" in pat.get("/account").text
    assert "150.00" in rates_page(pat)
    form = {"name": "Pat", "initials": "PA", "number_format": GERMAN}
    assert pat.post("/account", data=form).status_code == 303
    session.refresh(cast.pat)
    assert cast.pat.number_format == GERMAN and "150,00" in rates_page(pat)
    assert pat.post("/account", data=form | {"number_format": "1_2"}).status_code == 422
    assert pat.post("/account", data=form | {"number_format": ""}).status_code == 303
    cast.entity.country = "CH"
    session.flush()
    assert "As is usual in Switzerland: 1&#39;234.56" in pat.get("/account").text


def rates_page(pat: FlaskClient) -> str:
    if not db.session.query(Rate).count():
        make_rate("150")
    return pat.get("/settings/rates").text


def test_the_database_takes_no_other_format(session: Session, cast: Cast) -> None:
    with pytest.raises(DBAPIError), session.begin_nested():
        session.execute(sa.text("UPDATE person SET number_format = '1-2'"))


@pytest.mark.parametrize(("currency", "typed", "amount"), [
    ("KWD", "0.125", "0.125"), ("kwd", "1.500", "1.5"), ("JPY", "15,000", "15000"), ("GBP", "150.50", "150.5"),
])
def test_an_hourly_rate_is_read_in_its_own_currency(
    pat: FlaskClient, session: Session, currency: str, typed: str, amount: str
) -> None:
    form = {"id": str(new_id()), "amount": typed, "currency": currency, "from_on": "2026-01-01"}
    assert pat.post("/settings/rates", data=form).status_code == 303
    rate = session.scalars(sa.select(Rate)).one()
    assert (rate.amount, rate.currency) == (Decimal(amount), currency.upper())


@pytest.mark.parametrize(("currency", "typed", "said"), [
    ("JPY", "150.50", "JPY has no decimals"), ("KWD", "1,500", "can be read as 1.500 or as 1,500.000"),
    ("GBP", "0,500", "can be read as 0.50 or as 500.00"), ("GBP", "€150", "is not in GBP"),
    ("GBP", "-1", "is below zero"), ("", "150", "It is not said yet in which currency this is."),
])
def test_a_rate_that_its_currency_cannot_have_is_refused_at_its_field_and_stays_as_typed(
    pat: FlaskClient, session: Session, currency: str, typed: str, said: str
) -> None:
    form = {"id": str(new_id()), "amount": typed, "currency": currency, "from_on": "2026-01-01"}
    answer = pat.post("/settings/rates", data=form)
    assert answer.status_code == 422 and said in error_of(answer.text, "amount")
    assert value_of(answer.text, "amount") == typed
    assert session.scalars(sa.select(Rate)).all() == []


def test_an_expense_is_read_in_the_currency_of_the_work_that_is_picked(
    pat: FlaskClient, cast: Cast, session: Session
) -> None:
    for currency in ("JPY", "KWD"):
        keep(ExchangeRate(currency=currency, base="GBP", rate=Decimal("0.5"), from_on=dt.date(2020, 1, 1)))
    yen, dinar = in_currency(cast, "JPY"), in_currency(cast, "KWD")
    form = {"spent_on": clock.today().isoformat(), "narrative": "Court fee", "category": "", "tax": ""}
    bad = pat.post("/expenses", data=form | {"id": str(new_id()), "work": f"engagement:{yen.id}", "net": "50.55"})
    assert bad.status_code == 422 and "JPY has no decimals" in error_of(bad.text, "net")
    good = {"id": str(new_id()), "work": f"engagement:{dinar.id}", "net": "0.125", "mark_up_percent": "12.5 %"}
    assert pat.post("/expenses", data=form | good).status_code == 303
    kept = session.scalars(sa.select(Expense)).one()
    assert (kept.net, kept.currency, kept.mark_up_percent) == (Decimal("0.125"), "KWD", Decimal("12.5"))
    page = pat.get(f"/expenses/{kept.id}").text
    assert (value_of(page, "net"), value_of(page, "mark_up_percent")) == ("0.125", "12.5")
    stranger = pat.post("/expenses", data=form | {"id": str(new_id()), "work": f"engagement:{new_id()}", "net": "1"})
    assert stranger.status_code == 422


def test_what_a_field_shows_is_saved_again_as_what_it_was(german: FlaskClient, cast: Cast, session: Session) -> None:
    make_rate("1234.56")
    make_entry(cast)
    invoice = make_draft(cast)
    line = lines_of(invoice)[0]
    at = f"/billing/invoices/{invoice.id}"
    page = german.get(at).text
    assert value_of(page, "net") == "1.234,56"
    form = {"description": line.description, "tax_code": line.tax_code, "net": value_of(page, "net")}
    assert german.post(f"{at}/lines/{line.id}", data=form).status_code == 303
    session.refresh(line)
    assert line.net == Decimal("1234.56")
    refused = german.post(f"{at}/lines/{line.id}", data=form | {"net": "1,234.56"})
    assert refused.status_code == 422 and "do you mean 1.234,56?" in refused.text and 'value="1,234.56"' in refused.text
    assert german.get(f"{at}/adjustment?total=-12,5 %25").text.count("1.080,24")
    assert "do you mean -12,5?" in german.get(f"{at}/adjustment?total=-12.5 %25").text


def test_a_payment_is_read_in_its_currency_and_so_is_what_goes_to_each_bill(
    german: FlaskClient, cast: Cast, session: Session
) -> None:
    yen = in_currency(cast, "JPY")
    keep(ExchangeRate(currency="JPY", base="GBP", rate=Decimal("0.005"), from_on=dt.date(2020, 1, 1)))
    form = {"client": str(yen.client_id), "entity_id": str(cast.entity.id), "currency": "JPY", "method": "transfer",
            "received_on": clock.today().isoformat(), "spread": "auto"}  # fmt: skip
    bad = german.post("/billing/payments", data=form | {"id": str(new_id()), "amount": "50,55"})
    assert bad.status_code == 422 and "JPY has no decimals" in error_of(bad.text, "amount")
    assert german.post("/billing/payments", data=form | {"id": str(new_id()), "amount": "1.500"}).status_code == 303
    assert session.scalars(sa.select(Payment.amount)).all() == [1500]


def test_percentages_and_exchange_rates_are_read_so_too(german: FlaskClient, cast: Cast, session: Session) -> None:
    tax = {"id": str(new_id()), "code": "R5", "name": "Reduced", "treatment": "standard"}
    assert "do you mean 5,5?" in error_of(german.post("/settings/tax-rates/new", data=tax | {"percent": "5.5"}).text,
                                          "percent")  # fmt: skip
    assert german.post("/settings/tax-rates/new", data=tax | {"percent": "1e1"}).status_code == 422
    assert german.post("/settings/tax-rates/new", data=tax | {"percent": "5,5 %"}).status_code == 303
    assert session.scalars(sa.select(TaxRate.percent).where(TaxRate.code == "R5")).one() == Decimal("5.5")
    rate = {"id": str(new_id()), "currency": "EUR", "base": "GBP", "from_on": "2026-01-01"}
    two_ways = german.post("/settings/exchange-rates", data=rate | {"rate": "0.851"})
    assert "can be read as 0,851 or as 851" in error_of(two_ways.text, "rate")
    assert german.post("/settings/exchange-rates", data=rate | {"rate": "0,8512"}).status_code == 303
    assert session.scalars(sa.select(ExchangeRate.rate)).one() == Decimal("0.8512")
    missing = german.post("/billing/wip/write-off", data={"item": str(new_id()), "write-off-reason": "Why"})
    assert missing.status_code == 422 and "Say how much of it" in missing.text
