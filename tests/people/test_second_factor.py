"""The second factor: codes that work once, guesses that run dry, and a firm that asks for it."""

from __future__ import annotations

import datetime as dt
import re

import pyotp
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.core.clock import now, travel_to
from app.core.db import db
from app.core.sealing import seal, unseal
from app.people.commands.throttle import CODE
from app.people.models import Person, PersonSession
from app.people.passwords import hash_password
from app.people.totp import matching_step, new_recovery_codes, recovery_hash
from tests.make import Cast, sign_in, with_csrf

PASSWORD = "seven quiet lanterns"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def guarded(person: Person, codes: list[str] | None = None) -> Person:
    person.password_hash = hash_password(PASSWORD)
    person.totp_secret = seal(SECRET, purpose="totp")
    person.recovery_hashes = [recovery_hash(code) for code in codes or []]
    db.session.flush()
    return person


def half_way(client: FlaskClient, email: str = "sam@firm.example") -> FlaskClient:
    with_csrf(client)
    assert client.post("/sign-in", data={"email": email, "password": PASSWORD}).headers["Location"] == "/sign-in/code"
    return with_csrf(client)


def code(at: dt.datetime | None = None) -> str:
    return pyotp.TOTP(SECRET).at(at or now())


def test_the_password_alone_reaches_nothing(client: FlaskClient, cast: Cast) -> None:
    guarded(cast.sam)
    half_way(client)
    assert client.get("/account").headers["Location"].startswith("/sign-in/code")
    assert client.post("/account", data={"name": "Samuel"}).status_code == 303
    assert client.get("/account", headers={"HX-Request": "true"}).status_code == 401
    db.session.refresh(cast.sam)
    assert cast.sam.name == "Sam"


def test_the_code_opens_with_a_new_session_and_the_half_one_is_dead(client: FlaskClient, cast: Cast) -> None:
    guarded(cast.sam)
    half_way(client)
    half = client.get_cookie("firm").value  # type: ignore[union-attr]
    assert client.post("/sign-in/code", data={"code": code()}).status_code == 303
    assert client.get("/account").status_code == 200
    client.set_cookie("firm", half)
    assert client.get("/account").headers["Location"].startswith("/sign-in?")


def test_one_code_opens_once(client: FlaskClient, app: Flask, cast: Cast) -> None:
    guarded(cast.sam)
    used = code()
    half_way(client)
    client.post("/sign-in/code", data={"code": used})
    other = half_way(app.test_client())
    again = other.post("/sign-in/code", data={"code": used})
    assert again.status_code == 422 and "was used already" in again.text


def test_a_recovery_code_opens_once(client: FlaskClient, app: Flask, cast: Cast) -> None:
    codes = new_recovery_codes()
    guarded(cast.sam, codes)
    half_way(client)
    assert client.post("/sign-in/code", data={"code": codes[3].upper()}).status_code == 303
    other = half_way(app.test_client())
    assert other.post("/sign-in/code", data={"code": codes[3]}).status_code == 422
    db.session.refresh(cast.sam)
    assert len(cast.sam.recovery_hashes or []) == 9


def test_guesses_run_dry_for_the_account_whatever_the_session(client: FlaskClient, app: Flask, cast: Cast) -> None:
    guarded(cast.sam)
    for _ in range(CODE.per_account):
        fresh = half_way(app.test_client())
        assert fresh.post("/sign-in/code", data={"code": "000000"}).status_code == 422
    last = half_way(client).post("/sign-in/code", data={"code": code()})
    assert last.status_code == 429 and int(last.headers["Retry-After"]) > 0


def test_the_half_session_ends_after_ten_minutes(client: FlaskClient, cast: Cast) -> None:
    guarded(cast.sam)
    half_way(client)
    with travel_to(now() + dt.timedelta(minutes=11)):
        assert client.post("/sign-in/code", data={"code": code(now())}).headers["Location"] == "/sign-in"


