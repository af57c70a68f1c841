"""Lists as they really come: each oddity is read as what it is, or told by its line; none becomes a client."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.clients.models import ClientContact, Contact
from app.core.db import db
from app.core.errors import Refused
from app.core.number_format import usual_format
from app.exchange.clients import prospects
from app.exchange.clients.amounts import amounts_of
from app.exchange.clients.formats import Source, guess_mapping, other_list, recognise
from app.exchange.clients.prospects import Prospect, gather
from app.exchange.clients.rows import RowError
from app.exchange.encodings import find_encoding
from app.exchange.files import LARGEST, LIMITS, parse_table, read_table
from app.exchange.unpacking import MOST_LINE
from tests.exchange.test_import_clients import bring, file_of, named
from tests.make import Cast

CASES = Path(__file__).parents[1] / "data" / "import" / "cases"
HEADS = json.loads((CASES / "header_rows.json").read_text())


def errors(report: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(error["line"], error["column"], error["read"]) for error in report["errors"]]


def dry(name: str) -> dict[str, Any]:
    return bring(CASES / name, dry_run=True)


def test_two_people_of_one_name_are_asked_about_and_never_merged(cast: Cast) -> None:
    report = dry("same_name_two.csv")
    assert errors(report) == [(2, "Name", "John Smith"), (3, "Name", "John Smith")]
    assert "cannot be told whether that is one client" in report["errors"][0]["message"]
    assert bring(CASES / "same_name_two.csv", skip_errors=True)["created"] == 0 and not named("John Smith")


@pytest.mark.parametrize(("rows", "wrong"), [
    ("A1,One Ltd,a@a.test,Leeds\nA1,Other Ltd,a@a.test,Leeds\n", (3, "Name", "Other Ltd")),
    ("A1,One Ltd,a@a.test,Leeds\na1,One Ltd,b@b.test,Leeds\n", (3, "Email", "b@b.test")),
    ("A1,One Ltd,a@a.test,Leeds\nB1,Two Ltd,,\nA1,One Ltd,,York\n", (4, "address", "York")),
])
def test_rows_that_disagree_under_one_key_are_errors_of_the_row(
    cast: Cast, tmp_path: Path, rows: str, wrong: tuple[int, str, str]
) -> None:
    report = bring(file_of(tmp_path, "Client code,Name,Email,City\n" + rows), dry_run=True)
    assert errors(report) == [wrong] and "Line 2 says" in report["errors"][0]["message"]


@pytest.mark.parametrize(("rows", "wrong"), [
    (",One Ltd,a@a.test,Leeds\n,One Ltd,,York\n", [(3, "Name", "One Ltd")]),
    (",One Ltd,,York\nA1,One Ltd,,Leeds\n", [(2, "Name", "One Ltd")]),
    ("A1,One Ltd,a@a.test,\n,ONE Ltd,A@a.test,\n", [(3, "Name", "ONE Ltd")]),
    ("A1,One Ltd,a@a.test,\nB1,One Ltd,a@a.test,\n", [(3, "Client code", "B1")]),
    ("A1,John Smith,,\nB1,John Smith,,\n", []),
    (",John Smith,a@a.test,\n,John Smith,b@b.test,\nA1,John Smith,c@c.test,\n", []),
    (",John Smith,,York\n,John Smith,,Leeds\n", [(2, "Name", "John Smith"), (3, "Name", "John Smith")]),
])
def test_namesakes_that_neither_code_nor_mail_tells_apart_are_asked_about(
    rows: str, wrong: list[tuple[int, str, str]]
) -> None:
    assert [(e.row, e.column, e.read) for e in wrong_with(rows)] == wrong


def wrong_with(rows: str) -> list[RowError]:
    return [error for one in gathered(rows) for error in one.errors]


def gathered(rows: str) -> list[Prospect]:
    header = ["Client code", "Name", "Email", "City"]
    table = [line.split(",") for line in rows.splitlines()]
    amounts = amounts_of(header, table, {}, "EUR", said=None, usual=usual_format("IE"))
    return gather(header, table, guess_mapping(header, Source.OTHER), Source.OTHER, "IE", amounts)


@pytest.mark.parametrize(("rows", "noticed"), [
    ("A1,John Smith,,\nB1,John Smith,,\nC1,john smith,,\n", [(3, "B1"), (4, "C1")]),
    ("A1,John Smith,a@a.test,\nB1,John Smith,b@b.test,\n", [(3, "B1")]),
    ("A1,John Smith,,York\nA1,John Smith,,York\n", []), ("A1,John Smith,,\nB1,Jane Smith,,\n", []),
])
def test_namesakes_of_two_codes_come_in_as_two_clients_and_are_told_of(
    rows: str, noticed: list[tuple[int, str]]
) -> None:
    found = gathered(rows)
    assert [(w.row, w.read) for one in found for w in one.warnings] == noticed
    assert not any(one.errors for one in found)


def test_a_list_with_namesakes_tells_of_them_until_they_are_there(cast: Cast, tmp_path: Path) -> None:
    file = file_of(tmp_path, "Client code,Name\nA1,John Smith\nB1,John Smith\n")
    report = bring(file, dry_run=True)
    (told,) = report["warnings"]
    assert (told["line"], told["column"], told["read"]) == (3, "Client code", "B1")
    assert "stands in line 2 too" in told["message"] and "these are two clients" in told["message"]
    assert bring(file)["created"] == 2 and len(named("John Smith")) == 2
    assert bring(file, dry_run=True)["warnings"] == []


@pytest.mark.parametrize(("rows", "says", "mended"), [
    (",John Smith,a@a.test,\n,John Smith,,York\n", "an e-mail as well, or a code to both",
     (",John Smith,a@a.test,\n,John Smith,b@b.test,York\n", "A1,John Smith,a@a.test,\nB1,John Smith,,York\n",
      "A1,John Smith,a@a.test,\na1,John Smith,,York\n")),
    ("A1,John Smith,,\n,John Smith,b@b.test,York\n", "a code as well: the same",
     ("A1,John Smith,,\nB1,John Smith,b@b.test,York\n", "A1,John Smith,,\nA1,John Smith,b@b.test,York\n")),
    ("A1,John Smith,a@a.test,\nB1,John Smith,a@a.test,\n", "let their names differ or leave out the e-mail of one",
     ("A1,John Smith,a@a.test,\nB1,John Smith jr,a@a.test,\n", "A1,John Smith,a@a.test,\nB1,John Smith,,\n",
      "A1,John Smith,a@a.test,\nA1,John Smith,a@a.test,\n")),
    (",John Smith,,York\n,John Smith,,Leeds\n", "Give each line a code or an e-mail",
     ("A1,John Smith,,York\nB1,John Smith,,Leeds\n", ",John Smith,a@a.test,York\n,John Smith,b@b.test,Leeds\n")),
])
def test_father_and_son_come_in_as_soon_as_what_the_sentence_says_is_done(
    rows: str, says: str, mended: tuple[str, ...]
) -> None:
    assert says in wrong_with(rows)[0].message
    assert not any(wrong_with(each) for each in mended)


def test_a_column_that_says_the_same_of_everybody_is_no_work_for_each_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Prospect] = []
    mail_of = prospects._mail_of
    monkeypatch.setattr(prospects, "_mail_of", lambda one: asked.append(one) or mail_of(one))
    assert not wrong_with("".join(f"A{n},Limited company,m{n}@a.test,\n" for n in range(200)))
    assert wrong_with("".join(f"A{n},Limited company,a@a.test,\n" for n in range(200)))
    assert 0 < len(asked) <= 5 * 400


@pytest.mark.parametrize(("heads", "called"), [
    ("Date,Client,Project,Task,Hours", "time entries"),
    ("Date,Staff,Client,Job No.,Task,Minutes", "time entries"),
    ("Work Title,Client,Assignee,Status,Due Date", "matters"),
    ("Display Number,Client,Responsible Attorney,Open Date,Closed Date", "matters"),
    ("Case,Client,Status", "matters"),
    ("Invoice Number,Client,Date,Due Date,Amount,Balance,Status", "bills"),
    ("*ContactName,EmailAddress,*InvoiceNumber,*InvoiceDate,*DueDate,Total", "bills"),
    ("Client,Payment date,Payment method,Amount", "payments"), ("Date,Description,Amount,Balance", "bank movements"),
    ("Employee ID,First Name,Last Name,Email,Job Title,Hire Date,Hourly Rate", "staff"),
    ("Name,Email,Terms,Opening Balance,Opening Balance Date", ""), ("First name,Last name,Email,Job title", ""),
    ("Client,Status,Start date", ""), ("Name,Email,Job,Status,Date,Hours", ""), ("Name,City", ""),
])
def test_lists_of_something_else_are_known_by_their_kind(heads: str, called: str) -> None:
    assert other_list(heads.split(",")) == called


def test_the_same_row_twice_is_one_client(cast: Cast, tmp_path: Path) -> None:
    report = bring(file_of(tmp_path, "Name,City\nOne Ltd,Leeds\nOne Ltd,Leeds\n"), dry_run=True)
    assert (report["errors"], report["created"], report["rows"]) == ([], 1, 2)


def test_name_and_company_make_a_company_with_its_contact(cast: Cast, tmp_path: Path) -> None:
    text = "Name,Company,Email\nJane Doe,Jane’s Bakery Ltd,j@jane.test\nJoe Doe,Jane’s Bakery Ltd,joe@jane.test\n"
    report = bring(file_of(tmp_path, text))
    assert (report["failed"], report["created"]) == ([], 1)
    bakery = named("Jane’s Bakery Ltd")[0]
    people = db.session.scalars(
        sa.select(Contact.name).join(ClientContact, ClientContact.contact_id == Contact.id)
        .where(ClientContact.client_id == bakery.id).order_by(Contact.sort_key)
    ).all()
    assert bakery.kind.value == "organisation" and people == ["Jane Doe", "Joe Doe"]
    report = bring(file_of(tmp_path, text), dry_run=True)
    assert report["unchanged"] == 1


@pytest.mark.parametrize(("content", "encoding"), [
    ((CASES / "utf16_nobom.csv").read_bytes(), "utf-16-le"),
    ("Name,City\nZoë Ltd,Łódź\n".encode("utf-16-be"), "utf-16-be"),
    ((CASES / "macroman.csv").read_bytes(), "mac_roman"),
    ("Name;Ort\nMüller & Söhne;Köln\n".encode("cp1252"), "cp1252"),
    ("Name,City\nD’Souza – Garçon,Orléans\n".encode("cp1252"), "cp1252"),
    ("Name,City\nZażółć,Łódź\n".encode("cp1250"), "cp1250"),
    ("Name,City\nИванов ООО,Москва\n".encode("cp1251"), "cp1251"),
    ("Name,City\nZoë,Köln\nMüller,".encode() + b"\xff\n", "utf-8"),
])
def test_the_encoding_is_found(content: bytes, encoding: str) -> None:
    assert find_encoding(content) == encoding


def test_one_bad_byte_is_an_error_of_its_cell_and_changes_no_other(cast: Cast, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("Name,City\nZoë Ltd,Köln\nBad ".encode() + b"\xe9" + " Ltd,Łódź\n".encode())
    report = bring(path, skip_errors=True)
    assert errors(report) == [(3, "Name", "Bad \ufffd Ltd")]
    assert report["created"] == 1 and named("Zoë Ltd")[0].address == "Köln"


def test_an_older_encoding_is_told_with_the_words_that_show_it(cast: Cast) -> None:
    warning = dry("macroman.csv")["warnings"][0]
    assert "Mac Roman" in warning["message"] and "Café" in warning["read"]


def test_a_control_sign_never_becomes_part_of_a_name(cast: Cast, tmp_path: Path) -> None:
    report = bring(file_of(tmp_path, "Name\nBell\x07 Ltd\nNull\x00 Ltd\nC1\x85 Ltd\n"), dry_run=True)
    assert [line for line, _, _ in errors(report)] == [2, 3, 4]
    assert "U+0007" in report["errors"][0]["message"]


def test_lines_are_counted_as_an_editor_shows_them(cast: Cast) -> None:
    assert errors(dry("leading_blank.csv")) == [(5, "Email", "not-a-mail")]
    assert errors(dry("multiline_rownum.csv")) == [(5, "Email", "not-a-mail")]


def test_line_breaks_of_an_address_stay(cast: Cast) -> None:
    bring(CASES / "multiline_rownum.csv", skip_errors=True)
    assert named("One Ltd")[0].address == "1 A St\nFloor 2\nWing 3"


def test_the_header_is_found_below_its_title_and_a_date_below_is_no_client(cast: Cast) -> None:
    report = dry("title_rows.csv")
    assert (report["created"], report["errors"]) == (2, [])
    assert [warning["line"] for warning in report["warnings"]] == [1, 2, 3, 9]
    assert "says when the list was made" in report["warnings"][3]["message"]


def test_a_total_is_noticed_and_added_to_nothing(cast: Cast) -> None:
    report = dry("total_row.csv")
    assert report["opening_balances"]["total"] == "150.00" and report["created"] == 2
    assert [warning["line"] for warning in report["warnings"]] == [4]


@pytest.mark.parametrize(("line", "says"), [
    ("name,EMAIL,Opening balance,", "is the header once more"),
    ("Total (2 clients)", "counts the list"),
    ("Total: 2 customers,,150", "counts the list"),
    (",Total,150.00", "is a total of the list"), ("Total,,EUR 150.00", "is a total of the list"),
    ("Grand total:,,", "is a total of the list"),
    (",,150.00", "numbers and no name"),
    ("Page 1 of 2", "stands below the list"),
    ("Exported on 26 November 2026 by Jane", "says when the list was made"),
])
def test_what_stands_between_and_below_the_rows_is_no_client(line: str, says: str) -> None:
    found = parse_table(io.BytesIO(f"Name,Email,Opening balance\nOne Ltd,,100\nTwo Ltd,,50\n{line}\n".encode()))
    assert [row[0] for row in found["rows"]] == ["One Ltd", "Two Ltd"]
    assert [(told["line"], told["error"]) for told in found["remarks"]] == [(4, False)]
    assert says in found["remarks"][0]["message"]


@pytest.mark.parametrize("heads", ["Name", "Name,City"])
def test_a_narrow_list_has_a_foot_and_a_second_header_too(heads: str) -> None:
    text = f"{heads}\nOne Ltd\n{heads}\nTotal 3 Ltd\nPage 1 Books Ltd\nPage 1 of 2\nExported on 26/11/2026\n"
    assert [row[0] for row in parse_table(io.BytesIO(text.encode()))["rows"]] == [
        "One Ltd", "Total 3 Ltd", "Page 1 Books Ltd",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["excel_error.csv", "errors.xlsx"])
def test_an_error_of_the_spreadsheet_is_one_of_its_cell(cast: Cast, name: str) -> None:
    report = dry(name)
    assert (2, "Email", "#N/A") in errors(report)
    assert all(read.startswith("#") for _, _, read in errors(report))


def test_the_noise_of_a_float_is_no_part_of_a_number(cast: Cast) -> None:
    report = bring(CASES / "errors.xlsx", dry_run=True, skip_errors=True)
    assert not any(line == 4 for line, _, _ in errors(report))


def test_a_number_that_was_cut_short_is_refused(cast: Cast) -> None:
    report = dry("sci.csv")
    assert errors(report) == [(2, "Phone", "4.41632E+11"), (2, "Client code", "1.2E+05")]


def test_digits_that_are_lost_in_another_spelling_are_no_number_either(cast: Cast, tmp_path: Path) -> None:
    rows = "1E5,One Ltd,4.41632E11\n2E10,Two Ltd,########\n3,Three Ltd,\"4,41632e11\"\n"
    report = bring(file_of(tmp_path, "Client code,Name,Phone\n" + rows), dry_run=True)
    assert errors(report) == [(2, "Phone", "4.41632E11"), (3, "Phone", "########"), (4, "Phone", "4,41632e11")]


@pytest.mark.parametrize(("text", "line", "says"), [
    ("Name,City\nOne Ltd,Leeds\n\"Two Ltd,York\nThree Ltd,Bath\n", 3, "never closed, so all down to line 4"),
    ("Name,City\nOne Ltd,Leeds\n\"Two Ltd,York\nThree \"Ltd,Bath\nFour Ltd,Hull\n", 3, "closes in line 4"),
    ("Name,City\n\"One\" Ltd,Leeds\n", 2, "after a closing quote"),
    ("Name,City\nOne Ltd,Leeds,UK\n", 2, "3 cells under a header of 2"),
])
def test_quotes_and_cells_that_do_not_fit_are_errors_of_their_line(
    cast: Cast, tmp_path: Path, text: str, line: int, says: str
) -> None:
    report = bring(file_of(tmp_path, text), dry_run=True)
    assert [error["line"] for error in report["errors"]] == [line] and says in report["errors"][0]["message"]


def test_every_error_is_kept_however_many_there_are() -> None:
    """A row whose error is forgotten would come in."""
    wrong = "".join(f"B{number}\ufffd,x\n\"A\" {number},x\n" for number in range(1_200))
    remarks = parse_table(io.BytesIO(f"Name,City\n{wrong}".encode()))["remarks"]
    assert [each["line"] for each in remarks if each["error"]] == list(range(2, 2_402))


def test_what_is_kept_of_a_list_fits_into_a_row_of_a_backup() -> None:
    """Its file in hexadecimal, and all that was read from it."""
    assert 2 * LARGEST + LIMITS.answer < MOST_LINE


def test_missing_cells_doubled_heads_and_sep_are_noticed(cast: Cast, tmp_path: Path) -> None:
    report = bring(file_of(tmp_path, "sep=;\nName;Email;Email;City\nOne Ltd;a@a.test;b@b.test\n"), dry_run=True)
    assert (report["created"], report["errors"]) == (1, [])
    assert [(w["line"], w["column"]) for w in report["warnings"]] == [(2, "Email (2)"), (3, "")]


@pytest.mark.parametrize("name", ["rtl.csv", "pipes_in_cell.csv", "one_col.csv", "smart_spaces.csv", "date_cell.csv"])
def test_what_looks_odd_and_is_right_comes_in_as_written(cast: Cast, name: str) -> None:
    report = dry(name)
    assert report["errors"] == [] and report["created"] == report["rows"] and report["warnings"] == []
    names = [str(row[0]) for row in read_table((CASES / name).read_bytes()).rows]
    assert {
        "rtl.csv": ['שולחן בע"מ', "شركة المثال", "=2+3"], "pipes_in_cell.csv": ["Pipe Ltd"],
        "one_col.csv": ["Solo Ltd", "Duo Ltd"], "smart_spaces.csv": ["Nbsp Ltd", "Zw Ltd"],
        "date_cell.csv": ["Date Ltd"],
    }[name] == names


def test_balances_are_read_or_refused_and_never_a_hundredfold(cast: Cast) -> None:
    report = dry("balance_formats.csv")
    refused = {read for _, _, read in errors(report)}
    assert refused <= {"1.234,50", "12 CR", "0,500", "€ 12", "1,234"}
    assert "500" not in report["opening_balances"]["total"]


OTHERS = {"clio_matters_template": "matters", "clio_activities_template": "activities",
          "toggl_detailed": "time entries", "clockify_detailed": "time entries"}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_lists_of_other_systems_are_known_by_their_heads(cast: Cast, tmp_path: Path, name: str) -> None:
    columns = HEADS[name]["columns"]
    path = file_of(tmp_path, ",".join(columns) + "\n" + ",".join("x" for _ in columns) + "\n")
    if name in OTHERS:
        with pytest.raises(Refused, match=f"a list of {OTHERS[name]}.*not of clients"):
            bring(path, dry_run=True)
        return
    bring(path, dry_run=True)
    source = recognise(columns)
    targets = set(guess_mapping(columns, source).values())
    assert (source is not Source.OTHER) or {"name", "phone"} <= targets
    assert {"name"} & targets or {"first_name", "last_name", "company"} <= targets
