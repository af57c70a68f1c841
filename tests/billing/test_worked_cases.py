"""Small cases whose right figures were worked out by hand; the working stands beside each."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from app.billing.amounts import Spread
from app.billing.commands.adjust import adjust_total
from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import DraftTerms, LineChange, change_line, change_terms
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.totals import lines_of
from app.billing.commands.wip import write_off_items, write_on_items
from app.billing.models import Invoice, InvoiceItem, Payment, Rest, TaxMode
from app.clients.models import ArrangementKind, Engagement
from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.firm.models import TaxRate, TaxTreatment
from app.ledger.models import ExchangeRate
from app.timekeeping.commands.expenses import ExpenseFacts, record_expense
from app.timekeeping.models import TimeEntry
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, keep, make_engagement, make_tax

D = Decimal
FIXED = ArrangementKind.FIXED


def ago(days: int) -> dt.date:
    return clock.today() - dt.timedelta(days=days)


def worth(cast: Cast, rate: str, currency: str = "GBP", *, tax: str | None = None, **values: Any) -> Engagement:
    """An engagement whose hours cost so much; a unit of another currency is worth a pound unless told."""
    make_rate(rate, currency=currency)
    if currency != "GBP":
        keep(ExchangeRate(currency=currency, base="GBP", from_on=ago(300), rate=D(values.pop("exchange", "1"))))
    return make_engagement(cast.acme, cast.entity, "Matter", currency=currency, tax_code=tax, **values)


def minutes(cast: Cast, work: Engagement, *each: int, on: dt.date | None = None) -> list[TimeEntry]:
    return [make_entry(cast, str(m / 60), engagement=work, on=on) for m in each]


def sums(invoice: Invoice) -> tuple[Decimal, Decimal, Decimal]:
    return invoice.net, invoice.tax, invoice.gross


def on_bill(invoice: Invoice) -> list[tuple[Decimal, Decimal]]:
    """Billed and written of each entry, in the order of their days and ids."""
    order = sa.select(TimeEntry.worked_on, TimeEntry.id).where(TimeEntry.id == InvoiceItem.item_id)
    return [(row.billed, row.written) for row in db.session.execute(
        sa.select(InvoiceItem.billed, InvoiceItem.written).join(TimeEntry, TimeEntry.id == InvoiceItem.item_id)
        .where(InvoiceItem.invoice_id == invoice.id).order_by(*order.selected_columns)
    )]  # fmt: skip


def issue(cast: Cast, invoice: Invoice, on: dt.date | None = None) -> Invoice:
    return approve_invoice(invoice, by=cast.actor(cast.pat), issued_on=on, reason="Agreed")


@dataclass(frozen=True)
class Time:
    """Time by the hour, charged in steps of six minutes upwards, each entry rounded half up to the smallest unit."""

    working: str
    currency: str
    rate: str
    minutes: tuple[int, ...]
    percent: str
    net: str
    tax: str
    gross: str


TIME = (
    Time("1 h x 100.00; 20 % of it", "GBP", "100", (60,), "20", "100", "20", "120"),
    Time("10 min are 12: 0.2 x 99.99 = 19.998", "GBP", "99.99", (10,), "20", "20.00", "4.00", "24.00"),
    Time("0.1 x 99.99 = 9.999 is 10.00, three times", "GBP", "99.99", (6, 6, 6), "20", "30.00", "6.00", "36.00"),
    Time("0.1 x 10.05 = 1.005 goes up; 20 % = 0.202", "GBP", "10.05", (6,), "20", "1.01", "0.20", "1.21"),
    Time("7 min are 12: 0.2 x 61.70 = 12.34; 5.5 % = 0.6787", "GBP", "61.70", (7,), "5.5", "12.34", "0.68", "13.02"),
    Time("0.1 x 0.30 = 0.03; 20 % = 0.006", "GBP", "0.30", (6,), "20", "0.03", "0.01", "0.04"),
    Time("0.1 x 0.20 = 0.02; 20 % = 0.004", "GBP", "0.20", (6,), "20", "0.02", "0.00", "0.02"),
    Time("0.1 x 15001 = 1500.1 has no fraction; 20 % = 300", "JPY", "15001", (6,), "20", "1500", "300", "1800"),
    Time("0.1 x 15005 = 1500.5 goes up; 10 % = 150.1", "JPY", "15005", (6,), "10", "1501", "150", "1651"),
    Time("154 min are 2.6 h: x 17777 = 46220.2; 8 % = 3697.6", "JPY", "17777", (154,), "8", "46220", "3698", "49918"),
    Time("0.1 x 37.777 = 3.7777; 5 % = 0.1889", "KWD", "37.777", (6,), "5", "3.778", "0.189", "3.967"),
    Time("0.1 x 40.005 = 4.0005 goes up; 20 % = 0.8002", "KWD", "40.005", (6,), "20", "4.001", "0.800", "4.801"),
    Time("20 min are 24: 0.4 x 33.33 = 13.332; 21 % = 2.7993", "EUR", "33.33", (20,), "21", "13.33", "2.80", "16.13"),
    Time("0.5 x 85 + 0.3 x 85 = 42.50 + 25.50; 13.5 % = 9.18", "EUR", "85", (30, 18), "13.5", "68", "9.18", "77.18"),
)


@pytest.mark.parametrize("case", TIME, ids=lambda case: f"{case.currency} {case.working}")
def test_time_is_billed_at_what_it_comes_to(cast: Cast, case: Time) -> None:
    make_tax("OWN", TaxTreatment.STANDARD, case.percent)
    work = worth(cast, case.rate, case.currency, tax="OWN")
    minutes(cast, work, *case.minutes)
    wanted = (D(case.net), D(case.tax), D(case.gross))
    draft = make_draft(cast, work)
    assert sums(draft) == wanted
    assert sums(issue(cast, draft)) == wanted


@pytest.mark.parametrize(("mode", "tax"), [
    (TaxMode.LINE, "0.03"),  # 0.03 x 20 % = 0.006 is 0.01 on each of three lines
    (TaxMode.TOTAL, "0.02"),  # 0.09 x 20 % = 0.018
])
def test_tax_by_line_and_by_total(cast: Cast, mode: TaxMode, tax: str) -> None:
    works = [worth(cast, "0.30")]
    works += [make_engagement(cast.acme, cast.entity, name, currency="GBP") for name in ("Second", "Third")]
    for work in works:
        minutes(cast, work, 6)
    draft = make_draft(cast, *works)
    change_terms(draft, DraftTerms(terms_days=14, note="", tax_mode=mode, reason=""), by=cast.actor(cast.bea))
    assert sums(draft) == (D("0.09"), D(tax), D("0.09") + D(tax))


def test_work_before_and_after_a_change_of_rate_is_taxed_at_each(cast: Cast) -> None:
    """100 at 20 % and 200 at 25 %: 20 + 50 = 70."""
    cast.vat.to_on = ago(10)
    keep(TaxRate(code=cast.vat.code, name="VAT", treatment=TaxTreatment.STANDARD, percent=D(25), from_on=ago(10)))
    work = worth(cast, "100")
    minutes(cast, work, 60, on=ago(12))
    minutes(cast, work, 120, on=ago(5))
    assert sums(issue(cast, make_draft(cast, work))) == (300, 70, 370)


@pytest.mark.parametrize("treatment", [TaxTreatment.EXEMPT, TaxTreatment.REVERSE_CHARGE])
def test_nothing_is_charged_on_what_is_exempt_or_charged_to_the_client(cast: Cast, treatment: TaxTreatment) -> None:
    """1.5 h x 80 = 120, and no tax."""
    cast.acme.tax_number = "GB123456782"
    make_tax("NONE", treatment, legend="As the law says")
    work = worth(cast, "80", tax="NONE")
    minutes(cast, work, 90)
    assert sums(issue(cast, make_draft(cast, work))) == (120, 0, 120)


@dataclass(frozen=True)
class Fee:
    """A fixed fee over time at 60 an hour, so that a minute is worth one."""

    working: str
    currency: str
    fee: str
    minutes: tuple[int, ...]
    billed: tuple[str, ...]
    written: tuple[str, ...]


FEES = (
    Fee("3 : 1", "GBP", "1000", (300, 60), ("833.33", "166.67"), ("533.33", "106.67")),
    Fee("less than the time: 600 of 1200", "GBP", "600", (600, 600), ("300", "300"), ("-300", "-300")),
    Fee("100 in three, the odd penny on one", "GBP", "100", (60, 60, 60), ("33.33", "33.33", "33.34"),
        ("-26.67", "-26.67", "-26.66")),
    Fee("1000 yen in three", "JPY", "1000", (60, 60, 60), ("333", "333", "334"), ("273", "273", "274")),
    Fee("a dinar in three", "KWD", "1", (60, 60, 60), ("0.333", "0.333", "0.334"), ("-59.667", "-59.667", "-59.666")),
    Fee("5 : 2 of 70", "EUR", "70", (300, 120), ("50", "20"), ("-250", "-100")),
)


@pytest.mark.parametrize("case", FEES, ids=lambda case: f"{case.currency} {case.working}")
def test_a_fee_is_spread_by_what_the_time_is_worth_and_the_difference_written(cast: Cast, case: Fee) -> None:
    work = worth(cast, "60", case.currency, kind=FIXED, fee=D(case.fee))
    entries = minutes(cast, work, *case.minutes)
    bill = issue(cast, make_draft(cast, work))
    assert bill.net == D(case.fee)
    found = on_bill(bill)
    assert sorted(billed for billed, _ in found) == sorted(map(D, case.billed))
    assert sorted(written for _, written in found) == sorted(map(D, case.written))
    db.session.expire_all()
    assert [entry.open_value for entry in entries] == [0] * len(entries)


@pytest.mark.parametrize(("rest", "left", "is_open"), [
    # 400 falls on 240 and 360 worth of time as 160 and 240; 80 and 120 of it come later.
    (Rest.CARRY, 600, [80, 120]),
    # A rebate: the fee is drawn whole and the time is done with.
    (Rest.WRITE_OFF, 0, [0, 0]),
])
def test_a_fee_lowered_is_a_part_bill_or_a_rebate(cast: Cast, rest: Rest, left: int, is_open: list[int]) -> None:
    work = worth(cast, "60", kind=FIXED, fee=D(1000))
    entries = minutes(cast, work, 240, 360)
    draft = make_draft(cast, work)
    [line] = lines_of(draft)
    change_line(draft, line.id, LineChange(net=D(400), rest=rest), by=cast.actor(cast.bea))
    bill = issue(cast, draft)
    assert bill.net == 400
    db.session.expire_all()
    assert [entry.open_value for entry in entries] == is_open
    drawn = db.session.scalar(sa.text("SELECT drawn FROM arrangement WHERE engagement_id = :id"), {"id": work.id})
    assert 1000 - drawn == left


@pytest.mark.parametrize(("total", "spread", "billed"), [
    (300, Spread.PRO_RATA, [D(225), D(75)]),  # three quarters of 300 and of 100
    (350, Spread.OLDEST_FIRST, [D(300), D(50)]),  # the older one whole, 50 are left for the other
    (350, Spread.NEWEST_FIRST, [D(250), D(100)]),
    (D("333.33"), Spread.PRO_RATA, [D("250.00"), D("83.33")]),  # 249.9975 and 83.3325
    (500, Spread.PRO_RATA, [D(375), D(125)]),  # written on, in the same proportion
])
def test_another_total_falls_on_the_entries_as_was_said(
    cast: Cast, total: Decimal | int, spread: Spread, billed: list[Decimal]
) -> None:
    work = worth(cast, "100")
    minutes(cast, work, 180, on=ago(9))
    minutes(cast, work, 60, on=ago(3))
    draft = make_draft(cast, work)
    adjust_total(draft, D(total), by=cast.actor(cast.bea), spread=spread, reason="Agreed")
    found = on_bill(issue(cast, draft))
    assert [each for each, _ in found] == billed
    assert [written for _, written in found] == [billed[0] - 300, billed[1] - 100]


@pytest.mark.parametrize(("currency", "rate", "of", "percent", "is_open"), [
    ("GBP", "99.99", 20, "10", "36.00"),  # 24 min are 40.00 (39.996); 4.00 off
    ("GBP", "33.33", 60, "10", "30.00"),  # 3.333 is 3.33 off
    ("GBP", "0.10", 60, "50", "0.05"),
    ("JPY", "1505", 60, "10", "1354"),  # 150.5 is 151 off
    ("KWD", "37.777", 6, "33", "2.531"),  # 33 % of 3.778 = 1.24674 is 1.247 off
])
def test_a_part_written_off_is_rounded_half_up(
    cast: Cast, currency: str, rate: str, of: int, percent: str, is_open: str
) -> None:
    [entry] = minutes(cast, worth(cast, rate, currency), of)
    write_off_items([entry.id], "Agreed", by=cast.actor(cast.pat), percent=D(percent))
    db.session.refresh(entry)
    assert entry.open_value == D(is_open)


def test_off_and_on_again_is_by_what_is_open_then(cast: Cast) -> None:
    """100, half off is 50; half on of 50 is 75."""
    [entry] = minutes(cast, worth(cast, "100"), 60)
    write_off_items([entry.id], "Agreed", by=cast.actor(cast.pat), percent=D(50))
    write_on_items([entry.id], "Agreed", by=cast.actor(cast.pat), percent=D(50))
    db.session.refresh(entry)
    assert (entry.value, entry.written, entry.open_value) == (100, -25, 75)


@pytest.mark.parametrize(("currency", "net", "mark_up", "value"), [
    ("GBP", "12.34", "10", "13.57"),  # 13.574
    ("GBP", "0.05", "10", "0.06"),  # 0.055 goes up
    ("JPY", "1005", "10", "1106"),  # 1105.5 goes up
    ("KWD", "1.001", "33", "1.331"),  # 1.33133
])
def test_what_was_laid_out_is_billed_with_its_mark_up(
    cast: Cast, currency: str, net: str, mark_up: str, value: str
) -> None:
    work = worth(cast, "1", currency)
    facts = ExpenseFacts(
        engagement_id=work.id, spent_on=ago(3), net=D(net), mark_up_percent=D(mark_up), narrative="Fares"
    )
    record_expense(new_id(), facts, by=cast.actor(cast.sam))
    assert issue(cast, make_draft(cast, work)).net == D(value)


def pay(cast: Cast, invoice: Invoice, amount: Decimal | int, on: dt.date | None = None) -> Payment:
    facts = PaymentFacts(
        client_id=invoice.payer_id, entity_id=invoice.entity_id, received_on=on or clock.today(), amount=D(amount),
        currency=invoice.currency,
    )  # fmt: skip
    return record_payment(new_id(), facts, by=cast.actor(cast.bea))


def on_account(account: str, currency: str = "GBP", *, base: bool = False) -> Decimal:
    column = "base_amount" if base else "amount"
    statement = f"SELECT coalesce(sum({column}), 0) FROM posting WHERE account = :account AND currency = :currency"
    return D(db.session.scalar(sa.text(statement), {"account": account, "currency": currency}) or 0)


def test_more_than_is_owed_stays_as_credit(cast: Cast) -> None:
    """120 owed, 150 paid: 30 of credit."""
    work = worth(cast, "100")
    minutes(cast, work, 60)
    bill = issue(cast, make_draft(cast, work))
    pay(cast, bill, 150)
    assert (bill.open_amount, on_account("credit"), on_account("bank")) == (0, -30, 150)


def test_money_goes_to_what_fell_due_first(cast: Cast) -> None:
    """120 and 60 owed, 150 paid: the first whole, 30 left of the second."""
    work = worth(cast, "100")
    minutes(cast, work, 60)
    first = issue(cast, make_draft(cast, work), ago(2))
    minutes(cast, work, 30, on=ago(2))
    second = issue(cast, make_draft(cast, work))
    pay(cast, first, 150)
    db.session.expire_all()
    assert (first.open_amount, second.open_amount) == (0, 30)


def test_a_credited_bill_gives_back_what_was_paid_on_it_and_what_was_worked(cast: Cast) -> None:
    """120 billed, 50 paid, credited: nothing owed, 50 of credit, 100 of work to bill again, no revenue, no tax."""
    work = worth(cast, "100")
    [entry] = minutes(cast, work, 60)
    bill = issue(cast, make_draft(cast, work))
    pay(cast, bill, 50)
    credit_invoice(bill, new_id(), "Wrong", by=cast.actor(cast.pat))
    db.session.expire_all()
    assert (bill.open_amount, on_account("receivable"), on_account("credit")) == (0, 0, -50)
    assert (entry.open_value, on_account("revenue"), on_account("tax")) == (100, 0, 0)


@dataclass(frozen=True)
class Exchange:
    """An hour at `rate` with 20 % tax, issued when a unit was worth `then` and paid when it was worth `now`."""

    working: str
    currency: str
    rate: str
    then: str
    now: str
    bank: str
    gained: str


EXCHANGE = (
    Exchange("480 x 0.85 = 408; x 0.90 = 432", "EUR", "400", "0.85", "0.90", "432.00", "24.00"),
    Exchange("480 x 0.85 = 408; x 0.80 = 384", "EUR", "400", "0.85", "0.80", "384.00", "-24.00"),
    Exchange("24000 x 0.0052 = 124.80; x 0.0049 = 117.60", "JPY", "20000", "0.0052", "0.0049", "117.60", "-7.20"),
    Exchange("12 x 2.5512 = 30.6144; x 2.6003 = 31.2036", "KWD", "10", "2.5512", "2.6003", "31.20", "0.59"),
    Exchange("the same rate", "EUR", "33.33", "0.8512", "0.8512", "34.05", "0"),  # 40.00 x 0.8512 = 34.048
)


@pytest.mark.parametrize("case", EXCHANGE, ids=lambda case: f"{case.currency} {case.working}")
def test_what_a_bill_gains_or_loses_until_it_is_paid(cast: Cast, case: Exchange) -> None:
    make_rate(case.rate, currency=case.currency)
    for days, rate in ((100, case.then), (5, case.now)):
        keep(ExchangeRate(currency=case.currency, base="GBP", from_on=ago(days), rate=D(rate)))
    work = make_engagement(cast.acme, cast.entity, "Matter", currency=case.currency)
    minutes(cast, work, 60, on=ago(40))
    bill = issue(cast, make_draft(cast, work), ago(30))
    pay(cast, bill, bill.gross, ago(5))
    assert on_account("bank", case.currency, base=True) == D(case.bank)
    assert on_account("receivable", case.currency, base=True) == 0
    gained = on_account("gain_loss", case.currency, base=True) + on_account("gain_loss", base=True)
    assert gained == -D(case.gained)


def test_a_third_paid_gains_on_a_third_only(cast: Cast) -> None:
    """480 EUR at 0.85 = 408; 160 paid at 0.90 = 144, of which 136 were owed: 8 gained, 272 still owed."""
    make_rate("400", currency="EUR")
    for days, rate in ((100, "0.85"), (5, "0.90")):
        keep(ExchangeRate(currency="EUR", base="GBP", from_on=ago(days), rate=D(rate)))
    work = make_engagement(cast.acme, cast.entity, "Matter", currency="EUR")
    minutes(cast, work, 60, on=ago(40))
    bill = issue(cast, make_draft(cast, work), ago(30))
    pay(cast, bill, 160, ago(5))
    assert (on_account("receivable", "EUR"), on_account("receivable", "EUR", base=True)) == (320, 272)
    assert on_account("bank", "EUR", base=True) == 144
    assert on_account("gain_loss", "EUR", base=True) + on_account("gain_loss", "GBP", base=True) == -8
