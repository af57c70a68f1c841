"""Ages count by exact day, from the day of work or the day due, on every screen, sum and paper alike."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.models import Invoice
from app.billing.queries import aged
from app.billing.queries.aged import AgedPage, WipFilter
from app.billing.queries.items import list_wip_items
from app.billing.queries.payments import receivables_by_client
from app.billing.queries.statements import statement_of
from app.billing.queries.wip import wip_by_client, wip_by_engagement
from app.billing.statement_pdf import _data
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db
from app.core.ids import new_id
from app.ledger import commands
from app.ledger.ageing import AGES, OWED_AGES, age_index
from app.ledger.commands import gather_account_balances
from app.ledger.models import Account, AccountBalance, Balance, ExchangeRate
from app.ledger.proofs import prove_balances, prove_sums
from app.ledger.queries import aged_total
from tests.billing.make_billing import make_entry, make_rate
from tests.make import Cast, keep, make_engagement, sign_in

# Days ago: each edge of each column, and one far out.
EDGES = (0, 1, 30, 31, 60, 61, 90, 91, 120, 121, 400)
AGE = (
    "CASE WHEN age < 0 THEN 0 WHEN age <= 30 THEN 1 WHEN age <= 60 THEN 2 WHEN age <= 90 THEN 3 WHEN age <= 120 THEN 4"
    " ELSE 5 END"
)
_WIP = f"""
    SELECT client_id, {AGE} AS col, sum(open) AS amount FROM (
        SELECT e.client_id, greatest(CAST(:on AS date) - e.worked_on, 0) AS age,
               e.value - coalesce(sum(x.billed) FILTER (WHERE i.issued_on <= :on), 0) AS open
        FROM (SELECT id, client_id, worked_on, value FROM time_entry UNION ALL
              SELECT id, client_id, worked_on, value FROM expense) e
        LEFT JOIN invoice_item x ON x.item_id = e.id AND x.live
        LEFT JOIN invoice i ON i.id = x.invoice_id AND i.number IS NOT NULL
        WHERE e.worked_on <= :on GROUP BY e.client_id, e.worked_on, e.value, e.id) item
    GROUP BY 1, 2 HAVING sum(open) <> 0
"""
_OWED = f"""
    SELECT client_id, {AGE} AS col, sum(open) AS amount FROM (
        SELECT i.payer_id AS client_id, CAST(:on AS date) - i.due_on AS age,
               i.gross - coalesce((SELECT sum(a.amount) FROM allocation a WHERE a.invoice_id = i.id
                                   AND a.allocated_on <= :on AND a.reversed_at IS NULL), 0) AS open
        FROM invoice i WHERE i.number IS NOT NULL AND i.kind = 'invoice' AND i.issued_on <= :on) bill
    GROUP BY 1, 2 HAVING sum(open) <> 0
"""


def ago(days: int) -> dt.date:
    return clock.today() - dt.timedelta(days=days)


def by_sql(statement: str, on: dt.date) -> dict[Any, list[Decimal]]:
    """Each client's six columns, the first for what is not due."""
    found: dict[Any, list[Decimal]] = {}
    for client_id, column, amount in db.session.execute(sa.text(statement), {"on": on}):
        found.setdefault(client_id, [Decimal(0)] * 6)[column] += amount
    return found


def bill(cast: Cast, client: Any, works: tuple[Any, ...], until: dt.date, issued_on: dt.date, terms: int) -> Invoice:
    facts = DraftFacts(client_id=client.id, engagement_ids=tuple(work.id for work in works), until=until)
    invoice = create_draft(new_id(), facts, by=cast.actor(cast.bea))
    invoice.terms_days = terms
    return approve_invoice(invoice, by=cast.actor(cast.pat), issued_on=issued_on, reason="Agreed")


