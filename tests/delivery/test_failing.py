"""A mail that is refused or does not get through: told where it belongs, sent again in one press, or dropped."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.activity.commands import run_reader, seal_events
from app.billing.commands.issue import approve_invoice
from app.billing.commands.send import send_invoice
from app.clients.commands.contact_access import send_sign_in_links
from app.clients.models import Wall
from app.core.actors import SYSTEM
from app.core.clock import now, travel_to
from app.core.db import db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.core.permissions import Role
from app.delivery.background import PAUSES, send_delivery, sweep
from app.delivery.commands import let_be, send_again, send_mail
from app.delivery.models import Delivery, DeliveryState
from app.notifications.models import Notice
from app.notifications.queries import list_notices
from app.people.commands.people import PersonDetails, invite_person
from app.requests.commands.refused_files import tell_refused_files
from app.requests.commands.reminding import remind_request
from app.requests.commands.sending import cancel_request
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, keep, sign_in, with_csrf
from tests.portal.make_portal import PortalClient
from tests.postbox import Postbox
from tests.requests.make_requests import FILES, give_file, item_of, link_in, make_request

NO = "550 no such person"


def last(kind: str) -> Delivery:
    """The last mail of this kind."""
    return db.session.scalars(sa.select(Delivery).where(Delivery.kind == kind).order_by(Delivery.id.desc())).all()[0]


def mail(kind: str, **values: Any) -> Delivery:
    """One that goes out by itself."""
    with transaction():
        return send_mail(key=str(new_id()), kind=kind, to="who@client.example", subject="Hello",
                         template="account_changed", context={"name": "Who", "what": "Hello."}, by=SYSTEM, **values)


def go(delivery: Delivery) -> Delivery:
    send_delivery(str(delivery.id))
    db.session.refresh(delivery)
    return delivery


def told(*people: Any) -> dict[str, list[str]]:
    """What stands in whose inbox about mails."""
    while seal_events():
        pass
    while run_reader("notifications.inbox"):
        pass
    rows = db.session.execute(sa.select(Notice.person_id, Notice.kind).where(Notice.kind.like("delivery.%")))
    found: dict[str, list[str]] = {person.name: [] for person in people}
    names = {person.id: person.name for person in people}
    for person_id, kind in rows:
        found.setdefault(names.get(person_id, "somebody else"), []).append(kind)
    return found


def refused_request(cast: Cast, postbox: Postbox) -> tuple[Any, Delivery]:
    postbox.answer = NO
    request = make_request(cast, by=cast.actor(cast.sam))
    return request, go(last("requests.request"))


def test_a_request_says_sending_sent_or_refused_and_its_sender_is_told(
    client: FlaskClient, cast: Cast, postbox: Postbox
) -> None:
    request = make_request(cast, by=cast.actor(cast.sam))
    page = sign_in(client, cast.sam).get(f"/requests/{request.id}").text
    assert ">Sending<" in page and ">Sent<" not in page.replace("<dt>Sent<", "")
    assert ">Sending<" in client.get("/requests").text
    postbox.answer = NO
    failed = go(last("requests.request"))
    assert failed.state is DeliveryState.FAILED and failed.failed_at is not None
    page = client.get(f"/requests/{request.id}").text
    assert ">Mail refused<" in page and "no such person" in page and "Send again" in page
    assert ">Mail refused<" in client.get("/requests").text
    assert told(cast.sam, cast.pat, cast.mel) == {"Sam": ["delivery.mail.fail"], "Pat": [], "Mel": []}
    (line,), _more = list_notices(seen_by=cast.actor(cast.sam))
    assert "was refused" in line.words and line.url == f"/failures/mails/{failed.id}"
    assert client.get(line.url).status_code == 200
    postbox.answer = "250 OK"
    client.post(f"/failures/mails/{failed.id}/again", data={"back": f"/requests/{request.id}"})
    go(last("requests.request"))
    page = client.get(f"/requests/{request.id}").text
    assert ">Mail refused<" not in page and "no such person" not in page


def test_a_refused_request_goes_again_in_one_press_to_the_address_that_holds_now_with_a_link_that_works(
    client: FlaskClient, cast: Cast, postbox: Postbox
) -> None:
    request, failed = refused_request(cast, postbox)
    db.session.execute(sa.text("UPDATE contact_address SET value = 'cleo@new.example' WHERE contact_id = :id"),
                       {"id": cast.cleo.id})
    postbox.answer = "250 OK"
    back = {"back": f"/requests/{request.id}"}
    answer = sign_in(client, cast.sam).post(f"/failures/mails/{failed.id}/again", data=back)
    assert answer.location == f"/requests/{request.id}"
    again = go(last("requests.request"))
    assert again.id != failed.id and again.state is DeliveryState.SENT
    assert postbox.taken[0]["To"] == "Cleo <cleo@new.example>"
    assert client.post(f"/failures/mails/{failed.id}/again").status_code == 422, "a second time"
    assert client.get("/failures/").text.count("no such person") == 0


def test_what_is_refused_or_still_waits_is_not_sent_again_twice_and_is_nobody_elses(
    cast: Cast, postbox: Postbox
) -> None:
    request = make_request(cast, by=cast.actor(cast.sam))
    waiting = last("requests.request")
    with pytest.raises(Refused, match="still being sent"):
        send_again(waiting, by=cast.actor(cast.sam))
    postbox.answer = NO
    failed = go(waiting)
    for nobody in (cast.contact(cast.cleo), SYSTEM):
        with pytest.raises(NotAllowed):
            send_again(failed, by=nobody)
        with pytest.raises(NotAllowed):
            let_be(failed, by=nobody)
    let_be(failed, by=cast.actor(cast.sam))
    with pytest.raises(Refused, match="seen to this mail already"):
        let_be(failed, by=cast.actor(cast.sam))
    with pytest.raises(Refused, match="seen to this mail already"):
        send_again(failed, by=cast.actor(cast.sam))
    assert request.id == failed.about_id


def test_a_request_that_was_closed_meanwhile_is_neither_sent_nor_sent_again(cast: Cast, postbox: Postbox) -> None:
    request = make_request(cast, by=cast.actor(cast.sam))
    waiting = last("requests.request")
    cancel_request(request, by=cast.actor(cast.sam))
    assert go(waiting).state is DeliveryState.DROPPED and waiting.error == "The request was closed meanwhile."
    assert postbox.taken == []
    with pytest.raises(Refused, match="closed meanwhile"):
        send_again(waiting, by=cast.actor(cast.sam))


def test_a_reminder_of_what_was_answered_meanwhile_is_not_sent_and_says_so(
    client: FlaskClient, cast: Cast, postbox: Postbox
) -> None:
    request = make_request(cast, by=cast.actor(cast.sam))
    go(last("requests.request"))
    remind_request(request, by=cast.actor(cast.sam))
    reminder = last("requests.reminder")
    db.session.execute(sa.text("UPDATE client_request SET state = 'submitted'"))
    db.session.expire_all()
    assert go(reminder).state is DeliveryState.DROPPED and len(postbox.taken) == 1
    page = sign_in(client, cast.sam).get(f"/requests/{request.id}").text
    assert "All that it reminds of was answered meanwhile." in page


def test_a_refused_reminder_goes_again_about_what_is_still_missing(cast: Cast, postbox: Postbox) -> None:
    request = make_request(cast, by=cast.actor(cast.sam))
    go(last("requests.request"))
    postbox.answer = NO
    remind_request(request, by=cast.actor(cast.sam))
    failed = go(last("requests.reminder"))
    postbox.answer = "250 OK"
    send_again(failed, by=cast.actor(cast.sam))
    again = go(last("requests.reminder"))
    assert again.state is DeliveryState.SENT and request.name in again.text
    assert db.session.scalar(sa.text("SELECT delivery_id FROM reminder")) == again.id


def test_a_sign_in_link_is_not_sent_once_it_has_run_out_however_long_the_server_was_away(
    cast: Cast, app: Flask
) -> None:
    before = app.config["SETTINGS"]
    app.config["SETTINGS"] = replace(before, smtp_url="smtp://127.0.0.1:9")
    try:
        send_sign_in_links("cleo@client.example", by=SYSTEM)
        link = last("clients.sign_in")
        tries = 0
        while link.state is DeliveryState.QUEUED and tries < 20:
            tries += 1
            with travel_to(link.next_try_at or now()):
                go(link)
            assert link.useful_until and (link.next_try_at or now()) <= link.useful_until, "it is told in time"
        assert link.state is DeliveryState.DROPPED and "run out" in link.error
        assert link.useful_until is not None and link.useful_until <= link.created_at + dt.timedelta(minutes=15)
        assert tries < len(PAUSES)
    finally:
        app.config["SETTINGS"] = before


def test_whoever_sent_it_is_told_once_that_mails_do_not_get_through(cast: Cast, app: Flask) -> None:
    before = app.config["SETTINGS"]
    app.config["SETTINGS"] = replace(before, smtp_url="smtp://127.0.0.1:9")
    try:
        for _ in range(2):
            make_request(cast, by=cast.actor(cast.sam))
        waiting = db.session.scalars(sa.select(Delivery).where(Delivery.kind == "requests.request")).all()
        for _ in range(3):
            assert told(cast.sam) == {"Sam": []}, "a server that was away for a minute is nobody's trouble"
            for each in waiting:
                with travel_to(each.next_try_at or now()):
                    go(each)
        assert {each.state for each in waiting} == {DeliveryState.QUEUED}
        assert told(cast.sam) == {"Sam": ["delivery.mail.delay"]}
    finally:
        app.config["SETTINGS"] = before


def test_what_runs_out_goes_first_when_it_is_swept_up_too(cast: Cast, postbox: Postbox, monkeypatch: Any) -> None:
    sent: list[tuple[str, bool]] = []
    make_request(cast, by=cast.actor(cast.sam))
    send_sign_in_links("cleo@client.example", by=SYSTEM)
    monkeypatch.setattr("app.delivery.background.enqueue", lambda _name, id, first: sent.append((id, first)))
    sweep()
    assert sent == [(str(last("clients.sign_in").id), True), (str(last("requests.request").id), False)]


def test_a_mail_about_a_file_that_was_not_taken_goes_again_with_a_link_that_works(
    app: Flask, client: FlaskClient, cast: Cast, postbox: Postbox
) -> None:
    request = make_request(cast)
    give_file(item_of(request, "statements"), "logo.svg", (FILES / "hostile" / "svg_script.svg").read_bytes(),
              by=cast.contact(cast.cleo))
    postbox.answer = NO
    with travel_to(now() + dt.timedelta(minutes=7)):
        tell_refused_files(by=SYSTEM)
        failed = go(last("requests.files_refused"))
        sign_in(client, cast.sam)
        assert f"/failures/mails/{failed.id}/again" in client.get(f"/requests/{request.id}").text
        with pytest.raises(NotAllowed):  # a request's link is given by whoever may ask
            send_again(failed, by=replace(cast.actor(cast.sam), permissions=frozenset()))
        db.session.execute(sa.text("UPDATE client_contact SET portal_access = false"))
        with pytest.raises(Refused, match="does not see the client"):
            send_again(failed, by=cast.actor(cast.sam))
        db.session.execute(sa.text("UPDATE client_contact SET portal_access = true"))
        db.session.execute(sa.text("UPDATE contact_address SET value = 'cleo@new.example' WHERE contact_id = :id"),
                           {"id": cast.cleo.id})
        postbox.answer = "250 OK"
        send_again(failed, by=cast.actor(cast.sam))
        link = link_in(last("requests.files_refused"))
        assert go(last("requests.files_refused")).recipient == "cleo@new.example"
        parts = [part for part in postbox.taken[0].walk() if part.get_content_maintype() == "text"]
        letters = [part.get_payload(decode=True).decode() for part in parts]  # type: ignore[union-attr]
        assert len(letters) == 2 and all("logo.svg" in letter and link in letter for letter in letters)
        visitor = PortalClient(with_csrf(app.test_client(), "/portal/"))
        assert visitor.post(link).location == f"/portal/requests/{request.id}"


def test_what_went_out_by_itself_is_told_to_those_in_charge(cast: Cast, postbox: Postbox) -> None:
    postbox.answer = NO
    go(mail("x", client_id=cast.acme.id))
    failed = ["delivery.mail.fail"]
    assert told(cast.pat, cast.mel, cast.sam) == {"Pat": failed, "Mel": failed, "Sam": []}


def test_an_invitation_says_on_the_person_that_it_was_refused_and_goes_again(
    client: FlaskClient, cast: Cast, postbox: Postbox
) -> None:
    details = PersonDetails(name="Nia", email="nia@firm.example", role=Role.STAFF, office_id=cast.office.id)
    nia = invite_person(new_id(), details, by=cast.actor(cast.ada))
    postbox.answer = NO
    failed = go(last("people.invite"))
    page = sign_in(client, cast.ada).get(f"/people/{nia.id}").text
    assert "no such person" in page and "Send again" in page
    postbox.answer = "250 OK"
    send_again(failed, by=cast.actor(cast.ada))
    assert go(last("people.invite")).state is DeliveryState.SENT
    with pytest.raises(NotAllowed):
        let_be(failed, by=cast.actor(cast.sam))


def test_a_bill_says_that_its_mail_was_refused_and_goes_again_to_who_gets_bills_now(
    client: FlaskClient, cast: Cast, postbox: Postbox
) -> None:
    make_rate("100")
    make_entry(cast)
    bill = approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
    postbox.answer = NO
    send_invoice(bill, by=cast.actor(cast.pat))
    failed = go(last("invoice"))
    page = sign_in(client, cast.pat).get(f"/billing/invoices/{bill.id}").text
    assert ">Refused<" in page and ">Mail refused<" in page and "550 no such person" in page
    assert ">Mail refused<" in client.get("/billing/invoices").text
    db.session.execute(sa.text("UPDATE contact_address SET value = 'cleo@new.example' WHERE contact_id = :id"),
                       {"id": cast.cleo.id})
    postbox.answer = "250 OK"
    send_again(failed, by=cast.actor(cast.pat))
    assert go(last("invoice")).recipient == "cleo@new.example" and len(postbox.taken) == 1
    with pytest.raises(NotAllowed):
        send_again(replaced(failed), by=cast.actor(cast.sam))


def test_a_statement_says_that_its_mail_was_refused_and_goes_again_with_its_file(
    client: FlaskClient, cast: Cast, postbox: Postbox
) -> None:
    address = f"/billing/clients/{cast.acme.id}/statement"
    postbox.answer = NO
    sign_in(client, cast.pat).post(address)
    failed = go(last("statement"))
    assert "550 no such person" in client.get(address).text
    db.session.execute(sa.text("UPDATE contact_address SET value = 'cleo@new.example' WHERE contact_id = :id"),
                       {"id": cast.cleo.id})
    postbox.answer = "250 OK"
    client.post(f"/failures/mails/{failed.id}/again", data={"back": address})
    again = go(last("statement"))
    assert again.state is DeliveryState.SENT and again.recipient == "cleo@new.example"
    assert any(part.get_content_type() == "application/pdf" for part in postbox.taken[0].walk())


def replaced(delivery: Delivery) -> Delivery:
    """As if nobody had seen to it."""
    delivery.settled_at = None
    db.session.flush()
    return delivery


def test_the_page_lists_what_failed_to_who_may_see_it(client: FlaskClient, cast: Cast, postbox: Postbox) -> None:
    assert "Every mail gets through" in sign_in(client, cast.sam).get("/failures/").text
    _request, failed = refused_request(cast, postbox)
    theirs = make_request(cast, client=cast.rival, by=cast.actor(cast.pat))
    rival = go(last("requests.request"))
    assert rival.about_id == theirs.id
    of_client = go(mail("x", client_id=cast.rival.id))
    for person, sees in ((cast.sam, [True, True, True]), (cast.wes, [True, False, False]),
                         (cast.ada, [True, True, True])):
        page = sign_in(client, person).get("/failures/").text
        assert [f"/failures/mails/{each.id}" in page for each in (failed, rival, of_client)] == sees, person.name
    sign_in(client, cast.wes)
    assert client.get(f"/failures/mails/{rival.id}").status_code == 404
    assert client.post(f"/failures/mails/{rival.id}/again").status_code == 404
    elsewhere = client.post(f"/failures/mails/{failed.id}/rest", data={"back": "/\\elsewhere.example"})
    assert elsewhere.location == "/failures/"
    assert f"/failures/mails/{failed.id}" not in client.get("/failures/").text


def test_a_mail_about_a_walled_engagement_or_of_the_firm_itself_is_not_everybodys(
    client: FlaskClient, cast: Cast, postbox: Postbox
) -> None:
    postbox.answer = NO
    own = go(mail("people.password.change", person_id=cast.sam.id))
    request = make_request(cast, engagement_id=cast.acme_work.id)
    asked = go(last("requests.request"))
    make_rate("100")
    make_entry(cast)
    bill = go(mail("invoice", client_id=cast.acme.id, about=make_draft(cast)))
    assert asked.about_id == request.id
    keep(Wall(person_id=cast.mel.id, engagement_id=cast.acme_work.id, reason="Family", created_at=now()))
    for person, sees in ((cast.mel, [False] * 3), (cast.sam, [False, True, True]), (cast.ada, [True] * 3)):
        page = sign_in(client, person).get("/failures/").text
        assert [f"/failures/mails/{each.id}" in page for each in (own, asked, bill)] == sees, person.name
