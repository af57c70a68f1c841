"""The import on its screen: upload, look, decide, import, see the tie-out, take back."""

from __future__ import annotations

import io
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from app.clients.access import actor_for
from app.clients.models import Client
from app.core.db import db
from app.core.ids import new_id
from app.exchange.models import ClientImport
from app.people.models import Person
from app.runs.commands import work_run
from tests.make import Cast, sign_in

FILE = "Kunde,E-Mail,Ref,Stadt\nOlive Ltd,o@olive.example,O1,Leeds\nAcme Ltd,,A1,York\nBad Ltd,nobody,B1,\n"


def text_of(response: Any) -> str:
    return str(response.get_data(as_text=True))


def upload(client: FlaskClient, cast: Cast, content: bytes, import_id: str) -> Any:
    return client.post("/clients/import", data={
        "id": import_id, "office_id": str(cast.office.id), "file": (io.BytesIO(content), "liste.csv"),
    })


def work(found: ClientImport) -> None:
    def actor(person_id: Any) -> Any:
        return actor_for(db.session.get_one(Person, person_id))

    db.session.expire_all()
    for run_id in filter(None, (found.run_id, found.undo_run_id)):
        work_run(run_id, actor)


def test_from_the_file_to_the_tie_out_and_back(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.mel)
    cast.acme.address = ""
    import_id = str(new_id())
    for _ in range(2):
        assert upload(client, cast, FILE.encode(), import_id).status_code == 303
    page = text_of(client.get(f"/clients/import/{import_id}"))
    assert "Olive Ltd" in page and "row 3" in page.lower().replace("row 3 ", "row 3") and "Make a new client" in page
    assert "nobody is no e-mail address" in page
    assert client.post(f"/clients/import/{import_id}/start").status_code == 422
    client.post(f"/clients/import/{import_id}/mapping", data={
        "column-0": "name", "column-1": "email", "column-2": "code", "column-3": "city",
    })
    start = {"skip_errors": "1", "match-3": str(cast.acme.id)}
    assert client.post(f"/clients/import/{import_id}/start", data=start).status_code == 303
    found = db.session.scalars(sa.select(ClientImport)).one()
    work(found)
    page = text_of(client.get(f"/clients/import/{import_id}"))
    assert "Tie-out" in page and "Finished" in page
    olive = db.session.scalars(sa.select(Client).where(Client.name == "Olive Ltd")).one()
    assert (olive.code, olive.address, olive.office_id) == ("O1", "Leeds", cast.office.id)
    assert db.session.get_one(Client, cast.acme.id).address == "York"
    olive_id = olive.id
    client.post(f"/clients/import/{import_id}/undo")
    work(found)
    db.session.expire_all()
    assert db.session.scalar(sa.select(Client).where(Client.name == "Olive Ltd")) is None
    assert db.session.get_one(Client, cast.acme.id).address == ""
    page = text_of(client.get(f"/clients/import/{import_id}"))
    assert "Mel</bdi> took this import back" in page and "1 client removed" in page and "1 client as before" in page
    assert "Nothing of it stayed" in page and "Take the import back" not in page
    assert f'href="/clients/{cast.acme.id}"' in page and f'href="/clients/{olive_id}"' not in page


def test_only_who_may_imports(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    assert client.get("/clients/import").status_code == 403
    assert upload(client, cast, FILE.encode(), str(new_id())).status_code == 403


def test_what_is_no_list_is_answered_in_words(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.mel)
    answer = upload(client, cast, b"PK\x03\x04nothing", str(new_id()))
    assert answer.status_code == 422 and "cannot be opened" in text_of(answer)
    assert "Choose a file" in text_of(client.post("/clients/import", data={"office_id": str(cast.office.id)}))


def test_without_a_name_column_the_page_asks_for_one(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.mel)
    import_id = str(new_id())
    upload(client, cast, b"One,Two\na,b\n", import_id)
    page = text_of(client.get(f"/clients/import/{import_id}"))
    assert "Choose one below" in page
    client.post(f"/clients/import/{import_id}/mapping", data={"column-0": "name"})
    assert "Import 1 client<" in text_of(client.get(f"/clients/import/{import_id}"))
