"""A file that is not taken stays in sight, red and with its reason; who has left is told by mail."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from app.core.actors import SYSTEM
from app.core.clock import now, travel_to
from app.core.db import db, transaction
from app.requests.commands.refused_files import tell_again, tell_refused_files
from tests.documents.test_take_in_files import take_in
from tests.portal.make_portal import PortalClient, at_portal
from tests.requests.make_requests import FILES, give_file, item_of, link_in, mails, make_request

SVG = (FILES / "hostile" / "svg_script.svg").read_bytes()
KIND = "requests.files_refused"


def minutes_later(minutes: int) -> Any:
    return travel_to(now() + dt.timedelta(minutes=minutes))


def test_a_file_sent_unasked_and_refused_stays_red_with_its_sentence(client: FlaskClient, cast: Any) -> None:
    take_in(cast, "logo.svg", SVG)
    page = at_portal(client, cast.cleo).get("/portal/documents/").text
    row = page[page.index('class="ask late"'):]
    assert "logo.svg" in row and "Not taken:" in row and "can carry a program" in row
    assert "logo.svg" not in at_portal(client, cast.otto).get("/portal/documents/").text


def test_who_has_left_is_told_once_by_one_mail_and_who_saw_it_is_not(client: FlaskClient, cast: Any) -> None:
    at_portal(client, cast.cleo)
    take_in(cast, "logo.svg", SVG)
    take_in(cast, "mark.svg", SVG)
    with minutes_later(3):
        assert tell_refused_files(by=SYSTEM) == 0, "perhaps they are still there"
    with minutes_later(7):
        assert tell_refused_files(by=SYSTEM) == 1
        assert tell_refused_files(by=SYSTEM) == 0
    (mail,) = mails(KIND)
    assert "logo.svg" in mail.text and "mark.svg" in mail.text and "can carry a program" in mail.text
    assert "/portal/documents/" in mail.text
    with minutes_later(10):
        take_in(cast, "third.svg", SVG)
        db.session.execute(sa.text("UPDATE contact_session SET last_seen_at = :now"), {"now": now()})
        with minutes_later(8):
            assert tell_refused_files(by=SYSTEM) == 0


def test_a_mail_that_is_sent_again_tells_of_no_file_that_was_refused_after_it(client: FlaskClient, cast: Any) -> None:
    take_in(cast, "logo.svg", SVG)
    with minutes_later(7):
        assert tell_refused_files(by=SYSTEM) == 1
    (mail,) = mails(KIND)
    with minutes_later(10):
        take_in(cast, "third.svg", SVG)
    with minutes_later(17):
        with transaction():
            tell_again(mail, by=cast.actor(cast.pat))
        assert tell_refused_files(by=SYSTEM) == 1
    assert sum("third.svg" in each.text for each in mails(KIND)) == 1


def test_the_mail_leads_to_the_request_that_the_file_was_for(client: FlaskClient, cast: Any) -> None:
    request = make_request(cast)
    give_file(item_of(request, "statements"), "logo.svg", SVG, by=cast.contact(cast.cleo))
    with minutes_later(7):
        assert tell_refused_files(by=SYSTEM) == 1
    (mail,) = mails(KIND)
    browser = PortalClient(client)
    assert browser.post(link_in(mail)).location == f"/portal/requests/{request.id}"


def test_who_no_longer_sees_the_client_is_not_written_to(client: FlaskClient, cast: Any) -> None:
    take_in(cast, "logo.svg", SVG)
    db.session.execute(sa.text("UPDATE client_contact SET portal_access = false"))
    db.session.commit()
    with minutes_later(7):
        assert tell_refused_files(by=SYSTEM) == 0
    assert mails(KIND) == []
