"""Exchange rates: where they come from, which one holds on a day, and what a bill keeps of the one it used."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.activity.commands import record
from app.activity.models import Event, EventPayload
from app.billing.commands.issue import approve_invoice
from app.clients.models import Engagement
from app.core import clock
from app.core.db import db, transaction
from app.core.errors import Conflict, NotAllowed, NotFound, Refused, Stale
from app.core.ids import new_id
from app.exchange.rates_cli import import_rates, run
from app.firm.models import Entity
from app.ledger.books import books_of
from app.ledger.commands import Leg, post
from app.ledger.models import Account, ExchangeRate, LedgerTransaction, Posting, RateFile, TransactionKind
from app.ledger.proofs import prove_exchange_rates
from app.ledger.queries import Exchange, find_rate_on, rate_on
from app.ledger.rate_files import read_ecb, text_of, worth
from app.ledger.rates import (
    RATES_CAME,
    ExchangeRateFacts,
    RatePlan,
    Wanted,
    add_exchange_rate,
    get_rate_file,
    plan_rates,
    rates_in_use,
    send_rate_file,
    take_rates,
    withdraw_exchange_rate,
)
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, keep, make_client, make_engagement, sign_in

DATA = Path(__file__).parents[1] / "data" / "rates"
DAY = DATA / "eurofxref.csv"
HISTORY = DATA / "eurofxref-hist.csv"
TODAY = dt.date(2026, 11, 26)


@pytest.fixture(autouse=True)
def on_the_day_after() -> Iterator[None]:
    with clock.travel_to(dt.datetime(2026, 11, 26, 9, tzinfo=dt.UTC)):
        yield


def facts(rate: str = "0.78", on: dt.date = dt.date(2026, 11, 20), **words: str) -> ExchangeRateFacts:
    return ExchangeRateFacts(**{"currency": "USD", "base": "GBP", **words}, rate=Decimal(rate), from_on=on)


def send(cast: Cast, path: Path = HISTORY, *, content: bytes | None = None) -> RateFile:
    return send_rate_file(new_id(), path.name, content or path.read_bytes(), by=cast.actor(cast.pat))


def take(cast: Cast, *currencies: str, path: Path = HISTORY, from_on: dt.date | None = None) -> RatePlan:
    """What the file would do, and then did."""
    sent, wanted = send(cast, path), Wanted(frozenset(currencies), from_on)
    plan = plan_rates(sent, wanted)
    assert take_rates(sent, wanted, by=cast.actor(cast.pat)) == len(plan.new)
    return plan


def kept(currency: str, base: str, on: dt.date) -> ExchangeRate | None:
    return db.session.scalar(sa.select(ExchangeRate).where(
        ExchangeRate.currency == currency, ExchangeRate.base == base, ExchangeRate.from_on == on,
        ExchangeRate.withdrawn_at.is_(None),
    ))  # fmt: skip


def in_dollars(cast: Cast) -> Engagement:
    client = make_client("Dollar Ltd", cast.office, currency="USD")
    return make_engagement(client, cast.entity)


def test_the_latest_rate_on_or_before_a_day_holds(session: Session, cast: Cast) -> None:
    by = cast.actor(cast.pat)
    add_exchange_rate(new_id(), facts("0.70", dt.date(2026, 10, 1)), by=by)
    add_exchange_rate(new_id(), facts("0.80", dt.date(2026, 11, 1)), by=by)
    assert find_rate_on("USD", "GBP", dt.date(2026, 9, 30)) is None
    assert rate_on("USD", "GBP", dt.date(2026, 10, 31)).rate == Decimal("0.70")
    assert rate_on("USD", "GBP", dt.date(2026, 11, 1)).rate == Decimal("0.80")
    assert rate_on("GBP", "GBP", TODAY).rate == 1
    with pytest.raises(Refused, match="no exchange rate from USD to GBP for 30 September 2026"):
        rate_on("USD", "GBP", dt.date(2026, 9, 30))


def test_a_rate_that_somebody_typed_says_who(session: Session, cast: Cast) -> None:
    rate = add_exchange_rate(new_id(), facts(), by=cast.actor(cast.pat))
    session.refresh(rate, ["person"])
    assert rate.said_by == "entered by Pat"


def test_the_same_form_sent_again_adds_once_and_with_other_facts_it_is_a_conflict(
    session: Session, cast: Cast
) -> None:
    by, rate_id = cast.actor(cast.pat), new_id()
    assert add_exchange_rate(rate_id, facts(), by=by) is add_exchange_rate(rate_id, facts(), by=by)
    with pytest.raises(Conflict, match="sent before, saying something else"):
        add_exchange_rate(rate_id, facts("0.79"), by=by)
    with pytest.raises(Refused, match="from that very day already"):
        add_exchange_rate(new_id(), facts("0.79"), by=by)


def test_only_who_sets_rates_adds_takes_and_withdraws_them(session: Session, cast: Cast) -> None:
    rate, sent = add_exchange_rate(new_id(), facts(), by=cast.actor(cast.pat)), send(cast)
    for person in (cast.sam, cast.mel, cast.bea):
        by = cast.actor(person)
        with pytest.raises(NotAllowed):
            add_exchange_rate(new_id(), facts(), by=by)
        with pytest.raises(NotAllowed):
            withdraw_exchange_rate(rate, by=by)
        with pytest.raises(NotAllowed):
            take_rates(sent, Wanted(frozenset({"USD"})), by=by)
        with pytest.raises(NotFound):
            get_rate_file(sent.id, seen_by=by)


def test_a_withdrawn_rate_counts_no_more_and_its_day_is_free_again(session: Session, cast: Cast) -> None:
    by = cast.actor(cast.pat)
    add_exchange_rate(new_id(), facts("0.77", dt.date(2026, 11, 1)), by=by)
    wrong = add_exchange_rate(new_id(), facts("7.8"), by=by)
    withdraw_exchange_rate(wrong, by=by)
    withdraw_exchange_rate(wrong, by=by)
    assert rate_on("USD", "GBP", TODAY).rate == Decimal("0.77")
    add_exchange_rate(new_id(), facts("0.78"), by=by)
    assert rate_on("USD", "GBP", TODAY).rate == Decimal("0.78")
    told = session.scalars(sa.select(Event.kind).where(Event.subject_id == wrong.id).order_by(Event.id)).all()
    assert told == ["ledger.rate.add", "ledger.rate.withdraw"]


@pytest.mark.parametrize("change", ["rate = 9", "from_on = '2020-01-01'", "entered_by = NULL", "withdrawn_at = NULL"])
def test_the_database_lets_no_rate_be_rewritten(session: Session, cast: Cast, change: str) -> None:
    add_exchange_rate(new_id(), facts(), by=cast.actor(cast.pat))
    with pytest.raises(DBAPIError, match="can only be withdrawn"), session.begin_nested():
        session.execute(sa.text(f"UPDATE exchange_rate SET {change}"))
    with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
        session.execute(sa.text("DELETE FROM exchange_rate"))


def test_a_list_of_one_day_is_read_as_the_bank_writes_it() -> None:
    table = read_ecb(DAY.read_text(), today=TODAY)
    assert table.problems == [] and len(table.days) == 1
    day = table.days[0]
    assert (day.line, day.on) == (2, dt.date(2026, 11, 25))
    assert day.rates == {"USD": Decimal("1.1250"), "JPY": Decimal("170.40"), "GBP": Decimal("0.8800"),
                         "CHF": Decimal("0.9350")}


def test_a_rate_in_another_base_goes_through_both_legs_of_one_day() -> None:
    newest, without_pound, *_ = read_ecb(HISTORY.read_text(), today=TODAY).days
    assert worth(newest, "USD", "EUR") == Decimal("0.8888888889")
    assert worth(newest, "EUR", "GBP") == Decimal("0.88")
    assert worth(newest, "USD", "GBP") == Decimal("0.7822222222")
    assert worth(newest, "JPY", "GBP") == Decimal("0.0051643192")
    assert worth(without_pound, "USD", "GBP") is None
    assert worth(newest, "KWD", "GBP") is None


def test_the_rates_of_a_file_say_where_they_come_from(session: Session, cast: Cast) -> None:
    keep(Entity(name="Hartwell Dublin", country="IE", currency="EUR"))
    plan = take(cast, "USD", "EUR")
    assert plan.pairs == [("EUR", "GBP"), ("USD", "EUR"), ("USD", "GBP")]
    day = dt.date(2026, 11, 25)
    assert kept("USD", "GBP", day).said_by == "ECB, 2026-11-25, via EUR"
    assert kept("USD", "EUR", day).said_by == "ECB, 2026-11-25"
    assert kept("EUR", "GBP", day).said_by == "ECB, 2026-11-25"
    assert kept("USD", "GBP", day).rate == Decimal("0.7822222222")


def test_no_rate_is_made_of_two_days(session: Session, cast: Cast) -> None:
    plan = take(cast, "USD")
    assert plan.without == [(("USD", "GBP"), 1, dt.date(2026, 11, 24))]
    assert kept("USD", "GBP", dt.date(2026, 11, 24)) is None
    assert rate_on("USD", "GBP", dt.date(2026, 11, 24)).rate == kept("USD", "GBP", dt.date(2026, 11, 23)).rate


def test_taking_a_file_again_adds_nothing(session: Session, cast: Cast) -> None:
    by, wanted, sent = cast.actor(cast.pat), Wanted(frozenset({"USD"})), send(cast)
    assert take_rates(sent, wanted, by=by) == 3
    assert take_rates(sent, wanted, by=by) == 3
    assert session.scalar(sa.select(sa.func.count()).select_from(ExchangeRate)) == 3
    again = plan_rates(send(cast), wanted)
    assert (len(again.new), again.same) == (0, 3)
    assert len(plan_rates(send(cast), Wanted(frozenset({"USD", "CHF"}))).new) == 2
    with pytest.raises(Stale, match="Other rates were taken from this file"):
        take_rates(sent, Wanted(frozenset({"CHF"})), by=by)


def test_another_file_under_the_same_id_is_a_conflict(session: Session, cast: Cast) -> None:
    file_id, by = new_id(), cast.actor(cast.pat)
    first = send_rate_file(file_id, "a.csv", HISTORY.read_bytes(), by=by)
    assert send_rate_file(file_id, "a.csv", HISTORY.read_bytes(), by=by) is first
    with pytest.raises(Stale):
        send_rate_file(file_id, "b.csv", DAY.read_bytes(), by=by)


def test_a_rate_that_is_there_with_another_number_stays_and_is_told(session: Session, cast: Cast) -> None:
    typed = add_exchange_rate(new_id(), facts("0.79", dt.date(2026, 11, 25)), by=cast.actor(cast.pat))
    plan = take(cast, "USD")
    assert [(said.line, known.id) for said, known in plan.differing] == [(2, typed.id)]
    assert rate_on("USD", "GBP", TODAY).rate == Decimal("0.79")


def test_a_file_gives_the_currencies_that_the_firm_works_in_unless_told(session: Session, cast: Cast) -> None:
    assert plan_rates(send(cast)).pairs == []
    in_dollars(cast)
    assert plan_rates(send(cast)).pairs == [("USD", "GBP")]


def test_rates_from_before_a_day_are_left_out(session: Session, cast: Cast) -> None:
    plan = take(cast, "USD", from_on=dt.date(2026, 11, 23))
    assert [said.from_on.day for said in plan.new] == [25, 23]


BAD = """Date,USD,GBP,
2026-11-25,1.1250,0.8800,
2026-11-31,1.1250,0.8800,
25/11/2026,1.1250,0.8800,
2026-11-24,"1,1250",0.8800,
2026-11-23,0,0.8800,
2026-11-20,1.1250,
2026-11-25,1.1251,0.8800,
2026-12-24,1.1250,0.8800,

