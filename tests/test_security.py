"""What is promised of the whole house at once: what is typed stays text, walls stop acts, errors tell nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from app.core import queue
from app.core.db import db
from app.core.permissions import Role
from app.requests.commands.answering import save_answer
from app.timekeeping.models import ItemState, TimeEntry
from tests.journeys.world import World, make_world
from tests.make import Cast, sign_in, with_csrf
from tests.portal.make_portal import PortalClient, at_portal
from tests.requests.make_requests import item_of, link_in, mails, make_request
from tests.test_architecture import fingerprints, rules

MARKUP = "<img src=x onerror=alert(1)>'\"{{7*7}}</script>"
TYPED = {
    "client": ("name", "legal_name", "address", "notes", "phone", "website"), "contact": ("name", "notes"),
    "client_contact": ("position",), "engagement": ("name", "notes"), "job": ("title", "notes"),
    "task": ("name", "instructions"), "checklist_item": ("text",), "comment": ("body",),
    "client_request": ("name", "message"), "request_item": ("label", "help"), "document": ("name",),
    "time_entry": ("narrative",), "expense": ("narrative",), "timer": ("note",), "payment": ("reference",),
    "service": ("name", "description"), "stage": ("name",), "person": ("name",), "firm": ("name",),
    "office": ("name",), "entity": ("name",), "tax_rate": ("name",), "wall": ("reason",), "run": ("title",),
}
IDS = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
OF_A_CLIENT = {
    "client_id", "contact_id", "engagement_id", "series_id", "job_id", "task_id", "request_id", "item_id", "entry_id",
    "invoice_id", "payment_id", "expense_id", "document_id", "comment_id", "occurrence_id", "deadline_id",
}


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens inside is as if it had not."""
    db.session.commit()
    inner = db.engines[None].begin_nested()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        inner.rollback()


def words(answer: Any) -> str:
    return str(answer.data.decode("utf-8", "replace"))


def pages(app: Flask, world: World, *, portal: bool) -> Iterator[str]:
    for rule in rules(app):
        address = world.fill(rule) if "GET" in rule.methods else None
        if address and rule.rule.startswith("/portal") == portal and not rule.rule.endswith(".csv"):
            yield address


def write_markup_everywhere(session: Session) -> None:
    columns = {(row[0], row[1]) for row in session.execute(sa.text(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    ))}
    for table, names in TYPED.items():
        there = [name for name in names if (table, name) in columns]
        if there:
            session.execute(sa.text(f"UPDATE {table} SET " + ", ".join(f"{name} = :said" for name in there)),
                            {"said": MARKUP})
    session.expire_all()


@pytest.mark.slow
def test_what_is_typed_is_shown_as_text_on_every_page(
    app: Flask, client: FlaskClient, cast: Cast, session: Session
) -> None:
    world = make_world(cast)
    db.session.flush()
    write_markup_everywhere(session)
    sign_in(client, cast.pat)
    visited = {address: client.get(address) for address in pages(app, world, portal=False)}
    browser = at_portal(client, cast.cleo)
    visited |= {address: browser.get(address) for address in pages(app, world, portal=True)}
    visited = {address: answer for address, answer in visited.items() if answer.mimetype == "text/html"}
    shown = [address for address, answer in visited.items() if "&lt;img src=x" in words(answer)]
    assert len(shown) > 40
    assert [address for address, answer in visited.items() if "<img src=x" in words(answer)] == []
    assert [address for address, answer in visited.items() if "&#39;&#34;49" in words(answer)] == []


@pytest.mark.slow
def test_no_act_reaches_a_client_behind_its_wall(
    app: Flask, client: FlaskClient, cast: Cast, session: Session
) -> None:
    """A partner behind the wall may do everything, but not there: as if it had never existed, and nothing changes."""
    world = make_world(cast, client=cast.rival, engagement=cast.rival_work, contact=cast.otto)
    cast.wes.role = Role.PARTNER
    db.session.flush()
    sign_in(client, cast.wes)
    db.session.commit()
    before, differing, tried = fingerprints(session), [], 0
    for rule in rules(app):
        named = OF_A_CLIENT & rule.arguments
        if "POST" not in rule.methods or not named or rule.rule.startswith("/portal"):
            continue
        address = world.fill(rule)
        unknown = World({**world.ids, **{name: uuid4() for name in named}}).fill(rule)
        if address is None or unknown is None:
            continue
        tried += 1
        answers = []
        for each in (address, unknown):
            with undone():
                answer = client.post(each)
                answers.append((answer.status_code, IDS.sub(b"", answer.data)))
        if answers[0] != answers[1]:
            differing.append(f"{rule.rule} {answers[0][0]} instead of {answers[1][0]}")
    assert tried > 70
    assert differing == []
    after = fingerprints(session)
    assert [name for name in before if before[name] != after[name]] == []


