"""Setting an empty firm up."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.clients.models import Client, Engagement
from app.core.actors import SYSTEM
from app.core.db import db
from app.core.errors import NotAllowed, NotFound, Refused
from app.desk.setup import Beginning, begin_firm, set_up
from app.firm.models import Entity, Firm, Office, TaxRate
from app.people.commands.links import find_link, make_setup_link
from app.people.models import LinkPurpose, Person, PersonSession
from tests.make import Cast, count, with_csrf
from tests.test_small_commands import told

FORM = {
    "firm_name": "Birch & Partners", "country": "IE", "currency": "", "year_end_month": "3", "year_end_day": "31",
    "tax": "usual", "tax_number": "", "bank_name": "AIB", "iban": "IE29 AIBK 9311 5212 3456 78", "bic": "AIBKIE2D",
    "account_number": "", "sort_code": "", "partner_name": "Orla Byrne", "email": "orla@birch.example",
    "password": "seven quiet lanterns",
}


def link(client: FlaskClient) -> str:
    with_csrf(client)
    return make_setup_link().removeprefix("http://localhost:8000")


def test_an_empty_firm_has_nobody_and_its_door_names_no_account(client: FlaskClient, session: Session) -> None:
    assert count(Person) == 0 and count(Firm) == 0
    assert client.get("/", follow_redirects=False).status_code in (303, 302, 404)
    with_csrf(client)
    for email, password in (("admin", "admin"), ("root@localhost", "root"), ("admin@example.com", "password")):
        assert client.post("/sign-in", data={"email": email, "password": password}).headers["Location"] == "/setup"


def test_the_link_opens_a_form_that_makes_the_firm_and_closes_behind_itself(client: FlaskClient) -> None:
    path = link(client)
    assert client.get(path).status_code == 200 and client.get(path).status_code == 200
    assert client.post(path, data=FORM).status_code == 303
    entity = db.session.scalars(sa.select(Entity)).one()
    office = db.session.scalars(sa.select(Office)).one()
    assert (entity.currency, entity.iban, entity.year_end_month) == ("EUR", "IE29AIBK93115212345678", 3)
    assert (office.zone, office.calendar) == ("Europe/Dublin", "IE")
    rates = {r.code: r for r in db.session.scalars(sa.select(TaxRate))}
    assert rates["S23"].is_default and "S13.5" in rates and rates["AE"].percent == 0
    own = db.session.scalars(sa.select(Client).where(Client.is_firm)).one()
    assert db.session.scalars(sa.select(Engagement)).one().client_id == own.id
    assert "Orla Byrne" in client.get("/account").text
    assert "Bring clients in" in client.get("/work").text and "Only the firm itself" in client.get("/clients").text
    assert client.get(path).headers["Location"] == "/sign-in"
    assert with_csrf(client).post(path, data=FORM).headers["Location"] == "/sign-in"
    assert count(Firm) == 1 and count(Person) == 1


def test_the_first_partner_signs_in_with_what_was_typed(client: FlaskClient) -> None:
    client.post(link(client), data=FORM)
    assert with_csrf(client).post("/sign-out").status_code == 303
    assert client.get("/account").status_code == 303
    known = {"email": "orla@birch.example", "password": FORM["password"]}
    assert with_csrf(client).post("/sign-in", data=known).status_code == 303
    assert client.get("/account").status_code == 200


def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_made(client: FlaskClient) -> None:
    path = link(client)
    wrong = {**FORM, "iban": "IE29 AIBK 9311 5212 3456 79", "partner_name": "Órla"}
    answer = client.post(path, data=wrong)
    assert answer.status_code == 422
    assert 'id="iban-error"' in answer.text and "Órla" in answer.text and "3456 79" in answer.text
    assert count(Firm) == 0
    weak = client.post(path, data={**FORM, "password": "password123"})
    assert weak.status_code == 422 and 'id="password-error"' in weak.text
    assert client.post(path, data=FORM).status_code == 303


def test_a_newer_link_ends_the_one_before(client: FlaskClient) -> None:
    first, second = link(client), link(client)
    assert client.get(first).status_code == 404
    assert client.get(second).status_code == 200


def test_a_guessed_link_opens_nothing(client: FlaskClient) -> None:
    link(client)
    assert client.get("/setup/link/" + "a" * 43).status_code == 404
    assert client.post("/setup/link/" + "a" * 43, data=FORM).status_code == 404
    assert count(Firm) == 0


BIRCH = Beginning(
    firm_name="Birch & Partners", country="IE", year_end_month=3, year_end_day=31, partner_name="Orla Byrne",
    email="orla@birch.example", password="seven quiet lanterns",
)


def test_a_firm_is_made_by_whoever_has_the_link_and_a_refusal_uses_nothing_up(session: Session) -> None:
    token = make_setup_link().rpartition("/")[2]
    for wrong in ({"password": "short"}, {"firm_name": " "}, {"partner_name": "x" * 10_000}, {"email": "nobody"}):
        with pytest.raises(Refused):
            set_up(token, replace(BIRCH, **wrong), by=SYSTEM, agent="Test")
        assert find_link(LinkPurpose.SETUP, token) and count(Firm) == count(Person) == 0
    assert set_up(token, BIRCH, by=SYSTEM, agent="Test")
    assert count(Firm) == count(Person) == count(PersonSession) == 1 and told("firm.firm.set_up") == 1
    with pytest.raises(NotFound):
        set_up(token, BIRCH, by=SYSTEM, agent="Test")
    with pytest.raises(Refused, match="set up already"):
        begin_firm(BIRCH, by=SYSTEM, agent="Test")
    assert count(Firm) == 1 and told("firm.firm.set_up") == 1


def test_nobody_who_is_in_already_makes_a_firm(cast: Cast) -> None:
    for by in (cast.actor(cast.pat), cast.contact(cast.cleo)):
        with pytest.raises(NotAllowed):
            begin_firm(BIRCH, by=by, agent="Test")
        with pytest.raises(NotAllowed):
            set_up("never one", BIRCH, by=by, agent="Test")
