"""A client knows whom to ask: who looks after them and how their office is reached, in the portal and in every mail."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.clients.commands.contact_access import make_sign_in_link
from app.clients.models import ClientContact
from app.core.db import db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.delivery.commands import send_mail
from app.delivery.models import Delivery
from app.firm.commands.entities import OfficeFacts, create_office, update_office
from app.firm.models import Office
from app.people.models import PersonState
from app.planning.models import Redating
from tests.make import keep, sign_in
from tests.portal.make_portal import at_portal, firm_again
from tests.requests.make_requests import link_in, mails, make_request

PHONE = "+44 20 7946 0100"


@pytest.fixture
def reached(cast: Any) -> Any:
    cast.office.phone, cast.office.email = PHONE, "london@firm.example"
    cast.entity.address = "12 Lime Street\nLondon EC3M 7AA"
    cast.acme.manager_id = cast.mel.id
    db.session.flush()
    return cast


def foot(page: str) -> str:
    return page[page.index('<footer class="portal-foot">'):]


def letter(cast: Any, **whose: Any) -> Delivery:
    with transaction():
        return send_mail(
            key=str(new_id()), kind="test", to="cleo@acme.example", name="Cleo", subject="Hello",
            template="email_changed", context={"name": "Cleo", "email": "x@a.example"},
            **whose,
        )


def test_the_portal_says_it_at_the_foot_of_each_page(client: FlaskClient, reached: Any) -> None:
    there = at_portal(client, reached.cleo)
    for address in ("/portal/", "/portal/documents/", "/portal/invoices/"):
        said = foot(there.get(address).text)
        assert f"Looked after by {reached.mel.name}" in said and 'href="tel:+442079460100"' in said
        assert "12 Lime Street, London EC3M 7AA" in said and 'href="mailto:london@firm.example"' in said


def test_whoever_is_still_outside_reads_how_the_firm_is_reached(client: FlaskClient, reached: Any) -> None:
    make_request(reached)
    for address in ("/portal/sign-in", "/portal/sign-in/sent", "/portal/link/sign-in/nothing"):
        said = foot(client.get(address).text)
        assert 'href="tel:+442079460100"' in said and "Looked after" not in said
    for link in (link_in(mails("requests.request")[0]), make_sign_in_link(reached.cleo.id).partition("localhost")[2]):
        page = client.get("/portal" + link.partition("/portal")[2]).text
        assert f"Looked after by {reached.mel.name}" in foot(page) and PHONE in foot(page)
        firm_again()


def test_every_mail_to_a_client_says_it_and_none_to_a_colleague(reached: Any) -> None:
    for whose in ({"client_id": reached.acme.id}, {"contact_id": reached.cleo.id}):
        mail = letter(reached, **whose)
        for part in (mail.html, mail.text):
            assert f"Looked after by {reached.mel.name}" in part and PHONE in part
            assert "12 Lime Street, London EC3M 7AA" in part and "london@firm.example" in part
    assert PHONE not in letter(reached, person_id=reached.sam.id, client_id=reached.acme.id).text


def test_the_address_of_the_office_comes_before_that_of_the_entity(client: FlaskClient, reached: Any) -> None:
    reached.office.address = "3 The Quay\nBristol"
    db.session.flush()
    assert "3 The Quay, Bristol" in foot(at_portal(client, reached.cleo).get("/portal/").text)
    assert "Lime Street" not in letter(reached, client_id=reached.acme.id).text


def test_of_two_offices_each_is_named_with_its_client_and_alone_where_one_client_is_shown(
    client: FlaskClient, reached: Any
) -> None:
    other = keep(Office(
        id=new_id(), entity_id=reached.entity.id, name="Leeds", zone="Europe/London", calendar="GB-ENG",
        phone="+44 113 496 0000",
    ))
    reached.rival.office_id = other.id
    keep(ClientContact(client_id=reached.rival.id, contact_id=reached.cleo.id, portal_access=True))
    there = at_portal(client, reached.cleo)
    said = foot(there.get("/portal/").text)
    assert said.index("Acme Ltd</bdi>:") < said.index(PHONE) < said.index("Rival plc</bdi>:") < said.index("113 496")
    there.post("/portal/client", data={"client": str(reached.rival.id)})
    assert "113 496" in foot(there.get("/portal/").text) and PHONE not in foot(there.get("/portal/").text)


def test_what_is_not_known_is_left_out_and_nobody_who_has_left_is_named(client: FlaskClient, cast: Any) -> None:
    cast.acme.manager_id, cast.acme.partner_id, cast.entity.address = cast.mel.id, None, ""
    cast.mel.state = PersonState.DEACTIVATED
    db.session.flush()
    said = foot(at_portal(client, cast.cleo).get("/portal/").text)
    assert "Looked after" not in said and "tel:" not in said and "mailto:" not in said
    assert letter(cast, client_id=cast.acme.id).text.rstrip().endswith(cast.firm.name)


def test_what_somebody_wrote_into_an_address_stays_text(client: FlaskClient, reached: Any) -> None:
    reached.office.address = "<script>alert(1)</script>"
    db.session.flush()
    assert "<script>alert" not in foot(at_portal(client, reached.cleo).get("/portal/").text)
    assert "<script>alert" not in letter(reached, client_id=reached.acme.id).html


def test_an_office_is_edited_and_what_is_no_address_is_refused_beside_its_field(
    client: FlaskClient, cast: Any
) -> None:
    sign_in(client, cast.pat)
    form = {
        "name": "London", "entity_id": cast.entity.id, "zone": "Europe/London", "calendar": "GB-ENG",
        "phone": "020 7946 0100", "email": "london@firm.example", "address": "12 Lime Street", "version": 1,
    }  # fmt: skip
    page = client.post(f"/settings/offices/{cast.office.id}", data=form | {"email": "no address"})
    assert page.status_code == 422 and "is no e-mail address" in page.text and "12 Lime Street" in page.text
    assert client.post(f"/settings/offices/{cast.office.id}", data=form).status_code == 303
    db.session.refresh(cast.office)
    kept = (cast.office.phone, cast.office.email, cast.office.address)
    assert kept == (PHONE, "london@firm.example", "12 Lime Street")
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Redating)) == 0


def test_who_may_not_edit_settings_may_not_edit_this(cast: Any) -> None:
    facts = OfficeFacts(name="A", entity_id=cast.entity.id, zone="Europe/London", calendar="GB-ENG", phone=PHONE)
    with pytest.raises(NotAllowed):
        update_office(cast.office, facts, by=cast.actor(cast.sam))
    with pytest.raises(NotAllowed):
        create_office(new_id(), facts, by=cast.actor(cast.sam))


def test_an_address_of_10000_characters_is_refused(cast: Any) -> None:
    facts = OfficeFacts(
        name="A", entity_id=cast.entity.id, zone="Europe/London", calendar="GB-ENG", address="x" * 10_000
    )
    with pytest.raises(Refused, match="at most 500 characters"):
        update_office(cast.office, facts, by=cast.actor(cast.pat))