BODIES = {
    "/jobs/new": {"client": "{client}", "engagement": "{engagement}", "title": "Hidden"},
    "/time": {"work": "engagement:{engagement}", "recorded": "1:00", "worked_on": "2026-01-05"},
    "/expenses": {"work": "engagement:{engagement}", "spent_on": "2026-01-05", "net": "9", "narrative": "Fee"},
    "/timers": {"work": "engagement:{engagement}"},
    "/requests/new": {"client": "{client}", "name": "Papers", "items-label": "Statements", "items-kind": "upload"},
    "/billing/payments": {"client": "{client}", "entity_id": "{entity}", "currency": "GBP", "amount": "5",
                          "received_on": "2026-01-05", "method": "transfer", "spread": "auto"},
    "/settings/rates": {"client": "{client}", "from_on": "2026-01-05", "amount": "10", "currency": "GBP"},
}


@pytest.mark.parametrize("url", BODIES)
def test_a_hidden_thing_named_in_a_form_is_as_unknown_as_none(
    client: FlaskClient, cast: Cast, session: Session, url: str
) -> None:
    cast.wes.role = Role.PARTNER
    db.session.flush()
    sign_in(client, cast.wes)
    db.session.commit()
    before, answers = fingerprints(session), []
    hidden, unknown = (cast.rival.id, cast.rival_work.id), (uuid4(), uuid4())
    for client_id, engagement_id in (hidden, unknown):
        ids = {"client": client_id, "engagement": engagement_id, "entity": cast.entity.id}
        form = {"id": str(uuid4()), **{name: text.format(**ids) for name, text in BODIES[url].items()}}
        with undone():
            answer = client.post(url, data=form)
            answers.append((answer.status_code, b"Rival" in answer.data))
    assert answers[0] == answers[1] and answers[0][0] in (200, 404, 422) and answers[0][1] is False
    assert fingerprints(session) == before


@pytest.mark.slow
def test_who_may_not_see_rates_finds_no_rate_on_any_page(
    app: Flask, client: FlaskClient, cast: Cast, session: Session
) -> None:
    world = make_world(cast)
    worth = {"value": Decimal("8264.51"), "open_value": Decimal("8264.51")}
    session.execute(sa.update(TimeEntry).where(TimeEntry.billed == 0, TimeEntry.state == ItemState.OPEN)
                    .values(rate=Decimal("7193.37"), **worth))
    session.execute(sa.text("UPDATE rate SET amount = 7193.37"))
    session.expire_all()
    told = re.compile(r"7,?193\.37|8,?264\.51")
    found = {}
    for person in (cast.pat, cast.sam):
        sign_in(client, person)
        found[person.name] = [a for a in pages(app, world, portal=False) if told.search(words(client.get(a)))]
    browser = at_portal(client, cast.cleo)
    found["Cleo"] = [a for a in pages(app, world, portal=True) if told.search(words(browser.get(a)))]
    assert found["Pat"] != []
    assert (found["Sam"], found["Cleo"]) == ([], [])


FORMS = {
    "client": ("/clients/{client_id}", {"name": "Acme Ltd", "code": "ACME", "kind": "organisation",
                                        "status": "active", "office_id": "{office_id}", "currency": "GBP"}),
    "engagement": ("/engagements/{engagement_id}", {"name": "Advice", "kind": "hourly", "currency": "GBP",
                                                    "round_mode": "up", "increment": "6"}),
    "job": ("/jobs/{job_id}/edit", {"title": "Books", "starts_on": "2026-01-01", "priority": "0"}),
    "task": ("/tasks/{task_id}/edit", {"name": "Reconcile", "priority": "0"}),
    "person": ("/account", {"name": "Pat", "initials": "PA"}),
    "client_contact": ("/clients/{client_id}/contacts/{contact_id}", {"name": "Cleo", "role": ""}),
}
FORGED = {
    "id": str(uuid4()), "role": "admin", "is_firm": "true", "state": "done", "issued_at": "2020-01-01",
    "number": "X-1", "created_at": "2020-01-01", "archived_at": "2020-01-01", "client_id": str(uuid4()),
    "engagement_id": str(uuid4()), "entity_id": str(uuid4()), "password_hash": "x", "totp_secret": "x",
    "email_verified": "1", "portal_access_at": "2020-01-01", "spent": "999999", "open_value": "0", "paid": "1",
    "person_id": str(uuid4()), "sort_key": "aaa", "completed_at": "2020-01-01", "waits_for_client": "true",
}
OWNED = (
    "id", "role", "is_firm", "number", "created_at", "archived_at", "client_id", "engagement_id", "password_hash",
    "totp_secret", "spent", "completed_at", "waits_for_client", "person_id", "started_at", "email",
)


