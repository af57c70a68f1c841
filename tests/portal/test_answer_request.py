"""The clients' way through a request: link, answers, files, submission, and what the firm then sees."""

from __future__ import annotations

import re
import urllib.request
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.core.permissions import Permission
from app.requests.commands.answering import save_answer, submit_answers
from app.requests.commands.reviewing import accept_all, return_item
from app.requests.commands.writing import ItemSpec
from app.requests.models import ItemKind, ItemState, RequestState
from portal.whole_form import save_all
from tests.make import lacking, not_for
from tests.portal.make_portal import PortalClient, at_portal
from tests.requests.make_requests import FILES, fresh, give_file, item_of, link_in, mails, make_request


def test_the_link_opens_the_request_by_a_button_as_often_as_wanted(client: FlaskClient, cast: Any) -> None:
    make_request(cast)
    path = link_in(mails("requests.request")[0])
    browser = PortalClient(client)
    for _ in range(2):
        assert b"Show what is needed" in browser.get(path).data
        answer = browser.post(path)
        assert answer.status_code == 303
        page = browser.get(answer.location)
        assert page.status_code == 200
        assert b"Bank statements October" in page.data


def test_an_answer_saves_itself_and_is_counted_at_submit(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    browser = at_portal(client, cast.cleo, request)
    item = item_of(request, "turnover")
    path = f"/portal/requests/{request.id}"
    answer = browser.post(f"{path}/items/{item.id}/answer", data={"value": "1,234.50"}, headers={"HX-Request": "true"})
    assert answer.status_code == 200 and answer.text.startswith("Saved ")
    request = fresh(request)
    assert item_of(request, "turnover").answer == {"value": "1234.50", "currency": "GBP"}
    assert item_of(request, "turnover").state is ItemState.OPEN
    assert request.state is RequestState.IN_PROGRESS
    assert browser.post(f"{path}/submission").status_code == 303
    request = fresh(request)
    assert item_of(request, "turnover").state is ItemState.ANSWERED
    assert request.state is RequestState.IN_PROGRESS, "the statements are still missing"


def test_an_amount_is_read_as_the_contacts_language_writes_it_and_in_the_clients_currency(
    client: FlaskClient, cast: Any, session: Session
) -> None:
    cast.cleo.language, cast.acme.currency = "de", "KWD"
    request = make_request(cast)
    browser = at_portal(client, cast.cleo, request)
    item = item_of(request, "turnover")
    page, path = f"/portal/requests/{request.id}", f"/portal/requests/{request.id}/items/{item.id}/answer"
    shown = browser.get(page).text
    assert 'placeholder="0,000"' in shown and '<span class="unit">KWD</span>' in shown
    assert browser.post(path, data={"value": "1.234,5 KWD"}).status_code == 303
    assert item_of(fresh(request), "turnover").answer == {"value": "1234.5", "currency": "KWD"}
    assert 'value="1.234,500"' in browser.get(page).text
    refused = browser.post(path, data={"value": "1.500"})
    assert refused.status_code == 422 and 'value="1.500"' in refused.text
    assert "can be read as 1,500 or as 1.500,000" in refused.text
    assert browser.post(path, data={"value": "5 EUR"}).status_code == 422
    assert item_of(fresh(request), "turnover").answer == {"value": "1234.5", "currency": "KWD"}


def test_a_date_that_can_be_read_two_ways_is_asked_about_beside_its_field(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast, items=(ItemSpec(ItemKind.DATE, "When did the lease begin?", code="begun"),))
    browser, item = at_portal(client, cast.cleo, request), item_of(request, "begun")
    path = f"/portal/requests/{request.id}/items/{item.id}/answer"
    asked = browser.post(path, data={"value": "03/04/2026"})
    assert asked.status_code == 422 and "as 3 April 2026 or as 4 March 2026" in asked.text
    assert re.search(r'<input class="input"(?![^>]*type="date")[^>]* value="03/04/2026"', asked.text)
    assert item_of(fresh(request), "begun").answer is None
    assert browser.post(path, data={"value": "4 March 2026"}).status_code == 303
    assert item_of(fresh(request), "begun").answer == {"value": "2026-03-04"}
    shown = browser.get(f"/portal/requests/{request.id}").text
    assert re.search(r'<input class="input"[^>]* value="2026-03-04"[^>]* type="date"', shown)


def test_a_wrong_answer_is_refused_beside_its_field_with_what_was_typed(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    browser = at_portal(client, cast.cleo, request)
    path = f"/portal/requests/{request.id}/items/{item_of(request, 'turnover').id}/answer"
    page = browser.post(path, data={"value": "a lot"})
    assert page.status_code == 422
    assert b'value="a lot"' in page.data
    assert browser.post(path, data={"value": "a lot"}, headers={"HX-Request": "true"}).status_code == 422


def test_a_file_goes_to_storage_in_parts_and_the_whole_request_is_submitted(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    browser = at_portal(client, cast.cleo, request)
    path = f"/portal/requests/{request.id}"
    item = item_of(request, "statements")
    body = (FILES / "good" / "basicapi.pdf").read_bytes()
    file_id = str(new_id())
    plan = browser.post(f"{path}/items/{item.id}/uploads",
                        json={"id": file_id, "name": "October.pdf", "size": len(body)}).json
    assert plan["parts"] == 1
    put = urllib.request.Request(plan["addresses"]["1"], data=body, method="PUT")
    with urllib.request.urlopen(put) as sent:
        assert sent.status == 200
    assert browser.get(plan["urls"]["plan"]).json["arrived"] == [1]
    for _ in range(2):
        done = browser.post(plan["urls"]["completion"], json={"digests": []})
        assert done.json == {"id": file_id, "state": "received"}
    browser.post(f"{path}/items/{item_of(request, 'turnover').id}/answer", data={"value": "12"})
    assert browser.post(f"{path}/submission").status_code == 303
    assert fresh(request).state is RequestState.SUBMITTED


def test_what_was_sent_back_stands_first_with_its_reason(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    cleo = cast.contact(cast.cleo)
    save_answer(item_of(request, "turnover"), ["10"], by=cleo)
    submit_answers(request, by=cleo)
    return_item(item_of(fresh(request), "turnover"), "This is last year's figure.", by=cast.actor(cast.mel))
    browser = at_portal(client, cast.cleo, request)
    page = browser.get(f"/portal/requests/{request.id}").text
    assert page.index("last year&#39;s figure") < page.index("Bank statements October")
    path = f"/portal/requests/{request.id}/items/{item_of(request, 'turnover').id}/answer"
    assert browser.post(path, data={"value": "99"}, headers={"HX-Request": "true"}).status_code == 200


def test_a_finished_request_kills_its_link_and_stays_readable_for_who_signs_in(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    path = link_in(mails("requests.request")[0])
    cleo = cast.contact(cast.cleo)
    give_file(item_of(request, "statements"), "a.pdf", (FILES / "good" / "basicapi.pdf").read_bytes(), by=cleo)
    request = fresh(request)
    save_answer(item_of(request, "turnover"), ["10"], by=cleo)
    submit_answers(request, by=cleo)
    by_link = at_portal(client, cast.cleo, request)
    accept_all(fresh(request), by=cast.actor(cast.mel))
    assert fresh(request).state is RequestState.ACCEPTED
    gone = by_link.get(f"/portal/requests/{request.id}")
    assert gone.status_code == 303 and gone.location.endswith("/portal/sign-in")
    browser = PortalClient(client)
    assert b"This is finished" in browser.get(path).data
    assert browser.post(path).status_code == 410
    page = at_portal(client, cast.cleo).get(f"/portal/requests/{request.id}")
    assert page.status_code == 200 and b"Accepted" in page.data


def test_looking_at_a_request_is_known_to_the_firm(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    at_portal(client, cast.cleo, request).get(f"/portal/requests/{request.id}")
    assert fresh(request).state is RequestState.VIEWED


def test_bad_input_gets_a_clear_answer_and_changes_nothing(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    browser = at_portal(client, cast.cleo, request)
    notes, statements = item_of(request, "notes").id, item_of(request, "statements").id
    path = f"/portal/requests/{request.id}/items"
    assert browser.post(f"{path}/{notes}/answer", data={"value": "x" * 10_000_000}).status_code in (413, 422)
    assert browser.post(f"{path}/{notes}/answer", data={"value": "\x00\u202eabc"}).status_code == 303
    assert "\x00" not in str(item_of(fresh(request), "notes").answer)
    assert browser.post(f"{path}/{statements}/answer", data={"value": "x"}).status_code == 422
    assert browser.post(f"{path}/{notes}/uploads", json={"name": "a", "size": 1}).status_code == 422
    for body in ([], {"name": 5, "size": 1}, {"name": "a", "size": "1"}, {"name": "a", "size": -1},
                 {"name": "a", "size": 10**15}, {"name": "a", "size": True}):
        answer = browser.post(f"{path}/{statements}/uploads", json=body, headers={"Accept": "application/json"})
        assert answer.status_code == 422 and answer.json["message"], body
    text = browser.post(f"{path}/{statements}/uploads", data='{"name": "a", "size": 1}', content_type="text/plain")
    assert text.status_code == 422
    assert not item_of(fresh(request), "statements").files


def test_send_saves_everything_typed_and_a_wrong_answer_keeps_the_rest_and_sends_nothing(
    client: FlaskClient, cast: Any
) -> None:
    request = make_request(cast)
    browser = at_portal(client, cast.cleo, request)
    turnover, notes, statements = (item_of(request, code).id for code in ("turnover", "notes", "statements"))
    typed = {"here": [str(turnover), str(notes), str(statements)], f"value-{turnover}": "a lot",
             f"value-{notes}": "We moved.", f"because-{statements}": "We have no account there."}
    page = browser.post(f"/portal/requests/{request.id}/submission", data=typed)
    assert page.status_code == 422 and 'value="a lot"' in page.text and "Nothing was sent yet" in page.text
    assert item_of(fresh(request), "notes").answer == {"value": "We moved."}
    assert item_of(request, "statements").not_applicable_because == "We have no account there."
    assert fresh(request).state is RequestState.IN_PROGRESS
    told = browser.post(f"/portal/requests/{request.id}/submission", data=typed, headers={"Accept": "application/json"})
    assert told.status_code == 422 and list(told.json["items"]) == [str(turnover)]
    sent = browser.post(f"/portal/requests/{request.id}/submission", data=typed | {f"value-{turnover}": "5"},
                        headers={"Accept": "application/json"})
    assert sent.json == {"location": f"/portal/requests/{request.id}"}
    assert fresh(request).state is RequestState.SUBMITTED


def test_whoever_is_signed_out_is_told_in_words_that_a_script_reads(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    browser = at_portal(client, cast.cleo, request)
    path = f"/portal/requests/{request.id}/items/{item_of(request, 'notes').id}/answer"
    mine = browser.get("/portal/form-token").json
    assert mine["contact"] == str(cast.cleo.id) and mine["token"]
    browser.post("/portal/sign-out")
    said = browser.post(path, data={"value": "x"}, headers={"HX-Request": "true"})
    assert said.status_code == 401 and "You have been signed out" in said.text
    assert browser.get("/portal/form-token", headers={"Accept": "application/json"}).status_code == 401


def test_an_answer_kept_in_a_browser_does_not_cover_a_newer_one(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    browser = at_portal(client, cast.cleo, request)
    path = f"/portal/requests/{request.id}/items/{item_of(request, 'notes').id}/answer"
    script = {"HX-Request": "true"}
    first = browser.post(path, data={"value": "First."}, headers=script | {"X-Saved-At": ""})
    assert first.status_code == 200
    late = browser.post(path, data={"value": "Left for days."}, headers=script | {"X-Saved-At": ""})
    assert late.status_code == 409
    assert item_of(fresh(request), "notes").answer == {"value": "First."}
    known = script | {"X-Saved-At": first.headers["X-Saved-At"]}
    assert browser.post(path, data={"value": "Second."}, headers=known).status_code == 200


def test_a_whole_form_saves_what_it_shows_and_only_for_whom_it_is(app: Flask, cast: Any) -> None:
    request, cleo = make_request(cast), cast.contact(cast.cleo)
    item, other = item_of(request, "turnover"), item_of(request, "notes")
    body = {"here": str(item.id), f"value-{item.id}": "120", f"value-{other.id}": "Not shown"}
    with app.test_request_context(method="POST", data=body):
        not_for((cast.contact(cast.otto), lacking(cast.actor(cast.mel), Permission.REQUEST_EDIT)),
                lambda by: save_all(fresh(request), by=by))
        assert save_all(fresh(request), by=cleo) == {}
    assert item_of(request, "turnover").answer and not item_of(request, "notes").answer
    with app.test_request_context(method="POST", data=body | {f"value-{item.id}": "many"}):
        refused = save_all(fresh(request), by=cleo)
    assert refused[item.id].values == ["many"] and refused[item.id].message
