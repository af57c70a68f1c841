"""What a contact began to send and has not sent: shown, cancelled, and counted whichever way they came in."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from app.core.ids import new_id
from app.documents.commands.uploads import MOST_BYTES, NewFile, start_upload
from app.documents.models import Document, Upload
from app.requests.commands.answering import start_item_upload, start_plain_item_upload
from app.requests.queries import get_item
from tests.make import count
from tests.portal.make_portal import at_portal
from tests.requests.make_requests import item_of, make_request


def begin(cast: Any, name: str, size: int = 1000) -> Document:
    by = cast.contact(cast.cleo)
    return start_upload(NewFile(new_id(), name, size), client_id=cast.acme.id, client_sees=True, by=by)


def test_files_under_way_stand_on_the_page_and_are_cancelled_there(client: FlaskClient, cast: Any) -> None:
    one, _two = begin(cast, "one.pdf"), begin(cast, "two.pdf")
    begun = at_portal(client, cast.cleo)
    page = begun.get("/portal/documents/").text
    assert "Begun, and not here yet" in page and "one.pdf" in page and "two.pdf" in page
    answer = begun.post(f"/portal/uploads/{one.id}/abandonment", data={"back": ""})
    assert answer.status_code == 303 and answer.location.endswith("/portal/documents/")
    page = begun.get("/portal/documents/").text
    assert "one.pdf" not in page and "two.pdf" in page
    assert "two.pdf" not in begun.post("/portal/uploads/cancellation", headers={"HX-Request": "true"}).text
    assert count(Upload) == 0
    assert "Begun, and not here yet" not in begun.get("/portal/documents/").text


def test_a_request_shows_what_is_under_way_wherever_it_was_begun_and_by_its_link_its_own(
    client: FlaskClient, cast: Any
) -> None:
    request = make_request(cast)
    item = item_of(request, "statements")
    begun = at_portal(client, cast.cleo)
    assert "Begun, and not here yet" not in begun.get(f"/portal/requests/{request.id}").text
    begin(cast, "elsewhere.pdf")
    page = begun.get(f"/portal/requests/{request.id}").text
    assert "Begun, and not here yet" in page and "elsewhere.pdf" in page
    by_link = at_portal(client, cast.cleo, request)
    assert "Begun, and not here yet" not in by_link.get(f"/portal/requests/{request.id}").text
    cleo = cast.contact(cast.cleo)
    start_item_upload(get_item(item.id, seen_by=cleo), NewFile(new_id(), "statement.pdf", 1000), by=cleo)
    page = by_link.get(f"/portal/requests/{request.id}").text
    assert "statement.pdf" in page and "elsewhere.pdf" not in page


def test_a_file_begun_by_a_plain_form_is_shown_too_and_its_form_is_cancelled(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    item = item_of(request, "statements")
    cleo = cast.contact(cast.cleo)
    document = start_plain_item_upload(get_item(item.id, seen_by=cleo), new_id(), by=cleo)
    for door in (at_portal(client, cast.cleo), at_portal(client, cast.cleo, request)):
        page = door.get(f"/portal/requests/{request.id}").text
        assert "Begun, and not here yet" in page and f"/uploads/{document.id}/abandonment" in page
        assert "0 Bytes" not in page
    door.post(f"/portal/uploads/{document.id}/abandonment")
    assert "Begun, and not here yet" not in door.get(f"/portal/requests/{request.id}").text
    late = door.get(f"/portal/uploads/{document.id}/form")
    assert late.status_code == 422 and "was cancelled before it had arrived. Choose it again" in late.text


def test_nobody_cancels_what_another_began(client: FlaskClient, cast: Any) -> None:
    one = begin(cast, "one.pdf")
    otto = at_portal(client, cast.otto)
    assert "one.pdf" not in otto.get("/portal/uploads").text
    assert otto.post(f"/portal/uploads/{one.id}/abandonment").status_code == 404
    otto.post("/portal/uploads/cancellation")
    assert count(Upload) == 1


def test_by_a_link_to_a_request_what_was_begun_elsewhere_counts_too(client: FlaskClient, cast: Any) -> None:
    for _ in range(4):
        begin(cast, "large.mp4", MOST_BYTES)
    request = make_request(cast)
    by_link = at_portal(client, cast.cleo, request)
    item = item_of(request, "statements")
    answer = by_link.post(f"/portal/requests/{request.id}/items/{item.id}/uploads",
                          json={"id": str(new_id()), "name": "a.pdf", "size": 10},
                          headers={"Accept": "application/json"})
    assert answer.status_code == 422 and "cancel what is under way" in answer.get_json()["message"]