@pytest.mark.parametrize("table", FORMS)
def test_what_a_form_does_not_offer_is_not_taken_from_it(
    client: FlaskClient, cast: Cast, session: Session, table: str
) -> None:
    world = make_world(cast)
    url, form = FORMS[table]
    row_id = {"person": cast.pat.id, "client_contact": None}.get(table, world.ids.get(f"{table}_id"))
    where = "contact_id = :id" if row_id is None else "id = :id"
    kept = sa.text(f"SELECT to_jsonb(t) FROM {table} t WHERE {where}")
    found = {"id": row_id or cast.cleo.id}
    sign_in(client, cast.pat, confirmed=True)
    db.session.flush()
    before = session.execute(kept, found).scalar_one()
    sent = {**FORGED, **{name: text.format(**world.ids) for name, text in form.items()},
            "version": str(before.get("version", ""))}
    answer = client.post(url.format(**world.ids), data=sent)
    assert answer.status_code in (200, 303)
    after = session.execute(kept, found).scalar_one()
    assert {n: after[n] for n in OWNED if n in after} == {n: before[n] for n in OWNED if n in before}


def one_page_of_each_room(app: Flask) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.arguments and not rule.endpoint.startswith(("static", "setup")):
            found.setdefault(rule.endpoint.rpartition(".")[0], rule)
    return found


