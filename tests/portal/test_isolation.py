"""What a contact cannot reach: by any address, by any query, by any grant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.clients.commands.contact_access import IDLE, SEEN_EVERY, open_contact_session
from app.clients.models import ContactSession
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import Base, Visitor, db, portal_door
from app.core.ids import new_id, token_hash
from app.documents.commands.checking import check_document
from app.documents.commands.uploads import NewFile, start_upload
from app.documents.models import Document
from app.requests.commands.answering import save_answer, submit_answers
from app.requests.models import ClientRequest, RequestItem
from tests.make import make_cast, with_csrf
from tests.portal.make_portal import at_portal
from tests.requests.make_requests import FILES, fresh, give_file, item_of, make_request

BLANK = re.compile(rb'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|csrf[^>]*?(value|Token")[^>]*>')


def things_of_cleo(cast: Any) -> tuple[ClientRequest, RequestItem, Document]:
    request = make_request(cast)
    cleo = cast.contact(cast.cleo)
    document = give_file(
        item_of(request, "statements"), "a.pdf", (FILES / "good" / "basicapi.pdf").read_bytes(), by=cleo
    )
    return fresh(request), item_of(request, "statements"), document


def routes_with_ids(app: Flask) -> list[tuple[str, str]]:
    return sorted(
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/portal/") and "<uuid:" in rule.rule
        for method in rule.methods - {"OPTIONS"}
    )


def test_every_address_with_another_clients_ids_answers_as_for_an_unknown_one(
    app: Flask, client: FlaskClient, cast: Any
) -> None:
    request, item, document = things_of_cleo(cast)
    theirs = {"request_id": request.id, "item_id": item.id, "document_id": document.id, "invoice_id": uuid4(),
              "session_id": uuid4()}
    otto = at_portal(client, cast.otto)
    tried = routes_with_ids(app)
    assert len(tried) > 20
    for method, rule in tried:
        if "session_id" in rule:
            continue
        answers = [otto.open(filled(rule, ids), method=method, json={"name": "a.pdf", "size": 5})
                   for ids in (theirs, {name: uuid4() for name in theirs})]
        assert answers[0].status_code == 404, f"{method} {rule} answered {answers[0].status_code}"
        assert BLANK.sub(b"", answers[0].data) == BLANK.sub(b"", answers[1].data), f"{method} {rule}"


def test_a_request_link_reaches_its_request_and_no_other_of_the_same_client(
    app: Flask, client: FlaskClient, cast: Any
) -> None:
    request, item, document = things_of_cleo(cast)
    other = make_request(cast, name="Another")
    theirs = {"request_id": request.id, "item_id": item.id, "document_id": document.id}
    browser = at_portal(client, cast.cleo, other)
    for method, rule in routes_with_ids(app):
        if set(re.findall(r"<uuid:(\w+)>", rule)) <= set(theirs):
            answer = browser.open(filled(rule, theirs), method=method, json={"name": "a.pdf", "size": 5})
            assert answer.status_code in (403, 404), f"{method} {rule} answered {answer.status_code}"


def filled(rule: str, ids: dict[str, Any]) -> str:
    return re.sub(r"<uuid:(\w+)>", lambda found: str(ids[found[1]]), rule)


@contextmanager
def at_the_door(contact: Any, *, request: Any = None) -> Iterator[None]:
    """On the portal's own connection, with no filter of ours."""
    visitor = Visitor(session_of(contact, request), IDLE) if contact else None
    db.session.commit()
    db.session.remove()
    with portal_door(visitor):
        yield
        db.session.remove()


def session_of(contact: Any, request: Any = None) -> bytes:
    """A new session of this contact; what the database keeps of its token."""
    token = open_contact_session(contact, by=SYSTEM, agent="Test", address="", request_id=request)
    assert token
    return token_hash(token)


