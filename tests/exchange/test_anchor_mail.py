"""The end of the event log goes by mail to the partners who want it, and what they keep is proof enough."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.activity.models import Event, EventPayload
from app.activity.queries import Anchor, chain_end
from app.core.actors import SYSTEM, ActorKind
from app.core.clock import now, travel_to
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.delivery.background import send_delivery, sweep
from app.delivery.models import Delivery, DeliveryState
from app.documents.models import Document, DocumentState
from app.exchange import background
from app.exchange.anchor_mail import BACKUP, DAILY, choose_anchor_recipients, list_anchor_partners, mail_anchor
from app.exchange.anchors import differences_from
from app.exchange.objects import check_objects
from app.people.models import PersonState
from app.people.passwords import hash_password
from tests.exchange.make_log import empty_storage, happen
from tests.make import Cast, count, sign_in
from tests.postbox import Postbox


@pytest.fixture(autouse=True)
def own_storage(app: Flask) -> Iterator[None]:
    with empty_storage(app):
        yield


def send_all() -> None:
    for delivery_id in db.session.scalars(sa.select(Delivery.id).order_by(Delivery.id)).all():
        send_delivery(str(delivery_id))


def wanted(cast: Cast) -> list[bool]:
    return [one.wanted for one in list_anchor_partners(seen_by=cast.actor(cast.ada))]


def letter_of(message: Any) -> str:
    plain = next(part for part in message.walk() if part.get_content_type() == "text/plain")
    return str(plain.get_payload(decode=True).decode())


def test_nobody_is_mailed_until_somebody_is_chosen(session: Session, cast: Cast, postbox: Postbox) -> None:
    assert [(one.name, one.wanted) for one in list_anchor_partners(seen_by=cast.actor(cast.ada))] == [
        (cast.pat.name, False)
    ]
    happen(cast)
    background.anchor()
    assert count(Delivery) == 0


def test_the_daily_anchor_arrives_as_text_and_the_mail_kept_as_a_file_checks_the_log(
    session: Session, cast: Cast, postbox: Postbox, tmp_path: Path
) -> None:
    cast.pat.name = "パートナー"  # a letter that is not ASCII is packed on its way
    choose_anchor_recipients({cast.pat.id}, by=cast.actor(cast.ada))
    happen(cast)
    end = chain_end()
    background.anchor()
    send_all()
    [mail] = postbox.taken
    letter = letter_of(mail)
    assert f"{end.position}:{end.hash}\n" in letter.replace("\r\n", "\n")
    assert f"Position: {end.position} (the log holds so many events)" in letter
    assert f"{now():%Y-%m-%d}" in letter and "firmament verify --anchor" in letter
    file = tmp_path / "anchor.eml"
    file.write_bytes(postbox.raw[0])
    assert list(differences_from(str(file))) == []
    packed = message_from_bytes(postbox.raw[0], policy=policy.SMTP)
    packed.get_body(("plain",)).set_content(letter, cte="base64")  # as some mail programs keep it
    file.write_bytes(packed.as_bytes())
    assert end.hash.encode() not in file.read_bytes().split(b"text/html")[0]
    assert list(differences_from(str(file))) == []


def test_what_was_changed_before_the_mail_is_found_by_the_mail_alone(
    session: Session, cast: Cast, postbox: Postbox, tmp_path: Path
) -> None:
    choose_anchor_recipients({cast.pat.id}, by=cast.actor(cast.ada))
    happen(cast)
    background.anchor()
    send_all()
    file = tmp_path / "anchor.eml"
    end = chain_end()
    file.write_bytes(postbox.raw[0].replace(end.hash.encode(), b"0" * 64))
    [wrong] = differences_from(str(file))
    assert wrong.message == f"the log differs at position {end.position} from what was anchored"


def test_a_mail_server_out_of_reach_is_tried_again_and_the_anchor_arrives_once(
    session: Session, cast: Cast, postbox: Postbox, queued: list[Any]
) -> None:
    choose_anchor_recipients({cast.pat.id}, by=cast.actor(cast.ada))
    happen(cast)
    postbox.answer = "451 Later, please"
    background.anchor()
    send_all()
    waiting = db.session.scalars(sa.select(Delivery)).one()
    db.session.refresh(waiting)
    assert postbox.taken == [] and waiting.state is DeliveryState.QUEUED and waiting.error
    postbox.answer = "250 OK"
    with travel_to(now() + dt.timedelta(minutes=2)):
        queued.clear()
        sweep()
        assert [name for name, _ in queued] == ["delivery.send"]
        send_all()
        send_all()
    assert [mail["To"] for mail in postbox.taken] == [f"{cast.pat.name} <{cast.pat.email}>"]


def test_a_backup_mails_where_its_log_ends_once(session: Session, cast: Cast, postbox: Postbox) -> None:
    choose_anchor_recipients({cast.pat.id}, by=cast.actor(cast.ada))
    happen(cast)
    for _ in range(2):
        assert mail_anchor(chain_end(), BACKUP, by=SYSTEM) == 1
    assert mail_anchor(Anchor(0, ""), BACKUP, by=SYSTEM) == 0
    send_all()
    [mail] = postbox.taken
    assert "a backup of the firm was made" in letter_of(mail)
    mail_anchor(chain_end(), DAILY, by=SYSTEM)
    assert count(Delivery) == 2


def test_who_has_left_or_is_no_partner_any_more_gets_none(session: Session, cast: Cast, postbox: Postbox) -> None:
    choose_anchor_recipients({cast.pat.id}, by=cast.actor(cast.ada))
    cast.pat.state = PersonState.DEACTIVATED
    happen(cast)
    assert mail_anchor(chain_end(), DAILY, by=SYSTEM) == 0
    assert list_anchor_partners(seen_by=cast.actor(cast.ada)) == []


def test_who_is_taken_off_is_told_so_and_the_choice_is_an_event(
    session: Session, cast: Cast, postbox: Postbox
) -> None:
    choose_anchor_recipients({cast.pat.id}, by=cast.actor(cast.ada))
    choose_anchor_recipients({cast.pat.id}, by=cast.actor(cast.ada))
    choose_anchor_recipients(set(), by=cast.actor(cast.ada))
    send_all()
    assert [mail["Subject"] for mail in postbox.taken] == ["The end of the event log is no longer mailed to you"]
    told = db.session.scalars(
        sa.select(EventPayload.data).join(Event, Event.id == EventPayload.event_id)
        .where(Event.kind == "exchange.anchor.readdress").order_by(Event.id)
    ).all()  # fmt: skip
    assert [(data["added"], data["gone"]) for data in told if data] == [([cast.pat.name], []), ([], [cast.pat.name])]


def test_only_partners_are_mailed_and_only_by_those_who_change_settings(session: Session, cast: Cast) -> None:
    with pytest.raises(Refused, match="Only partners"):
        choose_anchor_recipients({cast.mel.id}, by=cast.actor(cast.ada))
    for person in (cast.mel, cast.sam, cast.bea, cast.wes):
        with pytest.raises(NotAllowed):
            choose_anchor_recipients({cast.pat.id}, by=cast.actor(person))
        assert list_anchor_partners(seen_by=cast.actor(person)) == []
    with pytest.raises(NotAllowed):
        choose_anchor_recipients({cast.pat.id}, by=cast.contact(cast.otto))
    assert list_anchor_partners(seen_by=cast.contact(cast.otto)) == []
    with pytest.raises(NotAllowed):
        mail_anchor(Anchor(1, "0" * 64), DAILY, by=cast.actor(cast.pat))


def test_the_settings_page_asks_for_the_password_and_keeps_what_was_ticked(
    session: Session, cast: Cast, client: FlaskClient
) -> None:
    cast.ada.password_hash = hash_password("seven quiet lanterns")
    happen(cast)
    sign_in(client, cast.ada)
    end, path = chain_end(), "/settings/tamper-evidence"
    page = client.get(path).text
    assert f"{end.position}:{end.hash}" in page and cast.pat.email in page and "checked" not in page
    asked = client.post(path, data={"partner": str(cast.pat.id)})
    assert asked.status_code == 422 and "checked" in asked.text
    assert wanted(cast) == [False]
    sure = {"current_password": "seven quiet lanterns"}
    assert client.post(path, data={"partner": str(cast.pat.id), **sure}).status_code == 303
    assert wanted(cast) == [True]
    refused = client.post(path, data={"partner": [str(cast.pat.id), str(cast.mel.id)]})
    assert refused.status_code == 422 and "Only partners who work here" in refused.text
    assert client.post(path, data={}).status_code == 303
    assert wanted(cast) == [False]


def test_the_settings_page_names_files_that_are_not_what_was_kept(
    session: Session, cast: Cast, client: FlaskClient
) -> None:
    key, document_id = f"kept/{cast.acme.id}", new_id()
    session.add(Document(
        id=document_id, client_id=cast.acme.id, name="deed.pdf", state=DocumentState.AVAILABLE, size=3, kept_key=key,
        sha256=b"0" * 32, added_kind=ActorKind.CONTACT, created_at=now(),
    ))  # fmt: skip
    session.flush()
    check_objects(by=SYSTEM)
    sign_in(client, cast.pat)
    page = client.get("/settings/tamper-evidence").text
    assert f"document {document_id}" in page and "deed.pdf" not in page  # its name may be behind a wall
    assert "is missing from storage" in page and "1 of 1" in page
