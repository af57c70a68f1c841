"""A forgotten password, and what one changes of oneself."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.core.clock import now, travel_to
from app.core.db import db
from app.core.sealing import seal
from app.delivery.models import Delivery
from app.people.background import send_reset_mail
from app.people.models import Person, PersonSession
from app.people.passwords import hash_password, verify_password
from tests.make import Cast, count, sign_in, with_csrf
from tests.people.test_people import mailed_link

PASSWORD, NEXT = "seven quiet lanterns", "eight loud trombones"
Queued = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def sam(cast: Cast) -> Person:
    cast.sam.password_hash = hash_password(PASSWORD)
    db.session.flush()
    return cast.sam


def asked(client: FlaskClient, email: str = "sam@firm.example") -> str:
    with_csrf(client)
    assert client.post("/reset", data={"email": email}).status_code == 200
    send_reset_mail(email)
    return mailed_link(email)


def test_asking_answers_alike_for_known_and_unknown(
    client: FlaskClient, app: Flask, sam: Person, queued: Queued
) -> None:
    with_csrf(client)
    known = client.post("/reset", data={"email": "sam@firm.example"})
    unknown = client.post("/reset", data={"email": "who@firm.example"})
    assert known.status_code == unknown.status_code == 200 and known.text == unknown.text
    assert [name for name, _ in queued] == ["people.send_reset"] * 2
    send_reset_mail("who@firm.example")
    assert count(Delivery) == 0
    with app.test_request_context(base_url="https://evil.test/"):
        send_reset_mail("sam@firm.example")
    assert mailed_link("sam@firm.example").startswith("/reset/link/")


def test_asking_runs_dry(client: FlaskClient, sam: Person) -> None:
    with_csrf(client)
    answers = [client.post("/reset", data={"email": "sam@firm.example"}).status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]


def test_the_link_sets_a_password_once_and_signs_nobody_in(client: FlaskClient, app: Flask, sam: Person) -> None:
    elsewhere = sign_in(app.test_client(), sam)
    path = asked(client)
    assert client.get(path).status_code == 200 and client.head(path).status_code == 200
    assert client.get(path).headers["Referrer-Policy"] == "no-referrer"
    assert client.post(path, data={"password": "short"}).status_code == 422
    assert client.post(path, data={"password": NEXT}).headers["Location"] == "/sign-in"
    assert client.get("/account").status_code == 303 and elsewhere.get("/account").status_code == 303
    db.session.refresh(sam)
    assert verify_password(sam.password_hash, NEXT)
    assert with_csrf(client).post(path, data={"password": PASSWORD}).status_code == 404


def test_a_reset_does_not_get_around_the_second_factor(client: FlaskClient, sam: Person) -> None:
    sam.totp_secret = seal("JBSWY3DPEHPK3PXP", purpose="totp")
    db.session.flush()
    client.post(asked(client), data={"password": NEXT})
    answer = with_csrf(client).post("/sign-in", data={"email": "sam@firm.example", "password": NEXT})
    assert answer.headers["Location"] == "/sign-in/code"


def test_a_link_dies_after_an_hour(client: FlaskClient, sam: Person) -> None:
    path = asked(client)
    with travel_to(now() + dt.timedelta(hours=1, minutes=1)):
        assert client.get(path).status_code == 404


def test_a_link_dies_when_the_password_changes_or_somebody_signs_in(client: FlaskClient, sam: Person) -> None:
    path = asked(client)
    client.post("/sign-in", data={"email": "sam@firm.example", "password": PASSWORD})
    assert client.get(path).status_code == 404
    path = asked(client)
    assert client.post("/account/password", data={"password": NEXT, "end_others": "y"}).status_code == 303
    assert client.get(path).status_code == 404
    path = asked(client)
    assert client.post("/account/email", data={"email": "samuel@firm.example"}).status_code == 303
    assert client.get(path).status_code == 404


def test_a_new_password_asks_for_the_old_and_ends_other_sessions(client: FlaskClient, app: Flask, sam: Person) -> None:
    other = sign_in(app.test_client(), sam)
    sign_in(client, sam)
    assert client.post("/account/password", data={"password": NEXT, "end_others": "y"}).status_code == 422
    wrong = {"password": NEXT, "end_others": "y", "current_password": "not it"}
    assert client.post("/account/password", data=wrong).status_code == 422
    assert client.post("/account/password", data={**wrong, "current_password": PASSWORD}).status_code == 303
    assert client.get("/account").status_code == 200
    assert other.get("/account").status_code == 303


def test_an_address_is_changed_with_the_password_and_the_old_one_is_told(client: FlaskClient, sam: Person) -> None:
    sign_in(client, sam)
    assert client.post("/account/email", data={"email": "new@firm.example"}).status_code == 422
    taken = {"email": "mel@firm.example", "current_password": PASSWORD}
    assert 'id="email-error"' in client.post("/account/email", data=taken).text
    form = {"email": "new@firm.example", "current_password": PASSWORD}
    assert client.post("/account/email", data=form).status_code == 303
    told = db.session.scalars(sa.select(Delivery).where(Delivery.recipient == "sam@firm.example")).one()
    assert "new@firm.example" in told.text
    db.session.refresh(sam)
    assert sam.email == "new@firm.example"


def test_guessing_the_password_at_a_signed_in_desk_runs_dry(client: FlaskClient, sam: Person) -> None:
    sign_in(client, sam)
    form = {"email": "new@firm.example", "current_password": "guess"}
    answers = [client.post("/account/email", data=form).status_code for _ in range(11)]
    assert answers == [422] * 10 + [429]


def test_one_ends_ones_own_sessions_and_nobody_elses(client: FlaskClient, app: Flask, cast: Cast) -> None:
    other, mels = sign_in(app.test_client(), cast.sam), sign_in(app.test_client(), cast.mel)
    sign_in(client, cast.sam)
    rows = db.session.scalars(sa.select(PersonSession).order_by(PersonSession.created_at)).all()
    assert client.post(f"/account/sessions/{rows[1].id}/end").status_code == 404
    assert mels.get("/account").status_code == 200
    assert client.post(f"/account/sessions/{rows[0].id}/end").status_code == 303
    assert other.get("/account").status_code == 303
    third = sign_in(app.test_client(), cast.sam)
    assert client.post("/account/sessions/end-others").status_code == 303
    assert third.get("/account").status_code == 303 and client.get("/account").status_code == 200