@pytest.fixture
def busy(session: Session, cast: Cast) -> Cast:
    """Two clients, three engagements, entries on every edge, bills of every age, payments in part and whole."""
    make_rate("60")
    payroll = make_engagement(cast.acme, cast.entity, "Payroll")
    works = {cast.acme: (cast.acme_work, payroll), cast.rival: (cast.rival_work,)}
    for n, days in enumerate(range(430, 220, -7)):
        make_entry(cast, str(1 + n % 3), engagement=works[cast.acme][n % 2], on=ago(days))
        make_entry(cast, "1.5", engagement=cast.rival_work, on=ago(days - 2), person=cast.mel)
    for step, terms in enumerate((0, 14, 30, 60)):
        for client, its in works.items():
            start = 400 - 45 * step
            bill(cast, client, its, ago(start), ago(start - 5 * (1 + step)), terms)
    for days in (*EDGES, 2, 33, 47):
        make_entry(cast, "2", engagement=payroll, on=ago(days))
        make_entry(cast, "1", engagement=cast.rival_work, on=ago(days), person=cast.mel)
    for n, days in enumerate((130, 92, 61, 29, 15, 14, 0)):
        make_entry(cast, "3", on=ago(days))
        bill(cast, cast.acme, (cast.acme_work,), ago(days), ago(days), 14 + n)
    for client, days, amount in ((cast.acme, 300, "123.45"), (cast.rival, 200, "1000"), (cast.acme, 20, "777.77"),
                                 (cast.rival, 1, "333.33")):  # fmt: skip
        record_payment(new_id(), PaymentFacts(
            client_id=client.id, entity_id=cast.entity.id, received_on=ago(days), amount=Decimal(amount),
            currency="GBP",
        ), by=cast.actor(cast.bea))  # fmt: skip
    session.flush()
    return cast


def columns(page: AgedPage) -> dict[Any, list[Decimal]]:
    return {row.id: [Decimal(0)] * (6 - len(row.ages)) + list(row.ages) for row in page.rows}


@pytest.mark.parametrize("days", [0, 1, 14, 29, 75, 210, 365])
def test_wip_receivables_and_statements_agree_with_plain_sql_over_entries_and_bills(busy: Cast, days: int) -> None:
    on, pat = ago(days), busy.actor(busy.pat)
    wip, owed = by_sql(_WIP, on), by_sql(_OWED, on)
    asked = WipFilter(on=on if days else None)
    assert columns(wip_by_client(asked, seen_by=pat)) == wip
    assert columns(receivables_by_client(asked, seen_by=pat)) == owed
    for account, each in ((Account.WIP, wip), (Account.RECEIVABLE, owed)):
        [total] = aged_total(account, on, seen_by=pat)
        assert list(total.ages) == [sum(part) for part in zip(*each.values(), strict=True)][-len(total.ages):]
    for client in (busy.acme, busy.rival):
        engagements = wip_by_engagement(client.id, seen_by=pat, on=on)
        assert [sum(part) for part in zip(*[row.ages for row in engagements], strict=True)] == wip[client.id][1:]
        entries = list_wip_items(client.id, seen_by=pat, on=on)
        assert entries.total <= 60
        assert sum(entry.open_value for entry in entries.rows) == sum(wip[client.id])
        found = statement_of(client.id, "GBP", ago(500), on, seen_by=pat)
        assert [amount for _, amount in found.ages] == owed.get(client.id, [Decimal(0)] * 6)
        assert found.closing == sum(row.amount for row in found.rows) == sum(owed.get(client.id, [])) + found.credit


def test_a_day_is_in_the_column_that_its_header_names() -> None:
    on = dt.date(2026, 3, 1)
    for days in range(-2, 200):
        aged_on = on - dt.timedelta(days=days)
        owed = OWED_AGES[age_index(Account.RECEIVABLE, aged_on, on)]
        work = AGES[age_index(Account.WIP, aged_on, on)]
        assert (owed.first is None) == (days < 0)
        if days >= 0:
            first, _, last = owed.name.partition("-")
            assert int(first.strip("+")) <= days <= int(last or 10_000) and owed is work
        else:
            assert work is AGES[0]


