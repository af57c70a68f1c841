"""The boundary to the browser: headers, cookies, tokens, on every page of the firm's door."""

from __future__ import annotations

import re
from statistics import median
from threading import Barrier, Thread
from time import thread_time
from types import SimpleNamespace
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from app.activity.sentences import told
from app.clients.commands.contact_access import SESSION_LIFETIME
from app.core.clock import now
from app.core.db import db
from app.core.sealing import seal
from app.delivery.models import Delivery
from app.people import passwords
from app.people.commands import sessions
from app.people.models import Person, PersonSession, SignInAttempt
from app.people.passwords import hash_password, hasher
from tests.firm.test_settings import PAGES
from tests.make import Cast, make_cast, sign_in, with_csrf

PASSWORD = "seven quiet lanterns"
OPEN = ("/sign-in", "/reset", "/brand.css", "/sign-in/link/nothing", "/nowhere", "/dev/mail")


@pytest.mark.parametrize("path", [*OPEN, *PAGES])
def test_every_answer_carries_the_headers_that_keep_others_out(client: FlaskClient, cast: Cast, path: str) -> None:
    answer = sign_in(client, cast.pat).get(path, headers={"Origin": "https://evil.test"})
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not any(name.startswith("Access-Control") for name, _value in answer.headers)
    if answer.mimetype == "text/html":
        assert answer.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<[^>]+\sstyle=", answer.text) and not re.search(r"\son[a-z]+=", answer.text)
        assert not re.search(r"<script(?![^>]*\ssrc=)", answer.text)


def test_no_page_shows_a_token_or_a_hash(client: FlaskClient, cast: Cast) -> None:
    cast.pat.password_hash = hash_password(PASSWORD)
    sign_in(client, cast.pat)
    with client.session_transaction() as session:
        token = session["_user_id"]
    for path in PAGES:
        page = client.get(path).text
        assert token not in page and "$argon2" not in page


def test_over_https_the_cookie_is_bound_to_this_host(app: Flask, client: FlaskClient, cast: Cast) -> None:
    app.config["SESSION_COOKIE_SECURE"] = True
    try:
        cookie = app.test_client().get("/sign-in", base_url="https://localhost").headers["Set-Cookie"]
    finally:
        app.config["SESSION_COOKIE_SECURE"] = False
    assert cookie.startswith("__Host-firm=")
    assert "Secure" in cookie and "Path=/" in cookie and "Domain" not in cookie and "HttpOnly" in cookie


def test_a_cookie_is_sent_once_and_lasts_as_long_as_any_session_it_stands_for(
    app: Flask, client: FlaskClient, cast: Cast
) -> None:
    sign_in(client, cast.pat)
    client.get("/work")
    assert "Set-Cookie" not in client.get("/work").headers
    assert max(sessions.LONGEST, SESSION_LIFETIME) <= app.permanent_session_lifetime


