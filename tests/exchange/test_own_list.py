"""The firm's own list of clients: taken out, corrected, imported again, and taken back."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.clients.commands import update_client
from app.clients.commands.clients import facts_of
from app.clients.models import Client, ClientStatus, ContactAddress, PayrollFrequency, Wall
from app.core.actors import SYSTEM
from app.core.clock import now
from app.core.csv_out import as_written, cell, csv_lines
from app.core.db import db
from app.core.errors import Refused
from app.core.ids import new_id
from app.exchange.clients.commands import (
    digest_of_plan,
    keep_import,
    plan_import,
    read_import,
    start_import,
    undo_import,
)
from app.exchange.clients.compare import Planned
from app.exchange.clients.formats import Source, guess_mapping
from app.exchange.clients.own import COLUMNS, HEADER, load_names, plan_own, row_of
from app.exchange.clients.values import read_day, read_stagger, read_year_end
from app.exchange.models import ClientImport
from app.marks.models import Comment
from app.runs.commands import work_run
from app.runs.models import RunItem
from tests.exchange.test_import_clients import bring, file_of, named
from tests.exchange.test_import_screen import text_of, upload, work
from tests.make import Cast, keep, sign_in

Row = dict[str, str]
FULL: dict[str, Any] = {
    "legal_name": "Acme Limited", "email": "hello@acme.example", "phone": "+44 20 7946 0000",
    "website": "https://acme.example", "registration_number": "01234567", "address": "1 High Street\nLeeds LS1 1AA",
    "country": "GB", "year_end_month": 3, "year_end_day": 31, "vat_stagger": 2,
    "payroll_frequency": PayrollFrequency.FOUR_WEEKLY, "first_pay_day": dt.date(2026, 1, 9), "terms_days": 0,
    "tags": ["payroll", "=2+3"], "status": ClientStatus.ACTIVE, "region": "ENG",
}  # fmt: skip


@pytest.fixture
def acme(cast: Cast) -> Client:
    """A client of whom everything is known."""
    for name, value in {**FULL, "partner_id": cast.pat.id, "manager_id": cast.mel.id}.items():
        setattr(cast.acme, name, value)
    db.session.flush()
    return cast.acme


def taken_out(*clients: Client) -> list[Row]:
    """The list as a spreadsheet opens it."""
    found = clients or db.session.scalars(sa.select(Client).order_by(Client.code)).all()
    text = "".join(csv_lines(HEADER, [row_of(each, load_names()) for each in found]))
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def corrected(tmp_path: Path, rows: list[Row], heads: list[str] | None = None) -> Path:
    out = io.StringIO()
    writer = csv.DictWriter(out, heads or HEADER, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return file_of(tmp_path, out.getvalue(), "clients.csv")


def looked_at(path: Path, cast: Cast, who: Any = None) -> ClientImport:
    by = cast.actor(who or cast.mel)
    return keep_import(read_import(new_id(), path.name, path.read_bytes(), cast.office.id, by=by), by=by)


def brought(path: Path, cast: Cast) -> ClientImport:
    found = looked_at(path, cast)
    run = start_import(found, by=cast.actor(cast.mel), decide=lambda _: "")
    work_run(run.id, lambda _: cast.actor(cast.mel))
    return found


def planned(rows: list[Row]) -> list[Planned]:
    """What these rows would do, as if just read."""
    cells = [[row[head] for head in HEADER] for row in rows]
    return plan_own(HEADER, cells, guess_mapping(HEADER, Source.FIRMAMENT), "GB", [], [], seen_by=SYSTEM)


def changes(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["column"], each["before"], each["after"]) for each in report["changes"]]


def test_every_column_is_read_back_and_an_untouched_list_changes_nothing(
    client: FlaskClient, cast: Cast, acme: Client, tmp_path: Path
) -> None:
    sign_in(client, cast.mel)
    path = tmp_path / "clients.csv"
    path.write_bytes(client.get("/clients.csv").get_data())
    report = bring(path)
    assert (report["source"], report["errors"], report["changes"]) == ("firmament", [], [])
    assert report["unchanged"] == report["rows"] == len(taken_out()) and report["updated"] == report["unknown"] == 0
    assert len(read_import(new_id(), "", path.read_bytes(), cast.office.id, by=cast.actor(cast.mel)).mapping) == len(
        COLUMNS
    )


NEW = {
    "Name": "Acme Group Ltd", "Legal name": "", "Kind": "person", "Status": "dormant", "E-mail": "new@acme.example",
    "Telephone": "0161 496 0000", "Website": "acme.test", "Company number": "7", "Address": "2 Low Street\nYork",
    "Country": "Ireland", "State or region": "", "Currency": "EUR", "Year end": "31 December",
    "Tax quarters end in": "3", "Pays its staff": "monthly", "First pay day": "2026-01-30", "Partner": "Ada",
    "Manager": "", "Office": "Second", "Tags": "audit; payroll", "Payment terms, days": "30", "Archived": "yes",
}  # fmt: skip


def test_a_corrected_list_says_from_what_to_what_and_changes_that_alone(
    cast: Cast, acme: Client, tmp_path: Path
) -> None:
    rows = taken_out()
    new = {**NEW, "Office": cast.second_office.name, "Partner": cast.ada.name}
    before = {row["Code"]: dict(row) for row in rows}
    for row in rows:
        if row["Code"] == acme.code:
            row.update(new)
    path = corrected(tmp_path, rows)
    told = bring(path, dry_run=True)
    assert told["errors"] == [] and told["updated"] == 1 and told["unchanged"] == len(rows) - 1
    assert {head for head, *_ in changes(told)} == set(new)
    assert ("Telephone", "+44 20 7946 0000", "+353 161 496 0000") not in changes(told)
    assert ("Year end", "31 March", "31 December") in changes(told) and ("Manager", "Mel", "") in changes(told)
    assert ("Tags", "payroll, =2+3", "audit, payroll") in changes(told)
    assert taken_out()[0] == before[taken_out()[0]["Code"]]
    report = bring(path)
    assert (report["failed"], report["updated"]) == ([], 1)
    db.session.expire_all()
    after = {row["Code"]: row for row in taken_out()}
    assert {code for code, row in after.items() if row != before[code]} == {acme.code}
    assert acme.archived_at is not None and acme.vat_stagger == 3 and acme.manager_id is None
    assert bring(corrected(tmp_path, list(after.values())), dry_run=True)["changes"] == []


def test_a_code_that_nobody_has_is_a_new_client_only_when_said(cast: Cast, acme: Client, tmp_path: Path) -> None:
    rows = [{**taken_out(acme)[0], "Code": "N1", "Name": "New Ltd", "Tags": "new"}]
    path = corrected(tmp_path, rows)
    report = bring(path)
    assert (report["unknown"], report["created"], report["waiting"]) == (1, 0, 1) and not named("New Ltd")
    assert bring(path, create_unknown=True)["created"] == 1
    made = named("New Ltd")[0]
    assert (made.code, made.partner_id, made.year_end_day, made.tags) == ("N1", cast.pat.id, 31, ["new"])
    assert bring(path, create_unknown=True)["unchanged"] == 1 and len(named("New Ltd")) == 1


def test_a_new_client_that_the_list_says_is_archived_is_put_away_and_taken_back(
    cast: Cast, acme: Client, tmp_path: Path
) -> None:
    row = {**taken_out(acme)[0], "Code": "N1", "Name": "New", "Archived": "yes"}
    found = looked_at(corrected(tmp_path, [row]), cast)
    mel = cast.actor(cast.mel)
    work_run(start_import(found, by=mel, decide=lambda _: "new").id, lambda _: mel)
    assert [each.archived_at is not None for each in named("New")] == [True]
    work_run(undo_import(found, by=mel).id, lambda _: mel)
    assert named("New") == []


def test_two_rows_of_one_code_are_errors_of_both(cast: Cast, acme: Client, tmp_path: Path) -> None:
    row = taken_out(acme)[0]
    report = bring(corrected(tmp_path, [{**row, "Name": "One"}, {**row, "Code": row["Code"].lower(), "Name": "Two"}]))
    assert [(error["line"], error["column"], error["read"]) for error in report["errors"]] == [
        (2, "Code", row["Code"]), (4, "Code", row["Code"].lower()),
    ]
    assert "Line 2 has the code" in report["errors"][1]["message"] and not named("One") and not named("Two")


@pytest.mark.parametrize(("head", "said", "words"), [
    ("Name", "", "Name cannot be empty"), ("Status", "gone", "is no status of a client"),
    ("E-mail", "x", "is no e-mail address"), ("Country", "Atlantis", "is no country"),
    ("State or region", "Bavaria", "is no state or region"), ("Currency", "pounds", "is no currency code"),
    ("Year end", "31 June", "is no day of a year"), ("Year end", "3/4", "can be read in two ways"),
    ("Tax quarters end in", "4", "is no stagger"), ("Pays its staff", "", "or neither"),
    ("First pay day", "yesterday", "is no day between"), ("Partner", "Nobody", "Nobody here is called Nobody"),
    ("Partner", "Wes", "cannot be given this client"), ("Office", "Mars", "There is no office called Mars"),
    ("Payment terms, days", "soon", "is no number of days"), ("Archived", "perhaps", "does not say whether"),
    ("Telephone", "4.4E+11", "cut short"), ("Kind", "sheep", "is no kind of client"),
])
def test_what_a_cell_cannot_say_is_an_error_of_its_row(
    cast: Cast, acme: Client, head: str, said: str, words: str
) -> None:
    keep(Wall(person_id=cast.wes.id, client_id=acme.id, reason="Family", created_at=now()))
    (one,) = planned([{**taken_out(acme)[0], head: said}])
    assert [(error.row, error.column, error.read) for error in one.prospect.errors] == [(2, head, said)]
    assert words in one.prospect.errors[0].message and one.action == "refused" and one.changes == []


def test_a_spreadsheets_own_spelling_of_a_day_is_no_change(cast: Cast, acme: Client) -> None:
    row = {**taken_out(acme)[0], "Year end": "31-Mar", "First pay day": "09/01/2026", "Telephone": "+44 20 7946 0000"}
    assert [(one.action, one.changes) for one in planned([row])] == [("unchanged", [])]
    assert read_year_end("March 31st") == (3, 31) and read_year_end("2026-03-31") == (3, 31)
    assert read_year_end("5/4", (4, 5)) == (4, 5) and read_stagger("Apr / Jul") == 2
    assert read_day("2 Feb 2026") == dt.date(2026, 2, 2)
    assert read_day("3rd April 2026") == read_day("03.04.2026") == dt.date(2026, 4, 3)
    with pytest.raises(Refused, match="2026-01-02 or as 2026-02-01"):
        read_day("02/01/2026")


def test_columns_that_were_taken_out_of_the_list_change_nothing(cast: Cast, acme: Client, tmp_path: Path) -> None:
    row = {**taken_out(acme)[0], "Telephone": "0113 496 0000"}
    report = bring(corrected(tmp_path, [row], ["Code", "Telephone"]), source="firmament")
    assert changes(report) == [("Telephone", "+44 20 7946 0000", "+44 113 496 0000")] and report["updated"] == 1
    assert (acme.email, acme.vat_stagger) == (FULL["email"], 2)


def test_what_was_changed_since_it_was_shown_is_not_overwritten(cast: Cast, acme: Client, tmp_path: Path) -> None:
    found = looked_at(corrected(tmp_path, [{**taken_out(acme)[0], "Telephone": "0113 496 0000"}]), cast)
    mel = cast.actor(cast.mel)
    shown = digest_of_plan(found, plan_import(found, seen_by=mel))
    acme.phone = "+44 117 496 0000"
    db.session.flush()
    with pytest.raises(Refused, match="has changed since it was shown"):
        start_import(found, by=mel, decide=lambda _: "", foreseen=shown)
    seen = digest_of_plan(found, plan_import(found, seen_by=mel))
    run = start_import(found, by=mel, decide=lambda _: "", foreseen=seen)
    acme.phone = "+44 121 496 0000"
    db.session.flush()
    work_run(run.id, lambda _: mel)
    db.session.expire_all()
    assert acme.phone == "+44 121 496 0000"
    item = db.session.scalars(sa.select(RunItem).where(RunItem.run_id == run.id)).one()
    assert item.state == "failed" and "was changed since the list was looked at (Telephone)" in item.message


def test_taking_it_back_puts_the_old_values_back_where_nobody_changed_them_since(
    client: FlaskClient, cast: Cast, acme: Client, tmp_path: Path
) -> None:
    row = taken_out(acme)[0]
    new = {"Telephone": "0113 496 0000", "Year end": "5 April", "Partner": "Ada", "Tags": "", "E-mail": "n@a.example"}
    found = brought(corrected(tmp_path, [{**row, **new}, taken_out(cast.rival)[0]]), cast)
    db.session.expire_all()
    assert (acme.year_end_day, acme.tags, acme.partner_id) == (5, [], cast.ada.id)
    facts = facts_of(acme)
    update_client(acme, type(facts)(**{**vars(facts), "email": "other@acme.example"}), by=cast.actor(cast.pat))
    run = undo_import(found, by=cast.actor(cast.mel))
    work_run(run.id, lambda _: cast.actor(cast.mel))
    db.session.expire_all()
    assert taken_out(acme)[0] == {**row, "E-mail": "other@acme.example"}
    sign_in(client, cast.mel)
    page = text_of(client.get(f"/clients/import/{found.id}"))
    assert "Mel</bdi> took this import back" in page and "1 client as before" in page
    assert "E-mail stays as it is, because somebody has changed it since" in page
    assert page.count(f'href="/clients/{acme.id}"') == 2 and f'href="/clients/{cast.rival.id}"' in page
    assert "4 fields put back" in page and "Unchanged" in page


def told_of_undoing(found: ClientImport, cast: Cast) -> list[Any]:
    mel = cast.actor(cast.mel)
    run = undo_import(found, by=mel)
    work_run(run.id, lambda _: mel)
    db.session.expire_all()
    return [item.result for item in db.session.scalars(sa.select(RunItem).where(RunItem.run_id == run.id))]


def test_of_a_pair_that_somebody_changed_half_since_neither_half_is_put_back(
    cast: Cast, acme: Client, tmp_path: Path
) -> None:
    found = brought(corrected(tmp_path, [{**taken_out(acme)[0], "Year end": "5 April", "Website": "a.test"}]), cast)
    db.session.expire_all()
    facts = facts_of(acme)
    update_client(acme, type(facts)(**{**vars(facts), "year_end_day": 6}), by=cast.actor(cast.pat))
    (told,) = told_of_undoing(found, cast)
    assert (acme.year_end_month, acme.year_end_day, acme.website) == (4, 6, FULL["website"])
    assert told["told"] == "1 field put back" and told["stays"][0].startswith("Year end stays as it is")


@pytest.mark.parametrize(("since", "why"), [
    ("changed", "it was changed since"), ("commented on", "something refers to it since"),
])
def test_a_client_that_was_made_and_used_since_is_archived_and_not_removed(
    cast: Cast, tmp_path: Path, since: str, why: str
) -> None:
    found = brought(file_of(tmp_path, "Name\nOlive Ltd\n"), cast)
    (olive,) = named("Olive Ltd")
    if since == "changed":
        facts = facts_of(olive)
        update_client(olive, type(facts)(**{**vars(facts), "phone": "0113 496 0000"}), by=cast.actor(cast.pat))
    else:
        keep(Comment(id=new_id(), subject_kind="client", subject_id=olive.id, client_id=olive.id,
                     author_id=cast.pat.id, body="Asked for terms", created_at=now()))
    (told,) = told_of_undoing(found, cast)
    assert told["told"] == "archived" and told["stays"] == [f"{why}, so it was archived and not removed"]
    assert [each.archived_at is not None for each in named("Olive Ltd")] == [True]


def test_an_address_that_an_import_gave_a_contact_goes_and_the_contact_stays(cast: Cast, tmp_path: Path) -> None:
    heads = "Name,Company,Email\n"
    brought(file_of(tmp_path, f"{heads}Olga Oak,Olive Ltd,o@olive.test\n"), cast)
    before = set(db.session.scalars(sa.select(ContactAddress.value)))
    found = brought(file_of(tmp_path, f"{heads}Olga Oak,Olive Ltd,olga@olive.test\n"), cast)
    assert len(set(db.session.scalars(sa.select(ContactAddress.value))) - before) == 1
    told_of_undoing(found, cast)
    assert set(db.session.scalars(sa.select(ContactAddress.value))) == before and named("Olive Ltd")


def test_a_code_that_was_taken_since_the_list_was_looked_at_makes_no_second_client(
    cast: Cast, acme: Client, tmp_path: Path
) -> None:
    found, mel = looked_at(corrected(tmp_path, [{**taken_out(acme)[0], "Code": "N1", "Name": "New"}]), cast), cast.mel
    run = start_import(found, by=cast.actor(mel), decide=lambda _: "new")
    acme.code = "n1"
    db.session.flush()
    work_run(run.id, lambda _: cast.actor(mel))
    item = db.session.scalars(sa.select(RunItem).where(RunItem.run_id == run.id)).one()
    assert (item.state, item.message) == ("failed", "The code N1 is taken by now.") and not named("New")


def test_the_page_shows_each_change_and_what_stays(client: FlaskClient, cast: Cast, acme: Client) -> None:
    rows = taken_out()
    for row in rows:
        row["Telephone"] = "0113 496 0000" if row["Code"] == acme.code else row["Telephone"]
    out = io.StringIO()
    writer = csv.DictWriter(out, HEADER)
    writer.writeheader()
    writer.writerows([*rows, {**rows[0], "Code": "N1", "Name": "New Ltd"}])
    sign_in(client, cast.mel)
    import_id = new_id()
    upload(client, cast, out.getvalue().encode(), str(import_id))
    page = text_of(client.get(f"/clients/import/{import_id}"))
    assert "+44 20 7946 0000" in page and "+44 113 496 0000" in page and "Make new clients of it" in page
    assert "Nothing was changed in 1 row: line " in page and "Change 1 client" in page
    answer = client.post(f"/clients/import/{import_id}/start", data={"foreseen": str(new_id())})
    assert answer.status_code == 422 and "has changed since it was shown" in text_of(answer)
    client.post(f"/clients/import/{import_id}/start", data={"new_clients": "1"})
    work(db.session.get_one(ClientImport, import_id))
    assert acme.phone == "+44 113 496 0000" and named("New Ltd")[0].code == "N1"
    page = text_of(client.get(f"/clients/import/{import_id}"))
    assert "Made" in page and f'href="/clients/{named("New Ltd")[0].id}"' in page


def test_a_client_behind_a_wall_is_neither_shown_nor_changed(cast: Cast, acme: Client, tmp_path: Path) -> None:
    keep(Wall(person_id=cast.mel.id, client_id=acme.id, reason="Family", created_at=now()))
    rows = [{**taken_out(acme)[0], "Telephone": "0113 496 0000"}]
    found = looked_at(corrected(tmp_path, rows), cast)
    planned = plan_import(found, seen_by=cast.actor(cast.mel))
    assert [(one.action, one.client, one.changes) for one in planned] == [("unchanged", None, [])]
    run = start_import(found, by=cast.actor(cast.mel), decide=lambda _: "new")
    work_run(run.id, lambda _: cast.actor(cast.mel))
    db.session.expire_all()
    assert acme.phone == FULL["phone"]


@pytest.mark.parametrize("text", ["=1", "'=1", "''+2", "'", "' x", "plain", "'s", "-"])
def test_a_cell_is_read_back_as_what_was_written(text: str) -> None:
    assert as_written(cell(text)) == text and not cell(text).startswith(("=", "+", "-", "@"))


def test_lists_of_other_systems_carry_what_is_arranged_too(cast: Cast, tmp_path: Path) -> None:
    heads = "Client,Year end,VAT quarters,Pay frequency,First pay date,Who\n"
    text = f"{heads}Olive Ltd,5 April,Jan,weekly,2026-01-02,Pat\n"
    report = bring(file_of(tmp_path, text), columns=("Who=manager",))
    assert report["errors"] == [] and report["created"] == 1
    olive = named("Olive Ltd")[0]
    assert (olive.year_end_month, olive.year_end_day, olive.vat_stagger) == (4, 5, 2)
    assert (olive.payroll_frequency, olive.first_pay_day) == ("weekly", dt.date(2026, 1, 2))
    assert olive.manager_id == cast.pat.id
    wrong = bring(file_of(tmp_path, text.replace(",2026-01-02,Pat", ",,Zed")), columns=("Who=manager",), dry_run=True)
    assert [error["column"] for error in wrong["errors"]] == ["Pay frequency", "Who"]
