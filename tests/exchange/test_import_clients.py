"""Bringing clients in: the four exports of one firm, bad files, doing it again, taking it back."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.clients.commands import ClientFacts, update_client
from app.clients.commands.clients import facts_of
from app.clients.models import Client, ClientContact, ClientStatus, Contact, ContactAddress
from app.core.actors import SYSTEM
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.exchange.clients.amounts import Amounts
from app.exchange.clients.commands import (
    amounts_in,
    keep_import,
    map_columns,
    plan_import,
    read_import,
    start_import,
    undo_import,
)
from app.exchange.clients.compare import Action
from app.exchange.clients.formats import guess_mapping, recognise
from app.exchange.files import read_table
from app.exchange.import_cli import import_clients, run
from app.exchange.models import ClientImport, ImportKey
from app.runs.commands import work_run
from app.runs.models import RunItem
from tests.jobs.make_jobs import make_job
from tests.make import Cast, count, make_engagement

DATA = Path(__file__).parents[1] / "data" / "import"
XERO, QUICKBOOKS = DATA / "xero_contacts.csv", DATA / "quickbooks_online_customers.csv"
CLIO, TAXDOME = DATA / "clio_contacts.csv", DATA / "taxdome_accounts.csv"


def bring(path: Path, **words: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "dry_run": False, "matches": "", "skip_errors": False, "source": None, "office": None, "columns": (),
        "portal_access": False, **words,
    }
    return import_clients(path, **given)


def file_of(tmp_path: Path, text: str, name: str = "list.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def part_of(path: Path, tmp_path: Path, rows: int = 8) -> Path:
    """The first rows of an export."""
    part = tmp_path / path.name
    part.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[: rows + 1]))
    return part


def named(name: str) -> list[Client]:
    db.session.expire_all()
    return list(db.session.scalars(sa.select(Client).where(Client.name == name).order_by(Client.code)))


def test_a_file_that_is_refused_as_a_whole_is_told_as_json_too(
    cast: Cast, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words: dict[str, Any] = {
        "matches": "", "dry_run": False, "skip_errors": False, "source": None, "office": None, "columns": (),
        "portal_access": False,
    }
    matters = file_of(tmp_path, "Matter,Open date\nTax,2026-01-05\n")
    assert run(matters, as_json=True, **words) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["imported"], told["warnings"], len(told["errors"])) == (False, [], 1)
    assert {"line", "column", "read", "message"} == told["errors"][0].keys() and told["errors"][0]["line"] is None
    assert told["errors"][0]["message"].startswith("This is a list of matters, not of clients")
    with pytest.raises(Refused, match="list of matters"):
        run(matters, as_json=False, **words)
    monkeypatch.setattr("app.exchange.import_cli.PATIENCE", -1)
    monkeypatch.setattr("app.exchange.import_cli.work_run", lambda *_: None)
    assert run(file_of(tmp_path, "Name\nOne Ltd\n"), as_json=True, **words) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["imported"] is None and "goes on by itself" in told["errors"][0]["message"]


@pytest.mark.slow
def test_all_four_exports_end_as_one_set_of_clients(cast: Cast) -> None:
    before = count(Client)
    reports = [bring(path, matches="link") for path in (XERO, QUICKBOOKS, CLIO, TAXDOME)]
    assert [r["source"] for r in reports] == ["xero", "quickbooks", "clio", "taxdome"]
    assert [r["rows"] for r in reports] == [60, 60, 60, 40]
    assert [r["created"] for r in reports] == [60, 0, 0, 0]
    assert [r["linked"] for r in reports] == [0, 60, 60, 30]
    assert [r["refused"] for r in reports] == [0, 0, 0, 0]
    assert count(Client) == before + 60
    alder = named("Alder & Finch Ltd")[0]
    assert (alder.code, alder.country, alder.terms_days) == ("C0001", "GB", 14)
    people = db.session.scalars(
        sa.select(Contact.name).join(ClientContact, ClientContact.contact_id == Contact.id)
        .where(ClientContact.client_id == alder.id).order_by(Contact.sort_key)
    ).all()
    assert people == ["Amara Abbott", "Fionnuala Patel", "Jakub D'Souza"]
    # People who share a name stay apart.
    assert [(c.code, c.email) for c in named("Liam Rossi")] == [
        ("C0032", "liam.rossi31@example.com"), ("C0052", "liam.rossi51@example.com"),
    ]
    assert [(c.code, c.email) for c in named("Søren Gallagher")] == [
        ("C0039", "sren.gallagher38@example.com"), ("C0059", "sren.gallagher58@example.com"),
    ]
    # Doing it all again changes nothing.
    tables = (Client, Contact, ContactAddress, ClientContact, ImportKey)
    rows = [count(table) for table in tables]
    again = [bring(path, dry_run=True) for path in (XERO, QUICKBOOKS, CLIO, TAXDOME)]
    assert [r["unchanged"] for r in again] == [60, 60, 60, 30]
    assert bring(TAXDOME)["unchanged"] == 30
    assert [count(table) for table in tables] == rows


def test_nothing_is_merged_unless_somebody_says_so(cast: Cast, tmp_path: Path) -> None:
    bring(part_of(XERO, tmp_path))
    held = bring(part_of(QUICKBOOKS, tmp_path))
    assert (held["created"], held["matched"], held["linked"], held["waiting"]) == (0, 8, 0, 8)
    assert held["matches"][0] == {
        "rows": [2], "name": "Alder & Finch Ltd", "client": "C0001", "client_name": "Alder & Finch Ltd",
    }
    assert held["opening_balances"]["count"] > 0
    assert named("Alder & Finch Ltd")[0].phone == "+44 113 496 0000"
    assert bring(part_of(QUICKBOOKS, tmp_path), matches="new")["created"] == 8


def test_a_dry_run_says_the_same_and_writes_nothing(cast: Cast, tmp_path: Path) -> None:
    path = part_of(XERO, tmp_path)
    before = [count(table) for table in (Client, Contact, ClientImport, ImportKey)]
    dry = bring(path, dry_run=True)
    assert [count(table) for table in (Client, Contact, ClientImport, ImportKey)] == before
    real = bring(path)
    for name in ("rows", "created", "updated", "unchanged", "matched", "refused", "errors"):
        assert dry[name] == real[name], name
    assert dry["dry_run"] and not real["dry_run"]


def test_the_next_import_updates_what_nobody_edited_here(cast: Cast, tmp_path: Path) -> None:
    head = "Client code,Name,Email,Phone\n"
    bring(file_of(tmp_path, head + "A1,Alpha Ltd,one@alpha.example,0113 496 0001\n"))
    alpha = named("Alpha Ltd")[0]
    update_client(alpha, ClientFacts(**{**facts_of(alpha).__dict__, "phone": "0113 496 9999"}), by=SYSTEM)
    report = bring(file_of(tmp_path, head + "A1,Alpha Ltd,two@alpha.example,0113 496 0002\n"))
    alpha = named("Alpha Ltd")[0]
    assert report["updated"] == 1
    assert (alpha.email, alpha.phone) == ("two@alpha.example", "+44 113 496 9999")


def test_errors_are_told_by_row_and_column_and_nothing_comes_in(cast: Cast, tmp_path: Path) -> None:
    path = file_of(tmp_path, "Name,Email,Terms\nGood Ltd,a@b.example,14\n,c@d.example,14\nBad Ltd,nobody,soon\n")
    before = count(Client)
    report = bring(path)
    assert [(e["line"], e["column"]) for e in report["errors"]] == [(3, "Name"), (4, "Email"), (4, "Terms")]
    assert (report["refused"], report["imported"], count(Client)) == (2, False, before)
    report = bring(path, skip_errors=True)
    assert (report["created"], report["refused"], count(Client)) == (1, 2, before + 1)


def test_every_row_is_in_exactly_one_count(cast: Cast, tmp_path: Path) -> None:
    bring(part_of(XERO, tmp_path))
    report = bring(TAXDOME, dry_run=True)
    assert report["rows"] == 40
    assert report["clients"] == report["created"] + report["updated"] + report["unchanged"] + report["matched"] == 30


@pytest.mark.parametrize(("content", "names"), [
    ("Name;Ort\nMüller & Söhne KG;Köln\n".encode("cp1252"), ["Müller & Söhne KG"]),
    ("Name\tCity\nZażółć\tŁódź\n".encode("utf-16"), ["Zażółć"]),
    ("\ufeffName,Note\r\n\"Line\r\nbreak, Ltd\",x\r\n".encode(), ["Line break, Ltd"]),
])
def test_a_csv_is_read_in_whatever_spelling(content: bytes, names: list[str]) -> None:
    from app.exchange.clients.prospects import gather

    table = read_table(content)
    source = recognise(table.header)
    found = gather(
        table.header, table.rows, guess_mapping(table.header, source), source, "GB", Amounts("GBP", "1,234.56")
    )
    assert [prospect.name for prospect in found] == names


@pytest.mark.parametrize("content", [
    b"", b"only a header\n", b"PK\x03\x04 not a workbook", b"a,b\n" * 60_000, b"x" * (11 << 20),
])
def test_what_is_no_list_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(Refused):
        read_table(content)


def test_taking_an_import_back_removes_what_nothing_refers_to(cast: Cast, tmp_path: Path) -> None:
    before = count(Client), count(Contact), count(ContactAddress)
    content = part_of(XERO, tmp_path).read_bytes()
    found = keep_import(read_import(new_id(), "x.csv", content, cast.office.id, by=SYSTEM), by=SYSTEM)
    work_run(start_import(found, by=SYSTEM, decide=lambda _: "").id, lambda _: SYSTEM)
    used = named("Cobalt Freight GmbH")[0]
    make_engagement(used, cast.entity)
    run = undo_import(found, by=SYSTEM)
    work_run(run.id, lambda _: SYSTEM)
    db.session.expire_all()
    told = {item.label: (item.result or {}).get("told", item.message)
            for item in db.session.scalars(sa.select(RunItem).where(RunItem.run_id == run.id))}
    assert told["Alder & Finch Ltd"] == "removed"
    assert "archived" in told["Cobalt Freight GmbH"]
    assert db.session.get_one(Client, used.id).archived_at is not None
    assert (count(Client), count(Contact), count(ContactAddress)) == (before[0] + 1, before[1], before[2])


def test_a_client_with_open_work_since_is_not_put_away_by_taking_its_import_back(cast: Cast, tmp_path: Path) -> None:
    path = file_of(tmp_path, "Name,Email\nCobalt Freight GmbH,a@cobalt.example\n")
    found = keep_import(read_import(new_id(), "x.csv", path.read_bytes(), cast.office.id, by=SYSTEM), by=SYSTEM)
    work_run(start_import(found, by=SYSTEM, decide=lambda _: "").id, lambda _: SYSTEM)
    (used,) = named("Cobalt Freight GmbH")
    make_job(make_engagement(used, cast.entity))
    update_client(used, replace(facts_of(used), status=ClientStatus.FORMER), by=SYSTEM)
    run = undo_import(found, by=SYSTEM)
    work_run(run.id, lambda _: SYSTEM)
    db.session.expire_all()
    (item,) = db.session.scalars(sa.select(RunItem).where(RunItem.run_id == run.id))
    assert (item.state, used.archived_at) == ("failed", None)
    assert "has open work (1 open job: stays open)" in item.message


def test_taking_a_link_back_empties_what_it_filled(cast: Cast, tmp_path: Path) -> None:
    bring(part_of(XERO, tmp_path))
    ferris = named("Ferris Joinery")[0]
    assert ferris.email == ""
    content = part_of(QUICKBOOKS, tmp_path).read_bytes()
    found = keep_import(read_import(new_id(), "q.csv", content, cast.office.id, by=SYSTEM), by=SYSTEM)
    work_run(start_import(found, by=SYSTEM, decide=lambda _: "link").id, lambda _: SYSTEM)
    assert named("Ferris Joinery")[0].email == "fionnuala.patel5@example.com"
    work_run(undo_import(found, by=SYSTEM).id, lambda _: SYSTEM)
    assert named("Ferris Joinery")[0].email == ""


def test_a_hidden_client_is_neither_offered_nor_named(cast: Cast, tmp_path: Path) -> None:
    path = file_of(tmp_path, "Name,Email\nRival plc,otto@client.example\n")
    found = read_import(new_id(), "r.csv", path.read_bytes(), cast.office.id, by=SYSTEM)
    assert plan_import(found, seen_by=cast.actor(cast.mel))[0].action is Action.MATCH
    wes = cast.actor(cast.wes)
    with pytest.raises(NotAllowed):
        plan_import(found, seen_by=wes)
    walled = type(wes)(kind=wes.kind, id=wes.id, permissions=cast.actor(cast.mel).permissions,
                       walled_clients=wes.walled_clients)
    assert plan_import(found, seen_by=walled)[0].client is None
    with pytest.raises(NotAllowed):
        plan_import(found, seen_by=cast.contact(cast.otto))


def balances(tmp_path: Path, *cells: str, **words: Any) -> dict[str, Any]:
    """The report of a list with these opening balances, one a client."""
    rows = "".join(f'Client {at},"{cell}"\n' for at, cell in enumerate(cells))
    return bring(file_of(tmp_path, f"Name,Opening balance\n{rows}"), dry_run=True, **words)


@pytest.mark.parametrize(("cells", "total", "read_like"), [
    (("1.234,56", "12,00", "7"), "1253.56", "1.234,56"),
    (("1,234.56", "12.00", "(7.00)"), "1239.56", "1,234.56"),
    (("1 234,56", "12,00 £"), "1246.56", "1 234,56"),
    (("1'234.56", "12.00"), "1246.56", "1'234.56"),
    (("12,34,567.89", "£12.00"), "1234579.89", "12,34,567.89"),
    (("1234", "12.00"), "1246.00", "1,234.56"),
])
def test_how_a_file_writes_its_amounts_is_seen_from_the_whole_column(
    cast: Cast, tmp_path: Path, cells: tuple[str, ...], total: str, read_like: str
) -> None:
    report = balances(tmp_path, *cells)
    assert report["errors"] == []
    assert report["opening_balances"] == {"count": len(cells), "total": total, "currency": "GBP"}
    assert report["numbers"] == {"format": read_like, "said": False, "unclear": [], "columns": ["Opening balance"]}


def test_a_column_that_no_format_suits_is_refused_cell_by_cell(cast: Cast, tmp_path: Path) -> None:
    report = balances(tmp_path, "12.25", "12,25", "1.000", "€5.00", "soon")
    assert [(error["line"], error["message"]) for error in report["errors"]] == [
        (3, "“12,25” is not written like 1,234.56; do you mean 12.25?"),
        (4, "“1.000” can be read as 1.00 or as 1,000.00; write the one that you mean."),
        (5, "“€5.00” is not in GBP, and this amount is."),
        (6, "“soon” is not an amount; write it like 1,234.50."),
    ]


def test_what_the_column_leaves_open_is_asked_and_never_guessed(cast: Cast, tmp_path: Path) -> None:
    cast.entity.currency = "KWD"
    db.session.flush()
    asked = balances(tmp_path, "1,500", "12")
    assert asked["numbers"]["unclear"] == ["1,500"]
    assert [error["message"] for error in asked["errors"]] == [
        "“1,500” can be read as 1.500 or as 1,500.000; say how this file writes numbers."
    ]
    assert balances(tmp_path, "1,500", "12", locale="de_DE")["opening_balances"]["total"] == "13.500"
    english = balances(tmp_path, "1,500", "12", locale="en-GB")
    assert "can be read as 1.500 or as 1,500.000; write the one" in english["errors"][0]["message"]
    assert balances(tmp_path, "1,500.000", "12", locale="en_GB")["opening_balances"]["total"] == "1512.000"
    with pytest.raises(Refused, match="There is no locale xx_XX"):
        balances(tmp_path, "1", locale="xx_XX")


Cells = list[tuple[str | float, ...]]


def workbook(path: Path, rows: Cells, **more: Cells) -> Path:
    """The smallest workbook (ECMA-376) that holds these cells, numbers as numbers; `more` are further sheets."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"

    def cell(value: str | float) -> str:
        text = f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return text if isinstance(value, str) else f"<c><v>{value}</v></c>"

    sheets = {"List": rows, **more}
    numbers = range(1, len(sheets) + 1)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        + "".join(f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>'
                  for n in numbers) + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}">'
        "<sheets>" + "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>'
                             for n, name in enumerate(sheets, 1)) + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        + "".join(f'<Relationship Id="r{n}" Type="{office}/worksheet" Target="worksheets/sheet{n}.xml"/>'
                  for n in numbers) + "</Relationships>",
    }
    for n, lines in zip(numbers, sheets.values(), strict=True):
        sheet = "".join(f"<row>{''.join(map(cell, line))}</row>" for line in lines)
        parts[f"xl/worksheets/sheet{n}.xml"] = f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData></worksheet>'
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return path