def test_every_post_without_the_token_of_its_session_is_refused(app: Flask, client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    others = client.environ_base.pop("HTTP_X_CSRFTOKEN")
    before = db.session.scalar(sa.select(sa.func.count()).select_from(PersonSession))
    for rule in app.url_map.iter_rules():
        if "POST" not in (rule.methods or ()) or rule.endpoint.partition(".")[0] not in OUR_BLUEPRINTS:
            continue
        path = rule.rule
        for name in rule.arguments:
            path = re.sub(rf"<[^>]*{name}>", str(cast.acme.id), path)
        assert client.post(path).status_code == 400, path
    stranger = app.test_client()
    stranger.get("/sign-in")
    stranger.environ_base["HTTP_X_CSRFTOKEN"] = others
    assert stranger.post("/sign-in", data={"email": "a@b.example", "password": "x"}).status_code == 400
    assert db.session.scalar(sa.select(sa.func.count()).select_from(PersonSession)) == before


OUR_BLUEPRINTS = ("sign_in", "sign_out", "account", "people", "settings", "places", "money", "setup")


def test_get_and_head_change_nothing(app: Flask, client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    client.get("/account")
    db.session.flush()
    before = state_of_the_tables()
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint.partition(".")[0] in OUR_BLUEPRINTS:
            path = re.sub(r"<uuid:person_id>", str(cast.sam.id), rule.rule)
            path = re.sub(r"<[^>]+>", str(cast.entity.id), path)
            assert client.get(path).status_code < 500, path
    assert state_of_the_tables() == before


def state_of_the_tables() -> dict[str, Any]:
    names = ("person", "person_link", "sign_in_attempt", "firm", "entity", "office", "tax_rate", "number_series",
             "delivery", "event", "closure", "working_pattern")
    rows = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
    return {name: db.session.execute(sa.text(rows.format(name))).one() for name in names}


@pytest.mark.real
def test_many_guesses_at_once_do_not_slip_past_the_count(real_app: Flask) -> None:
    with real_app.app_context():
        make_cast()
        db.session.commit()
    answers: list[int] = []
    barrier = Barrier(8)

    def guess() -> None:
        client = with_csrf(real_app.test_client())
        barrier.wait()
        for _ in range(3):
            form = {"email": "sam@firm.example", "password": "wrong"}
            answers.append(client.post("/sign-in", data=form).status_code)

    run_together([guess] * 8)
    assert sorted(answers) == [422] * 10 + [429] * 14
    with real_app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(SignInAttempt)) == 10


@pytest.mark.real
def test_one_code_at_two_doors_at_once_opens_one(real_app: Flask) -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    with real_app.app_context():
        sam = make_cast().sam
        sam.password_hash, sam.totp_secret = hash_password(PASSWORD), seal(secret, purpose="totp")
        db.session.commit()
    waiting = []
    for _ in range(4):
        client = with_csrf(real_app.test_client())
        client.post("/sign-in", data={"email": "sam@firm.example", "password": PASSWORD})
        waiting.append(with_csrf(client))
    code, answers, barrier = pyotp.TOTP(secret).at(now()), [], Barrier(4)

    def enter(client: FlaskClient) -> None:
        barrier.wait()
        answers.append(client.post("/sign-in/code", data={"code": code}).status_code)

    run_together([lambda client=client: enter(client) for client in waiting])
    assert sorted(answers) == [303, 422, 422, 422]


def run_together(works: list[Any]) -> None:
    threads = [Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


PARAMETERS = {name: getattr(hasher, name) for name in (
    "time_cost", "memory_cost", "parallelism", "salt_len", "hash_len",
)}
KNOCKS = {
    "/sign-in": ("sam@firm.example", {"password": "wrong"}),
    "/reset": ("sam@firm.example", {}),
    "/portal/sign-in": ("cleo@client.example", {}),
}


@pytest.fixture
def unhurried(client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A browser that may try as often as it likes."""
    cast.sam.password_hash = hash_password(PASSWORD)
    db.session.flush()
    monkeypatch.setattr("app.people.commands.throttle._wait", lambda *args, **kwargs: 0)
    return with_csrf(with_csrf(client), "/portal/sign-in")


@pytest.mark.parametrize("door", KNOCKS)
def test_a_known_address_asks_for_the_same_work_as_an_unknown_one(
    unhurried: FlaskClient, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same statements, a password checked by the same parameters, nothing mailed before the answer."""
    known, form = KNOCKS[door]
    asked, checked = list[str](), list[str]()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(re.sub(r"\d+$", "", statement))

    def verify(stored: str, typed: str) -> bool:
        checked.append(stored.rsplit("$", 2)[0])
        return hasher.verify(stored, typed)

    def work_for(email: str) -> tuple[int, str, list[str], list[str]]:
        asked.clear()
        checked.clear()
        answer = unhurried.post(door, data={"email": email, **form})
        told = re.sub(r"[\w.-]{60,}", "token", answer.text)  # signed with the second in which it was made
        return answer.status_code, told.replace(email, "…"), [*asked], [*checked]

    monkeypatch.setattr(passwords, "hasher", SimpleNamespace(**PARAMETERS, verify=verify))
    event.listen(db.engines[None], "before_cursor_execute", note)
    work_for("warm@firm.example")
    assert work_for(known) == work_for("nobody.at.all@firm.example")
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Delivery)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("door", KNOCKS)
def test_a_known_address_takes_no_longer_than_an_unknown_one(unhurried: FlaskClient, door: str) -> None:
    """In pairs, one right after the other and either first: half of them differ by less than a tenth.

    Counted is our own time, whatever else the machine does; the database's is that of the same statements.
    """
    known, form = KNOCKS[door]

    def seconds(email: str) -> float:
        began = thread_time()
        unhurried.post(door, data={"email": email, **form})
        return thread_time() - began

    compared: list[float] = []
    for turn in range(200):
        if turn % 2:
            compared.append(seconds(known) / seconds("who@firm.example"))
        else:
            compared.append(1 / (seconds("who@firm.example") / seconds(known)))
        if turn >= 30 and 0.9 < median(compared) < 1.1:
            return
    raise AssertionError(f"A known address takes {median(compared):.2f} times as long.")


def test_what_happens_at_the_door_is_told_in_words(cast: Cast) -> None:
    assert told("people.session.open", {"second_factor": True})[0] == "signed in with a second factor"
    assert told("people.person.invite", {"name": "Nia", "role": "staff"})[0] == "invited Nia as staff"
    asked = told("firm.second_factor.update", {"changes": {"require_totp": [False, True]}})
    assert asked[0] == "asked everybody for a second factor"


def test_the_log_of_a_refused_link_keeps_its_secret(client: FlaskClient, cast: Cast, capsys: Any) -> None:
    client.get("/reset/link/" + "s3cret" * 8)
    out = capsys.readouterr()
    assert "s3cret" not in out.out + out.err


def test_people_hold_no_password_in_the_clear(cast: Cast) -> None:
    cast.sam.password_hash = hash_password(PASSWORD)
    db.session.flush()
    stored = db.session.scalars(sa.select(Person.password_hash).where(Person.id == cast.sam.id)).one()
    assert stored is not None and stored.startswith("$argon2id$") and PASSWORD not in stored