2026-11-19,-1.1,0.8800,
"""


def test_bad_lines_are_named_and_nothing_is_taken_unless_the_good_ones_are_wanted(
    session: Session, cast: Cast
) -> None:
    sent, by, wanted = send(cast, content=BAD.encode()), cast.actor(cast.pat), Wanted(frozenset({"USD"}))
    told = {bad.line: bad.message for bad in plan_rates(sent, wanted).problems}
    assert list(told) == [3, 4, 5, 6, 7, 8, 9, 11]
    assert "is no date" in told[3] and "is no date" in told[4] and "“1,1250” for USD is no rate" in told[5]
    assert "“0” for USD" in told[6] and "“” for GBP is no rate" in told[7] and "stands in line 2 too" in told[8]
    assert "2026-12-24 has not come yet" in told[9] and "“-1.1”" in told[11]
    with pytest.raises(Refused, match="8 lines are not readable, beginning with line 3"):
        take_rates(sent, wanted, by=by)
    assert kept("USD", "GBP", dt.date(2026, 11, 25)) is None
    assert take_rates(sent, wanted, by=by, skip_problems=True) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"Name,Amount\nA,1\n", b"Date,usd\n2026-11-25,1\n", b"Date,USD,USD\n2026-11-25,1,1\n", b"Date,USD\n",
     b"Date,EUR\n2026-11-25,1\n", b"\xff\xfe\x00", b"PK\x03\x04nonsense", b"%PDF-1.4"],
)  # fmt: skip
def test_any_other_file_is_refused_in_a_sentence(session: Session, cast: Cast, content: bytes) -> None:
    with pytest.raises(Refused) as refused:
        send_rate_file(new_id(), "file", content, by=cast.actor(cast.pat))
    assert refused.value.field == "file"


def test_the_list_is_found_in_the_archive_that_the_bank_offers() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("eurofxref.csv", DAY.read_bytes())
    assert text_of(packed.getvalue()) == DAY.read_text()


def test_an_import_is_told_once_with_its_pairs_for_whoever_waits_for_a_rate(session: Session, cast: Cast) -> None:
    take(cast, "USD")
    told = session.execute(
        sa.select(Event.kind, EventPayload.data).join(EventPayload, EventPayload.event_id == Event.id)
        .where(Event.kind.in_(RATES_CAME))
    ).all()  # fmt: skip
    assert [kind for kind, _ in told] == ["ledger.rate.import"]
    assert told[0].data["pairs"] == [["USD", "GBP"]]
    assert (told[0].data["first"], told[0].data["last"], told[0].data["added"]) == ("2026-11-20", "2026-11-25", 3)


def test_the_page_says_how_old_a_rate_is_and_which_is_missing(
    session: Session, cast: Cast, client: FlaskClient
) -> None:
    work = in_dollars(cast)
    pat = sign_in(client, cast.pat)
    assert "No rate in GBP" in pat.get("/settings/exchange-rates").text
    add_exchange_rate(new_id(), facts("0.78", TODAY - dt.timedelta(days=35)), by=cast.actor(cast.pat))
    assert [(row.days_old, row.is_stale, row.is_needed) for row in rates_in_use(seen_by=cast.actor(cast.pat))] == [
        (35, False, True)
    ]
    with clock.travel_to(clock.now() + dt.timedelta(days=1)):
        page = sign_in(client, cast.pat).get("/settings/exchange-rates").text
    assert "36 days old" in page and "open work needs it" in page and "0.78 GBP" in page and "entered by Pat" in page
    assert work.currency == "USD"


def test_a_file_is_looked_at_before_it_is_taken(session: Session, cast: Cast, client: FlaskClient) -> None:
    in_dollars(cast)
    pat = sign_in(client, cast.pat)
    form = {"id": str(new_id()), "file": (io.BytesIO(HISTORY.read_bytes()), "eurofxref-hist.csv")}
    sent = pat.post("/settings/exchange-rates/files", data=form, content_type="multipart/form-data")
    assert sent.status_code == 303
    page = pat.get(sent.location).text
    assert "Nothing has been added yet" in page and "Add 3 rates" in page and "0.7822222222 GBP" in page
    assert "via EUR" in page and "1 day, the last one" in page
    chosen = pat.get(f"{sent.location}?choose=1&currency=CHF&currency=USD&from=2026-11-23").text
    assert "Add 4 rates" in chosen
    assert session.scalar(sa.select(sa.func.count()).select_from(ExchangeRate)) == 0
    assert pat.post(f"{sent.location}/rates", data={"currency": "USD"}).status_code == 303
    assert session.scalar(sa.select(sa.func.count()).select_from(ExchangeRate)) == 3
    assert pat.post(f"{sent.location}/rates", data={"currency": "CHF"}).status_code == 422
    history = pat.get("/settings/exchange-rates/history?currency=USD&base=GBP").text
    assert history.count("ECB, 2026-11-") == 3
    nothing = pat.post("/settings/exchange-rates/files", data={"id": str(new_id())}, content_type="multipart/form-data")
    assert nothing.status_code == 422 and "Choose a file" in nothing.text


def test_a_stranger_to_the_settings_sees_no_file_and_withdraws_no_rate(
    session: Session, cast: Cast, client: FlaskClient
) -> None:
    sent, rate = send(cast), add_exchange_rate(new_id(), facts(), by=cast.actor(cast.pat))
    sam = sign_in(client, cast.sam)
    assert sam.get(f"/settings/exchange-rates/files/{sent.id}").status_code == 404
    assert sam.post(f"/settings/exchange-rates/files/{sent.id}/rates").status_code == 404
    assert sam.post(f"/settings/exchange-rates/{rate.id}/withdrawal").status_code == 404
    assert sam.get("/settings/exchange-rates/history?currency=USD&base=GBP").status_code == 403


def test_the_command_takes_the_same_rates_says_what_it_would_do_and_names_bad_lines(
    session: Session, cast: Cast, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_dollars(cast)
    session.commit()
    words = {"currencies": (), "everything": False, "from_on": None, "skip_errors": False}
    dry = import_rates(HISTORY, dry_run=True, **words)  # type: ignore[arg-type]
    assert (dry["new"], dry["added"]) == (3, 0)
    assert session.scalar(sa.select(sa.func.count()).select_from(RateFile)) == 0
    assert import_rates(HISTORY, dry_run=False, **words)["added"] == 3  # type: ignore[arg-type]
    again = import_rates(HISTORY, dry_run=False, **words)  # type: ignore[arg-type]
    assert (again["added"], again["there_already"]) == (0, 3)
    bad = tmp_path / "bad.csv"
    bad.write_text(BAD)
    refused = import_rates(bad, dry_run=False, **words)  # type: ignore[arg-type]
    assert refused["added"] == 0 and refused["errors"][0]["line"] == 3
    with pytest.raises(Refused, match="The file has no XYZ"):
        import_rates(HISTORY, dry_run=True, **{**words, "currencies": ("xyz",)})  # type: ignore[arg-type]
    assert run(HISTORY, as_json=True, dry_run=True, **{**words, "currencies": ("xyz",)}) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["added"] == 0 and told["errors"][0]["message"].startswith("The file has no XYZ")


def test_a_bill_and_its_postings_keep_the_rate_they_used(session: Session, cast: Cast) -> None:
    work, by = in_dollars(cast), cast.actor(cast.pat)
    take(cast, "USD")
    make_rate("100", currency="USD")
    make_entry(cast, engagement=work, on=dt.date(2026, 11, 25))
    issued = approve_invoice(make_draft(cast, work), by=by)
    used = kept("USD", "GBP", dt.date(2026, 11, 25))
    assert issued.facts["exchange"] == {
        "rate": "0.7822222222", "base": "GBP", "from_on": "2026-11-25", "source": "ECB, 2026-11-25, via EUR"
    }
    rows = session.execute(
        sa.select(LedgerTransaction.exchange_rate_id, Posting.base_rate)
        .join(Posting, Posting.transaction_id == LedgerTransaction.id)
    ).all()  # fmt: skip
    assert {tuple(row) for row in rows} == {(used.id, Decimal("0.7822222222"))}
    withdraw_exchange_rate(used, by=by)
    assert issued.facts["exchange"]["source"] == "ECB, 2026-11-25, via EUR"
    assert list(prove_exchange_rates()) == []


def test_a_bill_in_the_entitys_own_currency_speaks_of_no_rate(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    issued = approve_invoice(make_draft(cast), by=cast.actor(cast.pat))
    assert issued.facts["exchange"] is None


def test_verify_names_what_stands_in_base_at_a_rate_that_nobody_gave(session: Session, cast: Cast) -> None:
    work = in_dollars(cast)
    post_at(cast, work, Exchange(Decimal("0.9")))
    take(cast, "USD")
    used = kept("USD", "GBP", dt.date(2026, 11, 25))
    post_at(cast, work, Exchange(Decimal("0.9"), used.id))
    post_at(cast, work, Exchange(used.rate, used.id))
    assert [finding.message for finding in prove_exchange_rates()] == [
        "is in USD at 0.9000000000 and names no exchange rate",
        "is in USD at 0.9000000000 and names one of 0.7822222222 for USD",
    ]


def post_at(cast: Cast, work: Engagement, exchange: Exchange) -> None:
    """A posting by hand at a rate of the caller's own."""
    key = {"client_id": work.client_id, "engagement_id": work.id}
    legs = [
        Leg(account=Account.WIP, amount=Decimal(100), **key),  # type: ignore[arg-type]
        Leg(account=Account.WIP_MEMO, amount=Decimal(-100), **key),  # type: ignore[arg-type]
    ]
    with transaction():
        post(
            TransactionKind.RECORDED, legs, by=cast.actor(cast.pat), currency="USD",
            books=books_of(work.id), source=work, happened_on=TODAY, rate=exchange,
        )  # fmt: skip
        record("timekeeping.entry.record", work, by=cast.actor(cast.pat))
