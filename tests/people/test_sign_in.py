"""Coming in at the firm's door."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.activity.models import Event
from app.core.clock import now, travel_to
from app.core.db import db
from app.people.models import Person, PersonLink, PersonSession, SignInAttempt
from app.people.passwords import hash_password
from tests.make import Cast, sign_in, with_csrf

PASSWORD = "seven quiet lanterns"


def knows(person: Person, password: str = PASSWORD) -> Person:
    person.password_hash = hash_password(password)
    db.session.flush()
    return person


def knock(client: FlaskClient, email: str, password: str, address: str = "203.0.113.7"):  # type: ignore[no-untyped-def]
    with_csrf(client)
    return client.post("/sign-in", data={"email": email, "password": password},
                       environ_overrides={"REMOTE_ADDR": address})


def events(kind: str) -> int:
    return int(db.session.scalar(sa.select(sa.func.count()).select_from(Event).where(Event.kind == kind)) or 0)


def test_the_door_shows_a_form(client: FlaskClient, cast: Cast) -> None:
    page = client.get("/sign-in")
    assert page.status_code == 200
    assert "Forgotten your password?" in page.text


def test_without_a_firm_every_door_leads_to_setup(client: FlaskClient) -> None:
    assert client.get("/sign-in").headers["Location"] == "/setup"
    assert "one-time link" in client.get("/setup").text


def test_the_right_password_opens_the_door_and_wanted_page(client: FlaskClient, cast: Cast) -> None:
    knows(cast.sam)
    with_csrf(client)
    answer = client.post("/sign-in", data={"email": "SAM@firm.example ", "password": PASSWORD, "next": "/account"})
    assert answer.status_code == 303 and answer.headers["Location"] == "/account"
    page = client.get("/account")
    assert page.status_code == 200 and "This one" in page.text
    assert events("people.session.open") == 1


@pytest.mark.parametrize("elsewhere", ["https://evil.test/", "//evil.test", "/\\evil.test", "\t//evil.test"])
def test_signing_in_never_leads_to_another_site(client: FlaskClient, cast: Cast, elsewhere: str) -> None:
    knows(cast.sam)
    with_csrf(client)
    answer = client.post("/sign-in", data={"email": "sam@firm.example", "password": PASSWORD, "next": elsewhere})
    assert answer.headers["Location"] == "/"


def test_unknown_address_and_wrong_password_are_answered_alike(client: FlaskClient, cast: Cast) -> None:
    knows(cast.sam)
    wrong = knock(client, "sam@firm.example", "not the password")
    unknown = knock(client, "who@firm.example", "not the password")
    assert wrong.status_code == unknown.status_code == 422
    assert wrong.text.replace("sam@", "who@").split("csrf_token")[0] == unknown.text.split("csrf_token")[0]
    assert events("people.sign_in.fail") == 2


def test_the_last_letter_of_a_long_password_counts(client: FlaskClient, cast: Cast) -> None:
    long = "a quiet lantern " * 8
    knows(cast.sam, long)
    assert knock(client, "sam@firm.example", long[:-1] + "x").status_code == 422
    assert knock(client, "sam@firm.example", long.rstrip()).status_code == 422
    assert knock(client, "sam@firm.example", long).status_code == 303


def test_a_password_of_100_kilobytes_is_refused_unread(client: FlaskClient, cast: Cast) -> None:
    knows(cast.sam)
    assert knock(client, "sam@firm.example", "x" * 100_000).status_code == 422


def test_ten_wrong_passwords_close_one_account_from_anywhere_and_no_other(client: FlaskClient, cast: Cast) -> None:
    knows(cast.sam), knows(cast.mel)
    for number in range(10):
        assert knock(client, "sam@firm.example", "wrong", f"198.51.100.{number}").status_code == 422
    closed = knock(client, "sam@firm.example", PASSWORD, "198.51.100.99")
    assert closed.status_code == 429 and 0 < int(closed.headers["Retry-After"]) <= 900
    assert events("people.sign_in.lock") == 1
    assert knock(client, "mel@firm.example", PASSWORD, "198.51.100.99").status_code == 303
    with travel_to(now() + dt.timedelta(minutes=16)):
        assert knock(client, "sam@firm.example", PASSWORD).status_code == 303


def test_a_hundred_tries_close_one_address(client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.people.commands.sign_in.verify_password", lambda stored, password: False)
    for number in range(100):
        assert knock(client, f"guess{number}@firm.example", "wrong").status_code == 422
    assert knock(client, "other@firm.example", "wrong").status_code == 429
    assert knock(client, "other@firm.example", "wrong", "203.0.113.8").status_code == 422


def test_signing_in_gives_a_new_cookie_and_buries_what_the_old_one_held(client: FlaskClient, cast: Cast) -> None:
    knows(cast.sam)
    client.get("/sign-in")
    before = client.get_cookie("firm")
    with client.session_transaction() as session:
        session["planted"] = "by an attacker"
    knock(client, "sam@firm.example", PASSWORD)
    with client.session_transaction() as session:
        assert "planted" not in session
    assert before is not None and client.get_cookie("firm").value != before.value  # type: ignore[union-attr]


def test_signing_in_again_ends_the_session_before(client: FlaskClient, cast: Cast) -> None:
    knows(cast.sam)
    knock(client, "sam@firm.example", PASSWORD)
    first = client.get_cookie("firm").value  # type: ignore[union-attr]
    knock(client, "sam@firm.example", PASSWORD)
    client.set_cookie("firm", first)
    assert client.get("/account").status_code == 303


def test_a_copied_cookie_is_dead_after_signing_out(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    copied = client.get_cookie("firm").value  # type: ignore[union-attr]
    assert client.post("/sign-out").status_code == 303
    client.set_cookie("firm", copied)
    assert client.get("/account").headers["Location"].startswith("/sign-in")


def test_twelve_idle_hours_end_a_session(client: FlaskClient, cast: Cast) -> None:
    knows(cast.sam)
    knock(client, "sam@firm.example", PASSWORD)
    with travel_to(now() + dt.timedelta(hours=11)):
        assert client.get("/account").status_code == 200
    with travel_to(now() + dt.timedelta(hours=22)):
        assert client.get("/account").status_code == 200
    with travel_to(now() + dt.timedelta(hours=35)):
        assert client.get("/account").status_code == 303


def test_thirty_days_end_a_session_however_busy(client: FlaskClient, cast: Cast) -> None:
    knows(cast.sam)
    knock(client, "sam@firm.example", PASSWORD)
    row = db.session.scalars(sa.select(PersonSession)).one()
    with travel_to(now() + dt.timedelta(days=30, minutes=1)):
        row.last_seen_at = now()
        db.session.flush()
        assert client.get("/account").status_code == 303


def test_last_seen_is_written_at_most_once_a_minute(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    row = db.session.scalars(sa.select(PersonSession)).one()
    first = row.last_seen_at
    with travel_to(first + dt.timedelta(seconds=40)):
        client.get("/account")
    db.session.refresh(row)
    assert row.last_seen_at == first
    with travel_to(first + dt.timedelta(seconds=80)):
        client.get("/account")
    db.session.refresh(row)
    assert row.last_seen_at > first


def test_an_outdated_hash_is_renewed_at_sign_in(client: FlaskClient, cast: Cast) -> None:
    from argon2 import PasswordHasher

    cast.sam.password_hash = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    db.session.flush()
    assert knock(client, "sam@firm.example", PASSWORD).status_code == 303
    db.session.refresh(cast.sam)
    assert "m=32768,t=3" in (cast.sam.password_hash or "")


def test_a_post_without_the_sessions_token_is_refused(client: FlaskClient, cast: Cast) -> None:
    knows(cast.sam)
    assert client.post("/sign-in", data={"email": "sam@firm.example", "password": PASSWORD}).status_code == 400
    assert db.session.scalar(sa.select(sa.func.count()).select_from(PersonSession)) == 0


def test_the_cookie_is_kept_from_scripts_and_other_sites(client: FlaskClient, cast: Cast) -> None:
    knows(cast.sam)
    cookie = knock(client, "sam@firm.example", PASSWORD).headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie and "Domain" not in cookie


def test_a_development_link_signs_in_once_and_only_by_its_button(client: FlaskClient, cast: Cast) -> None:
    from app.people.commands.links import make_sign_in_link

    path = make_sign_in_link("manager").removeprefix("http://localhost:8000")
    with_csrf(client)
    assert "Mel" in client.get(path).text
    client.head(path)
    assert client.get("/account").status_code == 303
    assert client.post(path).status_code == 303
    assert client.get("/account").status_code == 200
    assert with_csrf(client).post(path).status_code == 404
    assert db.session.scalars(sa.select(PersonLink)).one().used_at is not None


def test_the_guard_asks_the_database_once(client: FlaskClient, cast: Cast, max_queries) -> None:  # type: ignore[no-untyped-def]
    sign_in(client, cast.wes)
    client.get("/settings/rounding")
    with max_queries(1):
        assert client.get("/").status_code == 303


def test_a_walled_person_arrives_with_their_walls(cast: Cast) -> None:
    from app.clients.access import actor_for
    from app.desk.arrival import find_arrival
    from app.people.commands.sessions import open_session

    arrival = find_arrival(open_session(cast.wes, by=cast.actor(cast.wes), agent=""))
    assert arrival is not None and arrival.firm.name == "Hartwell & Co"
    assert actor_for(arrival.person, walls=arrival.walls) == cast.actor(cast.wes)
    assert actor_for(arrival.person, walls=arrival.walls).walled_clients == {cast.rival.id}


def test_an_address_that_the_browser_claims_is_not_believed(client: FlaskClient, cast: Cast) -> None:
    with_csrf(client)
    client.post("/sign-in", data={"email": "sam@firm.example", "password": "wrong"},
                headers={"X-Forwarded-For": "1.2.3.4"}, environ_overrides={"REMOTE_ADDR": "203.0.113.7"})
    assert db.session.scalars(sa.select(SignInAttempt.address)).one() == "203.0.113.7"
    told = sa.select(Event.address).where(Event.kind == "people.sign_in.fail")
    assert db.session.scalars(told).one() == "203.0.113.7"


def test_what_is_typed_as_an_address_is_kept_as_a_digest_only(client: FlaskClient, cast: Cast) -> None:
    knock(client, "my secret password", "oops")
    knock(client, "someone@else.example", "oops")
    kept = db.session.scalars(sa.select(SignInAttempt.account)).all()
    assert kept and not any("secret" in mark or "@" in mark for mark in kept)


def test_a_page_asked_for_by_script_after_the_session_ended_says_so(client: FlaskClient, cast: Cast) -> None:
    answer = client.get("/people", headers={"HX-Request": "true"})
    assert answer.status_code == 401 and "signed out" in answer.headers["HX-Trigger"]


def test_whoever_is_in_already_is_led_on(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    assert client.get("/sign-in?next=/account").headers["Location"] == "/account"