def test_a_number_of_a_workbook_is_that_number_whatever_the_format(cast: Cast, tmp_path: Path) -> None:
    rows = [("Name", "Balance"), ("One Ltd", 1234.5), ("Two Ltd", 1500), ("Three Ltd", "1.234,50")]
    path = workbook(tmp_path / "list.xlsx", rows)
    report = bring(path, dry_run=True, locale="de_DE")
    assert report["errors"] == [] and report["opening_balances"]["total"] == "3969.00"


def test_the_stored_import_keeps_how_its_numbers_are_written(cast: Cast, tmp_path: Path) -> None:
    found = read_import(
        new_id(), "a.csv", b"Name,Balance\nA,\"1.234,50\"\n", cast.office.id, by=cast.actor(cast.pat)
    )
    keep_import(found, by=cast.actor(cast.pat))
    assert (amounts_in(found).key, amounts_in(found).said) == ("1.234,56", False)
    with pytest.raises(Refused, match="Choose one of the formats"):
        map_columns(
            found, found.mapping, cast.office.id, by=cast.actor(cast.pat), portal_access=False, number_format="1_2"
        )
    map_columns(
        found, found.mapping, cast.office.id, by=cast.actor(cast.pat), portal_access=False, number_format="1,234.56"
    )
    assert plan_import(found, seen_by=cast.actor(cast.pat))[0].action is Action.REFUSED
