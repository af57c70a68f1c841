"""How a file is read, chosen by hand: sheet, header, encoding; and what its columns mean, kept under a name."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.activity.models import Event
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.exchange.clients.commands import (
    delete_mapping,
    digest_of_plan,
    keep_import,
    map_columns,
    plan_import,
    read_anew,
    read_import,
    rename_mapping,
    save_mapping,
    start_import,
    undo_import,
    use_mapping,
)
from app.exchange.clients.commands.importing import put_values
from app.exchange.clients.formats import HEADS, Source
from app.exchange.clients.queries import mappings_for
from app.exchange.encodings import CHOICES
from app.exchange.files import Chosen, Table, read_table
from app.exchange.models import ClientImport, ColumnMapping
from app.runs.commands import work_run
from tests.exchange.test_import_clients import bring, file_of, workbook
from tests.exchange.test_import_screen import text_of
from tests.jobs.make_jobs import make_job
from tests.make import Cast, count, not_for, sign_in
from tests.test_small_commands import told


def kept(content: bytes, cast: Cast, name: str = "list.csv") -> ClientImport:
    mel = cast.actor(cast.mel)
    return keep_import(read_import(new_id(), name, content, cast.office.id, by=mel), by=mel)


def names_in(found: ClientImport, cast: Cast) -> list[str]:
    return [one.prospect.name for one in plan_import(found, seen_by=cast.actor(cast.mel))]


def book(tmp_path: Path) -> bytes:
    cover = [("Prepared for Hartwell",), ("by the old system",)]
    matters = [("Matter", "Open date", "Client"), ("Estate", "2024-01-01", "Someone Ltd")]
    clients = [("Our clients", ""), ("Client name", "Email"), ("Olive Ltd", "o@olive.test")]
    former = [("Client name", "Email"), ("Gone Ltd", "g@gone.test")]
    return workbook(tmp_path / "a.xlsx", cover, Matters=matters, Clients=clients, Former=former).read_bytes()


def test_the_sheet_with_clients_is_guessed_and_another_can_be_chosen(cast: Cast, tmp_path: Path) -> None:
    found = kept(book(tmp_path), cast, "a.xlsx")
    assert found.reading["sheets"] == ["List", "Matters", "Clients", "Former"]
    assert (found.reading["sheet"], found.reading["header_line"]) == ("Clients", 2)
    assert names_in(found, cast) == ["Olive Ltd"]
    mel = cast.actor(cast.mel)
    read_anew(found, Chosen(sheet="Former"), by=mel)
    assert names_in(found, cast) == ["Gone Ltd"]
    read_anew(found, Chosen(sheet="Matters"), by=mel)
    with pytest.raises(Refused, match="This is a list of matters"):
        plan_import(found, seen_by=mel)
    with pytest.raises(Refused, match="no sheet of this name"):
        read_anew(found, Chosen(sheet="Nowhere"), by=mel)
    assert found.reading["sheet"] == "Matters"


def test_the_header_row_can_be_chosen_and_the_first_lines_show_it(cast: Cast) -> None:
    found = kept(b"Name,City\nfirst try,\nWho,Where\nOlive Ltd,Leeds\n", cast)
    assert (found.header, found.reading["header_line"]) == (["Name", "City"], 1)
    assert found.reading["top"][2] == [3, ["Who", "Where"]]
    mel = cast.actor(cast.mel)
    read_anew(found, Chosen(header_line=3), by=mel)
    assert (found.header, found.reading["header_line"], found.mapping) == (["Who", "Where"], 3, {})
    map_columns(found, {"Who": "name"}, cast.office.id, by=mel, portal_access=False)
    read_anew(found, Chosen(header_line=3), by=mel)
    assert names_in(found, cast) == ["Olive Ltd"], "the same header keeps what its columns mean"
    read_anew(found, Chosen(header_line=4), by=mel)
    with pytest.raises(Refused, match="No rows stand under this header"):
        plan_import(found, seen_by=mel)
    assert found.reading["top"][2] == [3, ["Who", "Where"]]


def test_the_encoding_can_be_chosen(cast: Cast) -> None:
    found = kept("Name\nŁódź Żółw\nPlain\n".encode("cp1250"), cast)
    read_anew(found, Chosen(encoding="cp1250"), by=cast.actor(cast.mel))
    assert names_in(found, cast) == ["Łódź Żółw", "Plain"] and found.reading["encoding"] == "cp1250"
    assert not [remark for remark in found.remarks if "not in UTF-8" in remark["message"]]
    with pytest.raises(Refused, match="one of the encodings shown"):
        read_anew(found, Chosen(encoding="rot13"), by=cast.actor(cast.mel))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_a_file_with_a_mark_is_read_anew_as_it_was_guessed(cast: Cast, encoding: str) -> None:
    found = kept('old,\n"Name","Town"\nZoë,Ely\n'.encode(encoding), cast)
    assert found.reading["encoding"] in CHOICES
    read_anew(found, Chosen(header_line=1, encoding=found.reading["encoding"]), by=cast.actor(cast.mel))
    read_anew(found, Chosen(header_line=2, encoding=found.reading["encoding"]), by=cast.actor(cast.mel))
    assert (found.header, found.rows) == (["Name", "Town"], [["Zoë", "Ely"]])


def test_a_mark_is_no_part_of_a_quoted_head(cast: Cast) -> None:
    table = read_table('"Name, full","Town"\nZoë,Ely\n'.encode("utf-8-sig"), HEADS, Chosen(encoding="utf-8"))
    assert table.header == ["Name, full", "Town"]


def test_what_was_shown_of_a_file_is_what_comes_in_though_somebody_reads_it_otherwise_meanwhile(cast: Cast) -> None:
    mel, found = cast.actor(cast.mel), kept("Name\nŁódź Żółw\n".encode("cp1250"), cast)
    for change in (lambda: read_anew(found, Chosen(encoding="cp1252"), by=mel),
                   lambda: map_columns(found, found.mapping, found.office_id, by=mel, portal_access=True)):
        shown = digest_of_plan(found, plan_import(found, seen_by=mel))
        change()
        with pytest.raises(Refused, match="has changed since it was shown"):
            start_import(found, by=mel, decide=lambda _: "", foreseen=shown)


def test_the_command_line_chooses_too(cast: Cast, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(book(tmp_path))
    report = bring(path, dry_run=True, sheet="Former")
    assert (report["reading"], report["created"]) == ({"sheet": "Former", "header_line": 1}, 1)
    with pytest.raises(Refused, match="in which encoding it is"):
        bring(path, dry_run=True, encoding="cp1250")
    path = file_of(tmp_path, "Name,City\nfirst try,\nClient name,Where\nOlive Ltd,Leeds\n")
    report = bring(path, dry_run=True, header_line=3, encoding="cp1250")
    assert (report["reading"], report["created"]) == ({"encoding": "cp1250", "header_line": 3}, 1)
    for wrong, says in (({"sheet": "Former"}, "has no sheets"), ({"encoding": "rot13"}, "encodings shown: utf-8, "),
                        ({"header_line": 4}, "No rows stand under this header")):
        with pytest.raises(Refused, match=says):
            bring(path, dry_run=True, **wrong)


def test_a_lost_letter_never_becomes_part_of_a_name(cast: Cast) -> None:
    table = read_table("Name\nM\ufffdller\nPlain\n".encode(), HEADS)
    assert [(remark.line, remark.error) for remark in table.remarks] == [(2, True)]
    assert "stands for a lost letter" in table.remarks[0].message


def test_how_a_file_is_read_is_chosen_only_until_its_import_starts(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    mel, mapping = cast.actor(cast.mel), said(cast=cast)
    found = kept(b"Name\nOlive Ltd\n", cast)
    with pytest.raises(NotAllowed):
        read_anew(found, Chosen(header_line=1), by=cast.actor(cast.sam))
    table = read_table(b"Name,Town\nGold Ltd,Ely\n")

    def start_meanwhile(*_: object) -> Table:
        start_import(found, by=mel, decide=lambda _: "")
        return table

    monkeypatch.setattr("app.exchange.clients.commands.reading.read_table", start_meanwhile)
    for late in (lambda: read_anew(found, Chosen(header_line=1), by=mel),
                 lambda: map_columns(found, {}, cast.office.id, by=mel, portal_access=True),
                 lambda: use_mapping(found, mapping, by=mel)):
        with pytest.raises(Refused, match="has already started"):
            late()
    db.session.flush()
    assert (found.content, found.header, found.mapping) == (None, ["Name"], {"Name": "name"})
    with pytest.raises(Refused, match="not kept any more"):
        read_anew(found, Chosen(header_line=1), by=mel)


def test_an_import_starts_once_and_is_taken_back_once(cast: Cast) -> None:
    mel, found = cast.actor(cast.mel), kept("Name\nOlive Ltd\nB\ufffd\n".encode(), cast)
    with pytest.raises(Refused, match="has not started"):
        undo_import(found, by=mel)
    with pytest.raises(Refused, match="1 rows have errors"):
        start_import(found, by=mel, decide=lambda _: "")
    run = start_import(found, by=mel, decide=lambda _: "", skip_errors=True)
    assert start_import(found, by=mel, decide=lambda _: "", skip_errors=True).id == run.id
    work_run(run.id, lambda _: mel)
    assert undo_import(found, by=mel).id == undo_import(found, by=mel).id == found.undo_run_id


def said(name: str = "Old system", cast: Cast | None = None) -> ColumnMapping:
    assert cast is not None
    found = kept(b"Kunde X,Tel X\nOlive Ltd,1\n", cast)
    map_columns(found, {"Kunde X": "name", "Tel X": "phone"}, cast.office.id, by=cast.actor(cast.mel),
                portal_access=False, number_format="1.234,56")
    return save_mapping(found, name, by=cast.actor(cast.mel))


def test_a_mapping_has_a_name_and_is_offered_where_its_columns_stand(cast: Cast) -> None:
    mel, mapping = cast.actor(cast.mel), said(cast=cast)
    same = kept(b"tel x,More,KUNDE X\n2,,Gold Ltd\n", cast)
    other = kept(b"Kunde X,City\nRed Ltd,York\n", cast)
    assert (mappings_for(same, seen_by=mel), mappings_for(other, seen_by=mel)) == ([mapping], [])
    assert same.mapping == {}
    use_mapping(same, mapping, by=mel)
    assert (same.mapping, same.number_format) == ({"tel x": "phone", "KUNDE X": "name"}, "1.234,56")
    assert names_in(same, cast) == ["Gold Ltd"] and same.source == Source.OTHER


def test_a_name_stands_for_one_header(cast: Cast) -> None:
    mel, mapping = cast.actor(cast.mel), said(cast=cast)
    again = said("old SYSTEM", cast)
    assert again.id == mapping.id and count(ColumnMapping) == 1
    found = kept(b"Name\nOlive Ltd\n", cast)
    with pytest.raises(Refused, match="stands for another header already"):
        save_mapping(found, "Old system", by=mel)
    save_mapping(found, "Names", by=mel)
    with pytest.raises(Refused, match="There is a Names already"):
        rename_mapping(mapping, "names", by=mel)
    with pytest.raises(Refused, match="at most 80"):
        rename_mapping(mapping, "x" * 81, by=mel)
    for refused in (lambda: save_mapping(found, "x", by=cast.actor(cast.sam)),
                    lambda: rename_mapping(mapping, "x", by=cast.actor(cast.sam)),
                    lambda: delete_mapping(mapping, by=cast.actor(cast.sam)),
                    lambda: use_mapping(found, mapping, by=cast.actor(cast.sam))):
        with pytest.raises(NotAllowed):
            refused()


def test_kept_columns_are_deleted_once_and_imports_that_used_them_stay(cast: Cast) -> None:
    mel, mapping = cast.actor(cast.mel), said(cast=cast)
    found = kept(b"Kunde X,Tel X\nGold Ltd,2\n", cast)
    use_mapping(found, mapping, by=mel)
    for by in (cast.actor(cast.sam), cast.contact(cast.cleo)):
        with pytest.raises(NotAllowed):
            delete_mapping(mapping, by=by)
    for _twice in range(2):
        delete_mapping(mapping, by=mel)
    assert count(ColumnMapping) == 0 and names_in(found, cast) == ["Gold Ltd"]
    assert told("exchange.mapping.delete") == 1


def send(client: FlaskClient, cast: Cast, content: bytes, name: str) -> UUID:
    import_id = new_id()
    data: dict[str, Any] = {"id": str(import_id), "office_id": str(cast.office.id),
                            "file": (io.BytesIO(content), name)}
    assert client.post("/clients/import", data=data).status_code == 303
    return import_id


def test_the_page_offers_the_choices_and_keeps_columns_under_a_name(
    client: FlaskClient, cast: Cast, tmp_path: Path
) -> None:
    sign_in(client, cast.mel)
    at = f"/clients/import/{send(client, cast, book(tmp_path), 'a.xlsx')}"
    page = text_of(client.get(at))
    assert '<option value="Clients" selected>' in page and 'value="2" checked' in page and "Our clients" in page
    client.post(f"{at}/reading", data={"sheet": "Former", "header_line": "2"})
    page = text_of(client.get(at))
    assert '<option value="Former" selected>' in page and "Gone Ltd" in page and 'value="1" checked' in page
    answer = client.post(f"{at}/reading", data={"sheet": "No"})
    assert answer.status_code == 422 and "no sheet of this name" in text_of(answer)
    columns = {"column-0": "name", "column-1": "email", "save_as": "Old system"}
    assert client.post(f"{at}/mapping", data=columns).status_code == 303
    content = b"Email,Client name,X\na@a.test,Gold Ltd,"
    second = f"/clients/import/{send(client, cast, content, 'b.csv')}"
    page = text_of(client.get(second))
    mapping = db.session.scalars(sa.select(ColumnMapping)).one()
    assert "Read it as <bdi>Old system</bdi>" in page
    client.post(f"{second}/kept-columns", data={"mapping_id": str(mapping.id)})
    answer = client.post(f"{second}/mapping", data={"column-1": "name", "save_as": "Old system"})
    assert answer.status_code == 422 and "another header already" in text_of(answer)
    assert 'value="Old system"' in text_of(answer), "what was typed is still there"
    kept_at = f"/clients/import/columns/{mapping.id}"
    assert "Client name" in text_of(client.get(kept_at)) and "Old system" in text_of(client.get("/clients/import"))
    assert client.post(kept_at, data={"name": " "}).status_code == 422
    client.post(kept_at, data={"name": "Older system"})
    assert "Older system" in text_of(client.get("/clients/import"))
    client.post(f"{kept_at}/removal")
    assert client.get(kept_at).status_code == 404 and count(ColumnMapping) == 0
    kinds = set(db.session.scalars(sa.select(Event.kind).where(Event.kind.startswith("exchange.mapping."))))
    assert kinds == {"exchange.mapping.save", "exchange.mapping.rename", "exchange.mapping.delete"}


def test_values_of_a_list_are_put_by_whoever_may_edit_the_client_and_end_no_open_work(cast: Cast) -> None:
    mel = cast.actor(cast.mel)
    not_for((cast.contact(cast.cleo), cast.contact(cast.otto)),
            lambda by: put_values(cast.acme, {"notes": "Mine"}, by=by))
    for _twice in range(2):
        put_values(cast.acme, {"notes": "Calls on Mondays", "archived": None}, by=mel)
    assert cast.acme.notes == "Calls on Mondays" and told("clients.client.update") == 1
    make_job(cast.acme_work)
    with pytest.raises(Refused, match="has open work"):
        put_values(cast.acme, {"archived": True}, by=mel)
    for archived in (True, False):
        put_values(cast.rival, {"archived": archived}, by=mel)
        assert (cast.rival.archived_at is not None) is archived