def test_what_is_not_yet_due_stands_apart_and_is_never_called_past_due(
    session: Session, cast: Cast, client: FlaskClient
) -> None:
    make_rate("100")
    make_entry(cast, "1", on=ago(0))
    invoice = bill(cast, cast.acme, (cast.acme_work,), ago(0), ago(0), 14)
    found = statement_of(cast.acme.id, "GBP", ago(30), ago(0), seen_by=cast.actor(cast.pat))
    assert [(age.name, amount) for age, amount in found.ages if amount] == [("Not yet due", invoice.gross)]
    pat = sign_in(client, cast.pat)
    for path in (f"/billing/clients/{cast.acme.id}/statement", "/billing/receivables"):
        assert "Not yet due" in pat.get(path).text
    rows = list(csv.DictReader(io.StringIO(pat.get("/billing/receivables.csv").text.lstrip("\ufeff"))))
    assert [(Decimal(row["Not yet due"]), Decimal(row["0-30 days"])) for row in rows] == [(120, 0)]
    assert "Not yet due" not in pat.get("/billing").text


def test_the_paper_says_what_the_screen_says(busy: Cast) -> None:
    found = statement_of(busy.acme.id, "GBP", ago(500), ago(0), seen_by=busy.actor(busy.pat))
    from babel import Locale

    ages = _data(found, busy.acme, Locale("en"))["ages"]
    assert ages[0][0] == "Not yet due" and ages[1][0] == "0-30 days past due"
    assert [Decimal(amount.replace(",", "")) for _, amount in ages][:6] == [amount for _, amount in found.ages]


def test_a_past_day_is_told_for_one_persons_time_too(busy: Cast) -> None:
    pat = busy.actor(busy.pat)
    of_mel = wip_by_client(WipFilter(on=ago(1), person_id=busy.mel.id), seen_by=pat)
    everybodys = wip_by_client(WipFilter(on=ago(1)), seen_by=pat)
    assert [row.id for row in of_mel.rows] == [busy.rival.id]
    assert {row.id for row in everybodys.rows} == {busy.acme.id, busy.rival.id}


def test_filtered_walled_and_kept_pages_tell_the_same(busy: Cast) -> None:
    pat = busy.actor(busy.pat)
    walled = replace(pat, walled_engagements=frozenset({new_id()}))
    for ask in (wip_by_client, receivables_by_client):
        kept = ask(WipFilter(), seen_by=pat)
        assert kept.rows == ask(WipFilter(), seen_by=walled).rows
        assert kept.totals == ask(WipFilter(), seen_by=walled).totals
        one = ask(WipFilter(text="acme"), seen_by=pat)
        assert [row for row in kept.rows if row.id == busy.acme.id] == one.rows and one.totals[0].rows == 1