def test_a_firm_that_asks_for_it_lets_nobody_past_enrolling(client: FlaskClient, cast: Cast, app: Flask) -> None:
    cast.firm.require_totp = True
    db.session.flush()
    sign_in(client, cast.sam)
    allowed = {"/account/second-factor"}
    for rule in app.url_map.iter_rules():
        guarded_views = app.before_request_funcs.get(rule.endpoint.rpartition(".")[0], [])
        is_guarded = any(view.__name__ == "require_person" for view in guarded_views)
        if "GET" in (rule.methods or ()) and not rule.arguments and is_guarded:
            answer = client.get(rule.rule)
            if rule.rule in allowed:
                assert answer.status_code == 200
            else:
                assert answer.headers.get("Location") == "/account/second-factor", rule.rule


def test_enrolling_shows_a_picture_and_ten_codes_and_ends_other_sessions(
    client: FlaskClient, app: Flask, cast: Cast
) -> None:
    cast.sam.password_hash = hash_password(PASSWORD)
    other = sign_in(app.test_client(), cast.sam)
    sign_in(client, cast.sam)
    page = client.get("/account/second-factor").text
    assert "<svg" in page and "style=" not in page.split("<svg")[1].split("</svg>")[0]
    sealed = re.search(r'name="secret"[^>]*value="([^"]+)"', page)
    assert sealed is not None
    secret = unseal(sealed[1], purpose="enrolment")
    typed = pyotp.TOTP(secret).at(now())
    form = {"secret": sealed[1], "code": typed, "current_password": PASSWORD}
    wrong = client.post("/account/second-factor", data={**form, "code": "000000"})
    assert wrong.status_code == 422 and sealed[1] in wrong.text
    done = client.post("/account/second-factor", data=form)
    assert done.status_code == 200 and len(re.findall(r"<li><code>[a-z0-9-]{19}</code>", done.text)) == 10
    assert client.get("/account").status_code == 200
    assert other.get("/account").status_code == 303
    db.session.refresh(cast.sam)
    assert secret not in (cast.sam.totp_secret or "") and unseal(cast.sam.totp_secret or "", purpose="totp") == secret


def test_enrolling_asks_for_the_password_first(client: FlaskClient, cast: Cast) -> None:
    cast.sam.password_hash = hash_password(PASSWORD)
    sign_in(client, cast.sam)
    sealed = seal(SECRET, purpose="enrolment")
    answer = client.post("/account/second-factor", data={"secret": sealed, "code": code()})
    assert answer.status_code == 422 and 'id="current_password-error"' in answer.text


def test_it_cannot_be_taken_off_while_the_firm_asks_for_it(client: FlaskClient, cast: Cast) -> None:
    guarded(cast.sam)
    cast.firm.require_totp = True
    sign_in(client, cast.sam)
    path = "/account/second-factor/removal"
    assert client.post(path, data={"current_password": PASSWORD}).status_code == 422
    cast.firm.require_totp = False
    db.session.flush()
    assert client.post(path, data={"current_password": PASSWORD}).status_code == 303
    db.session.refresh(cast.sam)
    assert cast.sam.totp_secret is None


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "１２３４５６"])
def test_what_is_no_code_matches_no_step(typed: str) -> None:
    assert matching_step(SECRET, typed, now()) is None


def test_a_code_fits_one_step_early_and_late_and_no_more() -> None:
    at = dt.datetime(2026, 3, 1, 12, 0, 15, tzinfo=dt.UTC)
    fits = [matching_step(SECRET, code(at + dt.timedelta(seconds=30 * n)), at) is not None for n in (-2, -1, 0, 1, 2)]
    assert fits == [False, True, True, True, False]


def test_two_sessions_have_nothing_in_common(cast: Cast) -> None:
    from app.people.commands.sessions import open_session

    tokens = {open_session(cast.sam, by=cast.actor(cast.sam), agent="") for _ in range(50)}
    assert len(tokens) == 50 and all(len(token) >= 43 for token in tokens)
    stored = db.session.scalars(sa.select(PersonSession.token_hash)).all()
    assert not any(token.encode() in digest for token in tokens for digest in stored)