@pytest.mark.slow
def test_an_error_of_ours_tells_nothing_of_the_inside(
    app: Flask, client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each room: an ordinary page with a reference, the headers of every other one, and no word of what broke."""
    def breaks(**_: Any) -> None:
        raise RuntimeError("SELECT secret FROM /srv/firmament/app")

    sign_in(client, cast.pat)
    rooms = one_page_of_each_room(app)
    assert len(rooms) > 25
    browser = at_portal(client, cast.cleo)
    for room, rule in rooms.items():
        monkeypatch.setitem(app.view_functions, rule.endpoint, breaks)
        answer = (browser if rule.rule.startswith("/portal") else client).get(rule.rule)
        assert answer.status_code == 500, room
        assert "secret" not in answer.text and "Traceback" not in answer.text and "/srv" not in answer.text, room
        assert "nothing was half done" in answer.text or "Something broke" in answer.text, room
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and "Content-Security-Policy" in answer.headers


def test_who_is_turned_away_leaves_a_line_in_the_log(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.wes)
    with capture_logs() as said:
        assert client.get(f"/clients/{cast.rival.id}").status_code == 404
        assert client.get("/audit").status_code == 403
    lines = [line for line in said if line["event"] == "access.refused"]
    assert [(line["status"], line["actor"]) for line in lines] == [(404, str(cast.wes.id)), (403, str(cast.wes.id))]
    assert str(cast.rival.id) in lines[0]["path"]


def test_what_an_intermediary_did_not_say_is_not_believed(client: FlaskClient, cast: Cast, queued: list[Any]) -> None:
    """A host or scheme that the browser names turns up in no link and no redirect."""
    with_csrf(client)
    forged = {"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    answer = client.get("/clients", headers={**forged, "Host": "evil.test"})
    assert "evil.test" not in answer.headers.get("Location", "") and "evil.test" not in answer.text


def test_storage_out_of_reach_refuses_an_upload_and_leaves_nothing(
    app: Flask, client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.core.storage import StorageUnavailable, storage

    sign_in(client, cast.pat)

    def gone(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("The place where files are kept cannot be reached just now.")

    for name in [name for name in dir(type(storage())) if not name.startswith("_")]:
        if callable(getattr(storage(), name)):
            monkeypatch.setattr(type(storage()), name, gone)
    before = db.session.scalar(sa.text("SELECT count(*) FROM document"))
    answer = client.post(f"/clients/{cast.acme.id}/uploads", json={
        "name": "a.pdf", "size": 10, "content_type": "application/pdf",
    }, headers={"Accept": "application/json"})
    assert answer.status_code in (422, 503) and "cannot be reached" in answer.text
    assert db.session.scalar(sa.text("SELECT count(*) FROM document")) == before


@pytest.mark.slow
def test_a_queue_out_of_reach_stops_nobody(app: Flask, client: FlaskClient, cast: Cast) -> None:
    """The queue is a hint: what was asked for is kept, and the sweep finds it."""
    sign_in(client, cast.pat)
    kept, inline = app.extensions["redis"], app.config["QUEUE_INLINE"]
    app.extensions["redis"] = redis.Redis(port=1, socket_connect_timeout=0.2)
    app.config["QUEUE_INLINE"] = None
    try:
        answer = client.post(f"/comments/client/{cast.acme.id}", data={"body": "Said all the same"})
        page = client.get(f"/comments/client/{cast.acme.id}")
    finally:
        app.extensions["redis"], app.config["QUEUE_INLINE"] = kept, inline
    assert answer.status_code == 303 and "Said all the same" in page.text


def test_a_link_that_could_not_be_asked_for_is_not_said_to_be_sent(
    app: Flask, client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row keeps what was asked for: the queue is all there is of it."""
    def away(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError("nobody there")

    request = make_request(cast)
    link = link_in(mails("requests.request")[0])
    inside = at_portal(app.test_client(), cast.cleo, request)
    with_csrf(inside.client, "/portal/")
    monkeypatch.setattr(queue, "send_once", away)
    monkeypatch.setitem(app.config, "QUEUE_INLINE", None)
    for path in ("/reset", "/portal/sign-in"):
        with_csrf(client, "/portal/" if "portal" in path else "/")
        for email in ("pat@firm.example", "cleo@client.example", "who@firm.example"):
            answer = PortalClient(client).post(path, data={"email": email})
            assert answer.status_code == 422 and queue.AWAY in answer.text and email in answer.text, (path, email)
    for path in ("/portal/sign-in/step-up", f"{link}/again", "/portal/link/request/never-one/again"):
        answer = inside.post(path)
        assert answer.status_code == 422 and queue.AWAY in answer.text, path


def test_a_database_out_of_reach_is_said_in_a_sentence(
    client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise sa.exc.OperationalError("SELECT 1", {}, psycopg.OperationalError("connection refused at 10.0.0.7"))

    sign_in(client, cast.pat)
    monkeypatch.setattr("app.desk.guard.find_arrival", away)
    answer = client.get("/clients")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"
    assert "cannot be reached just now" in answer.text and "10.0.0.7" not in answer.text
    assert "saved" not in answer.text
    # It may have gone just as it was saving.
    assert "not certain whether this was saved" in client.post("/time", data={}).text


def test_a_collision_at_the_clients_door_is_asked_again_as_that_contact(
    client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = make_request(cast)
    url = f"/portal/requests/{request.id}/items/{item_of(request, 'notes').id}/answer"
    browser, tried = at_portal(client, cast.cleo), list[str]()
    with_csrf(client, "/portal/")

    def collides_once(*args: Any, **named: Any) -> Any:
        tried.append(str(db.session.scalar(sa.text("SELECT current_user"))))
        if len(tried) == 1:
            raise sa.exc.IntegrityError("INSERT", {}, psycopg.errors.UniqueViolation("there already"))
        return save_answer(*args, **named)

    monkeypatch.setattr("portal.requests.save_answer", collides_once)
    assert browser.post(url, data={"value": "We moved"}).status_code in (200, 303)
    assert len(tried) == 2 and tried[0] == tried[1] and "portal" in tried[0]
    assert item_of(request, "notes").answer is not None


def test_every_proof_that_the_document_names_is_there() -> None:
    root = Path(__file__).parents[1]
    rows = [row for row in (root / "docs/security.md").read_text().splitlines() if row.startswith("| V")]
    shown = "".join(path.read_text() for path in root.glob("tests/**/test_*.py"))
    told = [name.rpartition(": ")[2] for row in rows for name in re.findall("`([^`]+)`", row)]
    missing = [n for n in told if re.fullmatch("[a-z_0-9]+…?", n) and f"def test_{n.rstrip('…')}" not in shown]
    files = [n for n in re.findall(r"`([\w/]+\.(?:py|txt))", "".join(rows)) if not (root / "tests" / n).exists()]
    assert len(rows) > 35 and (missing, files) == ([], [])