def test_gathering_keeps_every_figure_and_leaves_no_empty_row(
    busy: Cast, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    pat = busy.actor(busy.pat)

    def figures() -> list[Any]:
        return [ask(WipFilter(), seen_by=pat) for ask in (wip_by_client, receivables_by_client)]

    before = figures()
    monkeypatch.setattr(commands, "GATHER_FROM", 1)
    assert gather_account_balances(by=SYSTEM) is True
    assert gather_account_balances(by=SYSTEM) is False
    assert figures() == before
    assert session.scalar(sa.select(sa.func.count()).where(Balance.amount == 0)) == 0
    rows = session.execute(sa.select(AccountBalance.account, AccountBalance.currency, AccountBalance.aged_on)).all()
    assert len(rows) == len(set(rows))
    assert len([row for row in rows if row.aged_on < ago(150)]) <= len({row.account for row in rows})
    assert [*prove_sums(), *prove_balances()] == []
    session.execute(sa.update(AccountBalance).where(AccountBalance.aged_on < ago(150)).values(amount=1))
    assert {finding.subject for finding in prove_sums()} >= {"wip of long ago"}


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("path", ["/billing", "/billing/receivables"])
def test_every_list_names_its_day_and_opens_into_rows_of_that_day(
    busy: Cast, client: FlaskClient, max_queries: Callable[[int], Any], path: str
) -> None:
    pat, on = sign_in(client, busy.pat), ago(75)
    pat.get(path)
    with max_queries(10):
        page = pat.get(f"{path}?on={on}").text
    assert f"{on:%-d %B %Y}" in words_of(page)
    links = re.findall(rf'href="(/billing/[^"]*{on}[^"]*)"', page)
    link = next(link for link in links if ".csv" not in link)
    opened = pat.get(link.replace("&amp;", "&"))
    assert opened.status_code == 200 and f"{on:%-d %B %Y}" in words_of(opened.text)
    if path == "/billing":
        assert "Show today" in opened.text and "Write off" not in opened.text
    assert "posted through today" in pat.get(path).text.lower()


@pytest.mark.parametrize("path", ["/billing", "/billing/receivables", "/billing/clients/{id}/statement"])
def test_a_day_that_cannot_be_read_is_refused_and_never_taken_as_today(
    busy: Cast, client: FlaskClient, path: str
) -> None:
    pat, address = sign_in(client, busy.pat), path.format(id=busy.acme.id)
    for name in ("to", "from") if "statement" in path else ("on",):
        answer = pat.get(f"{address}?{name}=31.10.2026")
        assert answer.status_code == 422 and "“31.10.2026” is no date" in answer.text
        if name == "to":
            assert pat.post(f"{address}?{name}=31.10.2026").status_code == 422
    assert pat.get(f"{address}?on=").status_code == 200


@pytest.mark.parametrize("path", ["/billing/wip.csv", "/billing/receivables.csv"])
@pytest.mark.parametrize("days", [0, 75])
def test_a_file_has_the_rows_of_all_pages_in_their_order_and_asks_for_them_once(
    busy: Cast, client: FlaskClient, max_queries: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch, path: str,
    days: int,
) -> None:
    monkeypatch.setattr(aged, "PER_PAGE", 1)
    monkeypatch.setattr(aged, "_kept", aged._kept.__wrapped__)  # it remembers its statements, with the length of a page
    pat, found = sign_in(client, busy.pat), WipFilter(on=ago(days) if days else None)
    ask = wip_by_client if "wip" in path else receivables_by_client
    pages = [ask(found, seen_by=busy.actor(busy.pat), page=page) for page in (1, 2)]
    assert [len(page.rows) for page in pages] == [1, 1]
    _rows(pat, f"{path}?on={ago(days)}")
    with max_queries(6):
        rows = _rows(pat, f"{path}?on={ago(days)}")
    shown = [(row.code, row.total) for page in pages for row in page.rows]
    assert [(row["Code"], Decimal(row["Total"])) for row in rows] == shown


def test_time_of_tomorrow_is_part_of_today_on_every_day_that_looks_back(session: Session, cast: Cast) -> None:
    """Where somebody works it may be tomorrow already; what stood today is told of today for ever."""
    make_rate("100")
    make_entry(cast, on=ago(-1))
    pat = cast.actor(cast.pat)
    today = wip_by_client(WipFilter(), seen_by=pat).rows
    assert [(row.total, row.ages[0]) for row in today] == [(100, 100)]
    with clock.travel_to(clock.now() + dt.timedelta(days=2)):
        assert wip_by_client(WipFilter(on=ago(2)), seen_by=pat).rows == today
        assert [item.open_value for item in list_wip_items(cast.acme.id, seen_by=pat, on=ago(2)).rows] == [100]


@pytest.mark.parametrize(("currency", "said"), [("GBP", "100.00"), ("JPY", "100"), ("KWD", "100.000")])
def test_files_and_rows_say_amounts_as_their_currency_does(
    session: Session, cast: Cast, client: FlaskClient, currency: str, said: str
) -> None:
    if currency != "GBP":
        keep(ExchangeRate(id=new_id(), currency=currency, base="GBP", from_on=ago(500), rate=Decimal("0.5")))
    work = make_engagement(cast.acme, cast.entity, "Abroad", currency=currency)
    make_rate("100", currency=currency)
    make_entry(cast, "1", engagement=work, on=ago(1))
    make_entry(cast, "1", engagement=work, on=ago(1))
    pat = sign_in(client, cast.pat)
    [row] = _rows(pat, "/billing/wip.csv")
    assert row["Total"] == row["0-30 days"] == said.replace("100", "200")
    bill(cast, cast.acme, (work,), ago(0), ago(0), 14)
    [owed], [issued] = _rows(pat, "/billing/receivables.csv"), _rows(pat, "/billing/invoices.csv")
    assert owed["Total"] == issued["Total"] == said.replace("100", "240")
    shown = pat.get("/billing/receivables").text.split("<tbody>")[1].split("</tbody>")[0]
    assert (f">{currency}</span>" in shown) == (currency != "GBP")  # the firm's own goes without saying


def _rows(client: FlaskClient, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(client.get(path).text.lstrip("\ufeff"))))
