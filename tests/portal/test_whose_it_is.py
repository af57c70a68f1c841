"""A contact of several clients: every act says for whom it is, and the session never does."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.clients.models import ClientContact
from app.core.db import db
from app.core.ids import new_id
from app.documents.models import Document
from tests.make import keep
from tests.portal.make_portal import PortalClient, at_portal
from tests.requests.make_requests import item_of, make_request

UPLOADS, PLAIN = "/portal/documents/uploads", "/portal/documents/plain-uploads"
FILE = {"name": "a.pdf", "size": 5}


@pytest.fixture
def both(client: FlaskClient, cast: Any) -> PortalClient:
    """Cleo, who stands for Acme and for Rival."""
    keep(ClientContact(client_id=cast.rival.id, contact_id=cast.cleo.id, portal_access=True))
    return at_portal(client, cast.cleo)


def owners() -> list[Any]:
    return list(db.session.scalars(sa.select(Document.client_id).order_by(Document.created_at)))


def test_a_file_goes_to_the_client_that_its_form_names_whatever_another_tab_has_chosen(
    both: PortalClient, cast: Any
) -> None:
    both.post("/portal/client", data={"client": str(cast.acme.id)})
    assert f'name="client" value="{cast.acme.id}"' in both.get("/portal/documents/").text
    both.post("/portal/client", data={"client": str(cast.rival.id)})
    assert both.post(UPLOADS, json=FILE | {"client": str(cast.acme.id)}).status_code == 200
    assert both.post(PLAIN, data={"client": str(cast.acme.id)}).status_code == 303
    assert owners() == [cast.acme.id, cast.acme.id]


def test_with_several_clients_and_none_named_they_are_asked(both: PortalClient, cast: Any) -> None:
    for chosen in ("", str(cast.acme.id)):
        both.post("/portal/client", data={"client": chosen})
        asked = both.post(UPLOADS, json=FILE, headers={"Accept": "application/json"})
        assert (asked.status_code, asked.json["message"]) == (422, "Choose which client this is for.")
        page = both.post(PLAIN)
        assert page.status_code == 422 and "Choose which client this is for." in page.text
    both.post("/portal/client", data={"client": ""})
    page = both.get("/portal/documents/").text
    assert "Which client is it for?" in page and f'<option value="{cast.rival.id}">' in page
    assert owners() == []


def test_a_client_that_is_not_theirs_is_not_there(client: FlaskClient, cast: Any) -> None:
    cleo = at_portal(client, cast.cleo)
    for client_id in (cast.rival.id, new_id(), "everybody"):
        for path in (UPLOADS, PLAIN):
            said = {"client": str(client_id)}
            answer = cleo.post(path, json=FILE | said) if path == UPLOADS else cleo.post(path, data=said)
            assert answer.status_code == 404, path
    assert owners() == []


def test_a_form_that_was_opened_before_a_client_went_writes_nowhere_else(both: PortalClient, cast: Any) -> None:
    db.session.execute(sa.delete(ClientContact).where(
        ClientContact.contact_id == cast.cleo.id, ClientContact.client_id == cast.acme.id
    ))
    assert both.post(UPLOADS, json=FILE | {"client": str(cast.acme.id)}).status_code == 404
    assert owners() == []


def test_every_page_names_the_client_and_offers_the_others(both: PortalClient, cast: Any) -> None:
    request = make_request(cast)
    for page in ("", "requests/", "documents/", "work/", "invoices/", "account/", f"requests/{request.id}"):
        text = both.get(f"/portal/{page}").text
        assert f'<option value="{cast.acme.id}"' in text and f'<option value="{cast.rival.id}"' in text, page
    switched = both.post("/portal/client", data={"client": str(cast.rival.id), "list": "documents"})
    assert switched.location == "/portal/documents/"
    assert f'<option value="{cast.rival.id}" selected' in both.get("/portal/invoices/").text
    both.post("/portal/client", data={"client": str(new_id())})
    assert "selected" not in both.get("/portal/invoices/").text


def test_who_stands_for_one_client_reads_its_name_on_every_page(client: FlaskClient, cast: Any) -> None:
    browser = at_portal(client, cast.cleo)
    for page in ("", "requests/", "documents/", "work/", "invoices/", "account/"):
        assert cast.acme.name in browser.get(f"/portal/{page}").text, page


def test_what_the_session_shows_does_not_keep_an_answer_from_its_own_request(both: PortalClient, cast: Any) -> None:
    request = make_request(cast)
    both.post("/portal/client", data={"client": str(cast.rival.id)})
    path = f"/portal/requests/{request.id}/items/{item_of(request, 'turnover').id}/answer"
    assert both.post(path, data={"value": "5"}, headers={"HX-Request": "true"}).status_code == 200
    assert item_of(request, "turnover").answer == {"value": "5", "currency": "GBP"}


def test_no_act_but_the_switch_reads_the_chosen_client(app: Flask) -> None:
    acts = {rule.endpoint for rule in app.url_map.iter_rules()
            if rule.endpoint.startswith("portal.") and rule.methods - {"GET", "HEAD", "OPTIONS"}}
    assert len(acts) > 15
    readers = {endpoint for endpoint in acts if any(map(reads_the_choice, reached(app.view_functions[endpoint])))}
    assert readers == {"portal.home.update_client"}


def reached(view: Callable[..., Any], seen: set[str] | None = None) -> Iterator[ast.AST]:
    """The view and every function of the portal that it calls."""
    seen = set() if seen is None else seen
    function = inspect.unwrap(view)
    if function.__qualname__ in seen or not inspect.isfunction(function):
        return
    seen.add(function.__qualname__)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    yield tree
    for name in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}:
        called = function.__globals__.get(name)
        if inspect.isfunction(called) and called.__module__.split(".")[0] == "portal":
            yield from reached(called, seen)


def reads_the_choice(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "chosen_clients":
            return True
        if isinstance(node, (ast.Subscript, ast.Call)) and "session" in ast.dump(node) and "'client'" in ast.dump(node):
            return True
    return False
