"""Getting in: links that work once, sessions that end, and nothing that tells who is known here."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.clients.commands.contact_access import make_sign_in_link, send_sign_in_links
from app.clients.models import AddressKind, ContactAddress, ContactLink, ContactSession
from app.core.actors import SYSTEM
from app.core.clock import now, travel_to
from app.core.db import db
from app.core.errors import Refused
from app.requests.commands.reminding import remind_contact, remind_request
from tests.make import count, keep
from tests.portal.make_portal import PortalClient, at_portal
from tests.requests.make_requests import fresh, link_in, mails, make_request

KNOWN, UNKNOWN = "cleo@client.example", "nobody@client.example"


def path_of(link: str) -> str:
    return "/" + link.split("/", 3)[3]


def test_asking_says_the_same_for_the_known_and_the_unknown(
    client: FlaskClient, cast: Any, queued: list[tuple[str, dict[str, Any]]]
) -> None:
    browser = PortalClient(client)
    answers = [browser.post("/portal/sign-in", data={"email": email}) for email in (KNOWN, UNKNOWN)]
    assert {(answer.status_code, answer.location, answer.data) for answer in answers} == {
        (303, "/portal/sign-in/sent", answers[0].data)
    }
    assert [payload["email"] for name, payload in queued] == [KNOWN, UNKNOWN]
    assert send_sign_in_links(KNOWN, by=SYSTEM) == 1
    assert send_sign_in_links(UNKNOWN, by=SYSTEM) == 0


def test_a_couple_that_shares_an_address_gets_one_mail_that_names_both(cast: Any) -> None:
    keep(ContactAddress(contact_id=cast.otto.id, kind=AddressKind.EMAIL, value=KNOWN.upper()))
    assert send_sign_in_links(KNOWN, by=SYSTEM) == 2
    (mail,) = mails("clients.sign_in")
    assert "Cleo" in mail.text and "Otto" in mail.text


def test_a_sign_in_link_is_not_used_by_looking_and_works_once(client: FlaskClient, cast: Any) -> None:
    send_sign_in_links(KNOWN, by=SYSTEM)
    path = link_in(mails("clients.sign_in")[0])
    browser = PortalClient(client)
    for method in ("GET", "HEAD", "GET"):
        assert browser.open(path, method=method).status_code == 200
    assert count(ContactSession) == 0
    opened = browser.post(path)
    assert (opened.status_code, opened.location) == (303, "/portal/")
    assert b"Cleo" in browser.get("/portal/").data
    again = browser.post(path)
    assert again.status_code == 410 and b"Send me a new link" in again.data


def test_a_link_of_yesterday_and_one_that_never_was_look_the_same(client: FlaskClient, cast: Any) -> None:
    path = path_of(make_sign_in_link(cast.cleo.id))
    browser = PortalClient(client)
    with travel_to(now() + dt.timedelta(minutes=16)):
        old = browser.get(path)
        never = browser.get("/portal/link/sign-in/" + "x" * 43)
    assert old.status_code == never.status_code == 410
    assert old.data == never.data


def test_a_cookie_is_worth_nothing_after_signing_out(client: FlaskClient, cast: Any) -> None:
    browser = at_portal(client, cast.cleo)
    cookie = client.get_cookie("portal", path="/").value  # type: ignore[union-attr]
    assert browser.get("/portal/").status_code == 200
    browser.post("/portal/sign-out")
    client.set_cookie("portal", cookie)
    assert browser.get("/portal/").location == "/portal/sign-in"


def test_signing_out_everywhere_ends_every_device(client: FlaskClient, app: Flask, cast: Any) -> None:
    other = at_portal(app.test_client(), cast.cleo)
    browser = at_portal(client, cast.cleo)
    page = browser.get("/portal/account/")
    assert page.status_code == 200 and b"Sign out everywhere" in page.data
    browser.post("/portal/account/devices/end")
    assert other.get("/portal/").status_code == 303
    assert not db.session.scalars(sa.select(ContactSession).where(ContactSession.revoked_at.is_(None))).all()


def test_taking_portal_access_away_ends_it_at_the_next_request(client: FlaskClient, cast: Any) -> None:
    browser = at_portal(client, cast.cleo)
    db.session.execute(sa.text("UPDATE client_contact SET portal_access = false"))
    assert browser.get("/portal/documents/").status_code == 303


def test_a_request_link_does_not_open_documents_or_invoices(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    browser = at_portal(client, cast.cleo, request)
    for path in ("/portal/documents/", "/portal/invoices/", "/portal/work/", "/portal/account/", "/portal/requests/"):
        page = browser.get(path)
        assert page.status_code == 403 and b"Send me the link" in page.data, path
    assert browser.get("/portal/").location == f"/portal/requests/{request.id}"
    assert browser.post("/portal/sign-in/step-up").status_code == 303


def test_asking_too_often_is_slowed_down(client: FlaskClient, cast: Any) -> None:
    browser = PortalClient(client)
    answers = [browser.post("/portal/sign-in", data={"email": UNKNOWN}).status_code for _ in range(8)]
    assert answers[:6] == [303] * 6 and answers[-1] == 429


def test_every_form_wants_its_token(app: Flask, client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    browser = at_portal(client, cast.cleo, request)
    app.config["WTF_CSRF_ENABLED"] = True
    assert browser.post(f"/portal/requests/{request.id}/submission").status_code == 400
    assert browser.post("/portal/sign-out").status_code == 400
    assert count(ContactLink) == 0


def test_who_is_no_longer_a_contact_of_the_client_is_out_at_once(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    path = link_in(mails("requests.request")[0])
    browser = at_portal(client, cast.cleo, request)
    assert browser.get(f"/portal/requests/{request.id}").status_code == 200
    db.session.execute(sa.text("DELETE FROM client_contact WHERE contact_id = :id"), {"id": cast.cleo.id})
    assert browser.get(f"/portal/requests/{request.id}").status_code == 303
    assert browser.post(path).status_code == 410


def test_a_requests_link_ends_when_its_contact_no_longer_sees_the_client_and_lives_again_with_it(
    client: FlaskClient, cast: Any
) -> None:
    request = make_request(cast)
    path = link_in(mails("requests.request")[0])
    browser = PortalClient(client)
    opened = browser.post(path).location
    assert browser.get(opened).status_code == 200
    db.session.execute(sa.text("UPDATE client_contact SET portal_access = false"))
    assert browser.get(opened).location == "/portal/sign-in", "the session that the link opened"
    assert browser.get(path).status_code == 410 and browser.post(path).status_code == 410
    browser.post(f"{path}/again")
    assert not remind_contact(cast.cleo.id, now().date() + dt.timedelta(days=30), by=SYSTEM)
    with pytest.raises(Refused, match="in the portal any more"):
        remind_request(fresh(request), by=cast.actor(cast.mel))
    db.session.execute(sa.text("UPDATE client_contact SET portal_access = true"))
    assert browser.post(path).location == opened and browser.get(opened).status_code == 200


def test_nobody_is_sent_a_link_that_would_open_nothing(cast: Any) -> None:
    db.session.execute(sa.text("UPDATE client_contact SET portal_access = false"))
    with pytest.raises(Refused, match="Tick “Sees this client in the portal”"):
        make_request(cast)
    assert not mails("requests.request")