@pytest.fixture
def real_ids(real_app: Flask) -> Iterator[dict[str, Any]]:
    """Acme with a request, a file and a draft; Rival with a request; all of it committed."""
    with real_app.app_context():
        cast = make_cast()
        db.session.commit()
        request, _item, document = things_of_cleo(cast)
        second = make_request(cast, name="Second")
        cleo = cast.contact(cast.cleo)
        save_answer(item_of(request, "turnover"), ["5"], by=cleo)
        submit_answers(fresh(request), by=cleo)
        check_document(document.id, by=SYSTEM)
        draft = make_request(cast, name="Draft", sent=False)
        rivals = make_request(cast, name="Rival's", client=cast.rival)
        ids = {"cleo": cast.cleo.id, "otto": cast.otto.id, "acme": cast.acme.id, "rival": cast.rival.id,
               "request": request.id, "second": second.id, "draft": draft.id, "rivals": rivals.id,
               "document": document.id, "by": cleo}
        db.session.commit()
        yield ids


def readable(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns of a table that the portal's login may read."""
    granted = set(db.session.scalars(sa.text(
        "SELECT a.attname FROM pg_attribute a WHERE a.attrelid = CAST(:t AS regclass) AND a.attnum > 0 "
        "AND NOT a.attisdropped AND has_column_privilege(current_user, a.attrelid, a.attnum, 'SELECT')"
    ), {"t": table.name}))
    return [column for column in table.columns if column.name in granted]


def test_with_every_filter_gone_the_connection_shows_nothing_foreign(real_ids: dict[str, Any]) -> None:
    for contact, own, foreign in (("cleo", "acme", "rival"), ("otto", "rival", "acme")):
        with at_the_door(real_ids[contact]):
            seen_own = 0
            for table in Base.metadata.sorted_tables:
                columns = readable(table)
                names = {column.name for column in columns}
                if not columns:
                    continue
                rows = db.session.execute(sa.select(*columns)).all()
                for row in rows:
                    if "client_id" in names:
                        assert row.client_id != real_ids[foreign], table.name
                        seen_own += row.client_id == real_ids[own]
                    if "contact_id" in names:
                        assert row.contact_id == real_ids[contact], table.name
                    assert real_ids[foreign] not in tuple(row), table.name
            assert seen_own > 3


def test_by_a_request_link_the_connection_shows_that_request_only(real_ids: dict[str, Any]) -> None:
    with at_the_door(real_ids["cleo"], request=real_ids["second"]):
        assert db.session.scalars(sa.select(ClientRequest.id)).all() == [real_ids["second"]]
        assert not db.session.scalars(sa.select(Document.id)).all()
    with at_the_door(real_ids["cleo"], request=real_ids["request"]):
        assert db.session.scalars(sa.select(Document.id)).all() == [real_ids["document"]]
    with at_the_door(real_ids["cleo"], request=real_ids["rivals"]):
        assert not db.session.scalars(sa.select(ClientRequest.id)).all()


def test_a_request_link_shows_nothing_once_its_contact_no_longer_sees_the_client(real_ids: dict[str, Any]) -> None:
    with at_the_door(real_ids["cleo"], request=real_ids["request"]):
        assert db.session.scalars(sa.select(ClientRequest.id)).all() == [real_ids["request"]]
    db.session.execute(sa.text("UPDATE client_contact SET portal_access = false"))
    with at_the_door(real_ids["cleo"], request=real_ids["request"]):
        assert not db.session.scalars(sa.select(ClientRequest.id)).all()
        assert not db.session.scalars(sa.select(Document.id)).all()


def test_a_draft_and_nobody_at_the_door_show_nothing(real_ids: dict[str, Any]) -> None:
    with at_the_door(real_ids["cleo"]):
        assert real_ids["draft"] not in db.session.scalars(sa.select(ClientRequest.id)).all()
    with at_the_door(None):
        assert not db.session.scalars(sa.select(ClientRequest.id)).all()


REFUSED = (
    "UPDATE client_request SET closed_at = now()",
    "UPDATE request_item SET return_reason = ''",
    "UPDATE document SET client_sees = true",
    "UPDATE document SET state = 'available'",
    "DELETE FROM client_request",
    "INSERT INTO request_recipient SELECT id, portal_contact() FROM client_request",
    "SELECT * FROM person",
    "SELECT notes FROM client",
    "SELECT token_hash FROM contact_session",
    "SELECT * FROM event",
    "SELECT * FROM wall",
    "SELECT * FROM time_entry",
    "UPDATE invoice SET gross = 0",
    "SET ROLE postgres",
)


def test_what_the_connection_may_not_do_is_refused_by_the_database(real_ids: dict[str, Any]) -> None:
    start_upload(NewFile(new_id(), "begun.pdf", 5), client_id=real_ids["acme"], by=real_ids["by"])
    for statement in REFUSED:
        with at_the_door(real_ids["cleo"]):
            try:
                db.session.execute(sa.text(statement))
            except sa.exc.DBAPIError:
                continue
            finally:
                db.session.rollback()
        pytest.fail(f"went through: {statement}")


def test_a_visit_goes_on_after_minutes_and_after_what_it_saves(real_app: Flask, real_ids: dict[str, Any]) -> None:
    """Each transaction of a request begins anew with what its visitor may reach."""
    browser = at_portal(with_csrf(real_app.test_client(), "/portal/"), SimpleNamespace(id=real_ids["cleo"]))
    item = db.session.scalars(sa.select(RequestItem.id).where(
        RequestItem.request_id == real_ids["second"], RequestItem.code == "turnover"
    )).one()
    at = f"/portal/requests/{real_ids['second']}"
    db.session.remove()
    later = clock.now() + SEEN_EVERY * 2
    with clock.travel_to(later):
        page = browser.get(at)
        assert page.status_code == 200 and "Second" in page.text
        cleared = browser.post(f"{at}/items/{item}/clearing", headers={"HX-Request": "true"})
        assert cleared.status_code == 200 and f"item-{item}" in cleared.text
    seen = db.session.scalar(sa.select(sa.func.max(ContactSession.last_seen_at)))
    assert seen == later


def test_nobody_else_can_be_named_in_an_event(real_ids: dict[str, Any]) -> None:
    with at_the_door(real_ids["cleo"]), pytest.raises(sa.exc.DBAPIError, match="row-level security"):
        db.session.execute(sa.text(
            "INSERT INTO event (id, kind, subject_kind, subject_id, actor_kind, actor_id, at, request_id, address, "
            "payload_hash) VALUES (1, 'x', 'client', :other, 'contact', :other, now(), '', '', '')"
        ), {"other": real_ids["otto"]})


def test_what_runs_as_the_owner_names_its_path_and_is_nobody_elses_to_call(real_app: Flask) -> None:
    """Whoever runs with the owner's rights looks for tables where they are, never first among a caller's own."""
    with real_app.app_context():
        rows = db.session.execute(sa.text("""
            SELECT p.proname AS name, p.proconfig AS settings, EXISTS (
                SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0) AS public
            FROM pg_proc p WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace
        """)).all()
    assert {row.name for row in rows} >= {
        "portal_begin", "portal_visit", "portal_gave", "portal_seal", "portal_is_sealed",
    }
    for row in rows:
        assert row.settings[0].startswith("search_path=pg_catalog, ") and row.settings[0].endswith("pg_temp"), row.name
        assert not row.public, f"anybody may call {row.name}"


def test_every_table_is_under_forced_row_security_or_not_granted(real_app: Flask) -> None:
    with real_app.app_context():
        portal = str(db.engines["portal"].url.username)
        rows = db.session.execute(sa.text("""
            SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
                   has_any_column_privilege(:portal, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
                   OR has_table_privilege(:portal, c.oid, 'DELETE, TRUNCATE') AS granted,
                   EXISTS (SELECT FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles)
                           WHERE p.polrelid = c.oid AND r.rolname = :portal) AS has_policy
            FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
        """), {"portal": portal}).all()
    assert {row.name for row in rows} >= set(Base.metadata.tables)
    for row in rows:
        assert row.forced or not row.granted, f"{row.name} is granted to the portal without row security"
        assert row.has_policy or not row.granted, f"{row.name} is granted to the portal and has no policy for it"
    assert not {row.name for row in rows if row.granted} & {"person_session", "contact_link", "request_link", "wall",
                                                            "time_entry", "delivery", "task"}
