"""The firm's screens of requests and documents."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.core.actors import SYSTEM
from app.core.db import db
from app.core.ids import new_id
from app.documents.commands.checking import check_document
from app.requests.commands.answering import save_answer, submit_answers
from app.requests.models import ClientRequest, ItemState, RequestState
from tests.jobs.make_jobs import make_chain, make_job
from tests.make import sign_in
from tests.requests.make_requests import FILES, TURNOVER, fresh, give_file, item_of, mails, make_request


@pytest.fixture(autouse=True)
def no_csrf(app: Flask) -> Iterator[None]:
    kept = app.config.get("WTF_CSRF_ENABLED", True)
    app.config["WTF_CSRF_ENABLED"] = False
    yield
    app.config["WTF_CSRF_ENABLED"] = kept


def form_of(cast: Any, **values: Any) -> dict[str, Any]:
    return {
        "id": str(new_id()), "client": str(cast.acme.id), "client_text": "Acme Ltd", "name": "VAT return Q3",
        "items-code": ["", "", ""], "items-label": ["Bank statements", "Did you buy a car?", ""],
        "items-kind": ["upload", "yes_no", "upload"], "items-required": ["yes", "no", "yes"],
        "items-help": ["", "", ""], "items-options": ["", "", ""], "remind_after": "3", "remind_every": "4",
        "remind_most": "5", "send": "1", **values,
    }


def test_a_request_written_on_screen_is_sent_once_however_often_it_is_pressed(client: FlaskClient, cast: Any) -> None:
    sign_in(client, cast.mel)
    assert client.get(f"/requests/new?client={cast.acme.id}").status_code == 200
    form = form_of(cast)
    for _ in range(2):
        answer = client.post("/requests/new", data=form)
        assert answer.status_code == 303, answer.text[:2000]
    (request,) = db.session.scalars(sa.select(ClientRequest)).all()
    request = fresh(request)
    assert request.state is RequestState.SENT
    assert [(item.label, item.required) for item in request.items] == [
        ("Bank statements", True), ("Did you buy a car?", False)
    ]
    assert len(mails("requests.request")) == 1
    assert client.get(answer.location).status_code == 200


def test_a_refused_form_keeps_what_was_typed(client: FlaskClient, cast: Any) -> None:
    sign_in(client, cast.mel)
    page = client.post("/requests/new", data=form_of(cast, name="", message="Dear Cleo"))
    assert page.status_code == 422
    assert "Dear Cleo" in page.text and "Did you buy a car?" in page.text


def test_a_draft_is_edited_and_sent_to_whom_is_chosen(client: FlaskClient, cast: Any) -> None:
    sign_in(client, cast.mel)
    request = make_request(cast, sent=False)
    page = client.get(f"/requests/{request.id}/edit")
    assert page.status_code == 200 and "Bank statements October" in page.text
    form = form_of(cast, name="Changed", version=str(request.version), id=str(request.id))
    assert client.post(f"/requests/{request.id}/edit", data=form).status_code == 303
    stale = client.post(f"/requests/{request.id}/edit", data=form)
    assert stale.status_code == 422 and "Somebody else changed this" in stale.text
    sent = client.post(f"/requests/{request.id}/sending", data={"contact": str(cast.cleo.id)})
    assert sent.status_code == 303
    assert (fresh(request).name, fresh(request).state) == ("Changed", RequestState.SENT)


def test_things_are_reviewed_one_by_one(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    cleo = cast.contact(cast.cleo)
    body = (FILES / "good" / "testJPEG_EXIF.jpg").read_bytes()
    document = give_file(item_of(request, "statements"), "photo.jpg", body, by=cleo)
    save_answer(item_of(request, "turnover"), ["12"], by=cleo)
    submit_answers(fresh(request), by=cleo)
    sign_in(client, cast.sam)
    page = client.get(f"/requests/{request.id}")
    assert "photo.jpg" in page.text and "Accept all 2" in page.text
    opened = client.get(f"/documents/{document.id}/preview")
    assert opened.status_code == 200 and opened.content_type == "image/jpeg" and opened.data == body
    turnover = item_of(request, "turnover").id
    assert client.post(f"/requests/items/{turnover}/return", data={"reason": ""}).status_code == 422
    assert client.post(f"/requests/items/{turnover}/return", data={"reason": "In pounds"}).status_code == 303
    accepted = client.post(
        f"/requests/items/{item_of(request, 'statements').id}/acceptance", headers={"HX-Request": "true"}
    )
    assert accepted.status_code == 200
    assert item_of(fresh(request), "statements").state is ItemState.ACCEPTED
    entered = client.post(f"/requests/items/{turnover}/answer", data={"value": "15"})
    assert entered.status_code == 303 and "Entered by us for the client" in client.get(f"/requests/{request.id}").text


def test_a_refused_review_says_why_beside_its_field_and_keeps_what_was_typed(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    save_answer(item_of(request, "turnover"), ["12"], by=cast.contact(cast.cleo))
    submit_answers(fresh(request), by=cast.contact(cast.cleo))
    sign_in(client, cast.sam)
    turnover = item_of(request, "turnover").id
    page = client.post(f"/requests/items/{turnover}/return", data={"reason": " "})
    assert page.status_code == 422 and f'id="reason-{turnover}-error"' in page.text
    page = client.post(f"/requests/items/{turnover}/exception", data={"because": "No turnover"})
    assert page.status_code == 422 and "note late" in page.text, "what is answered has no field to say it beside"
    client.post(f"/requests/items/{turnover}/return", data={"reason": "In pounds"})
    page = client.post(f"/requests/items/{turnover}/answer", data={"value": "about ten"})
    assert page.status_code == 422 and f'id="for-{turnover}-error"' in page.text and 'value="about ten"' in page.text


def test_staff_see_a_refused_and_a_locked_file_marked(client: FlaskClient, cast: Any) -> None:
    request, cleo = make_request(cast), cast.contact(cast.cleo)
    give_file(item_of(request, "statements"), "run.exe", b"MZ" + bytes(600), by=cleo)
    locked = give_file(item_of(request, "statements"), "a.pdf", (FILES / "good" / "basicapi.pdf").read_bytes(), by=cleo)
    locked.remark = "This PDF is locked."
    db.session.flush()
    sign_in(client, cast.sam)
    page = client.get(f"/requests/{request.id}").text
    assert '<li class="file late">' in page and '<span class="toned">This PDF is locked.</span>' in page


def test_the_list_its_csv_and_the_sections_of_client_and_job_show_it(client: FlaskClient, cast: Any) -> None:
    job = make_job(cast.acme_work)
    first, _second = make_chain(job, "Collect records", "Prepare")
    request = make_request(cast, job_id=job.id, task_id=first.id, engagement_id=cast.acme_work.id, items=(TURNOVER,))
    give_to = make_request(cast, client=cast.rival, name="Of Rival")
    sign_in(client, cast.mel)
    for path in ("/requests", "/requests?view=all", "/requests/export.csv", f"/clients/{cast.acme.id}/requests",
                 f"/jobs/{job.id}/requests"):
        page = client.get(path)
        assert page.status_code == 200 and request.name in page.text, path
    for path in (f"/jobs/{job.id}/documents", f"/clients/{cast.acme.id}/documents", "/requests?view=submitted",
                 "/requests?view=overdue"):
        assert client.get(path).status_code == 200, path
    assert client.get(f"/requests/new?job={job.id}").status_code == 200
    sign_in(client, cast.wes)
    assert "Of Rival" not in client.get("/requests?view=all").text
    assert client.get(f"/requests/{give_to.id}").status_code == 404


def test_the_list_asks_the_database_as_often_for_fifty_as_for_one(
    client: FlaskClient, cast: Any, max_queries: Callable[[int], Any]
) -> None:
    sign_in(client, cast.mel)
    for number in range(12):
        make_request(cast, name=f"Request {number}")
    client.get("/requests")
    with max_queries(12):
        assert client.get("/requests").text.count("data-row") == 12


def test_a_document_uploaded_by_us_is_shared_and_opened(client: FlaskClient, cast: Any) -> None:
    sign_in(client, cast.sam)
    body = b"%PDF-1.4\n%%EOF\n"
    plan = client.post(f"/clients/{cast.acme.id}/uploads?share=1",
                       json={"id": str(new_id()), "name": "Accounts.pdf", "size": len(body)}).json
    urllib.request.urlopen(urllib.request.Request(plan["addresses"]["1"], data=body, method="PUT")).close()
    assert client.post(plan["urls"]["completion"], json={}).json["state"] == "received"
    check_document(UUID(plan["id"]), by=SYSTEM)
    page = client.get(f"/clients/{cast.acme.id}/documents")
    assert "Accounts.pdf" in page.text and "Client sees it" in page.text
    assert client.get(f"/documents/{plan['id']}/file").status_code == 303
    for act in ("sharing/end", "sharing", "archive"):
        assert client.post(f"/documents/{plan['id']}/{act}").status_code == 303
    assert "Accounts.pdf" not in client.get(f"/clients/{cast.acme.id}/documents").text
