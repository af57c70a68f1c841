"""Mail: asked for in a transaction, kept as rendered, sent once, tried again, never with a stray header."""

from __future__ import annotations

import datetime as dt
import smtplib
import socket
from dataclasses import replace
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import parseaddr
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.activity.models import Event
from app.core.clock import now, travel_to
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import new_token
from app.delivery.background import send_delivery, sweep
from app.delivery.commands import one_line, send_mail
from app.delivery.message import message_of
from app.delivery.models import Delivery, DeliveryState
from tests.make import Cast, count
from tests.postbox import Postbox


def ask(key: str = "one", **changed: Any) -> Delivery:
    values: dict[str, Any] = {
        "key": key, "kind": "people.password.change", "to": "sam@firm.example", "name": "Sam",
        "subject": "Your password was changed", "template": "account_changed",
        "context": {"name": "Sam", "what": "Your password was changed just now."}, **changed,
    }
    with transaction():
        return send_mail(**values)


def fresh(delivery: Delivery) -> Delivery:
    db.session.refresh(delivery)
    return delivery


def test_without_a_server_mail_is_kept_and_shown(client: FlaskClient, cast: Cast) -> None:
    delivery = ask(context={"name": "<b>Sam</b>"})
    assert delivery.state is DeliveryState.KEPT
    assert "Your password was changed" in client.get("/dev/mail").text
    assert "Hello &lt;b&gt;Sam&lt;/b&gt;" in client.get(f"/dev/mail/{delivery.id}").text
    letter = client.get(f"/dev/mail/{delivery.id}/letter")
    assert "&lt;b&gt;Sam" in letter.text and "Hartwell &amp; Co" in letter.text
    assert "sandbox" in letter.headers["Content-Security-Policy"]
    assert client.get("/dev/mail.json").get_json()[0]["subject"] == "Your password was changed"


def test_in_production_the_page_does_not_exist(client: FlaskClient, cast: Cast, app: Flask) -> None:
    delivery, before = ask(), app.config["SETTINGS"]
    app.config["SETTINGS"] = replace(before, env="production")
    try:
        for path in ("/dev/mail", "/dev/mail.json", f"/dev/mail/{delivery.id}", f"/dev/mail/{delivery.id}/letter"):
            assert client.get(path).status_code == 404
    finally:
        app.config["SETTINGS"] = before


def test_asking_twice_with_one_key_sends_once(cast: Cast, postbox: Postbox) -> None:
    first, second = ask(), ask(to="other@firm.example")
    assert first.id == second.id and count(Delivery) == 1
    for _ in range(3):
        send_delivery(str(first.id))
    assert [m["To"] for m in postbox.taken] == ["Sam <sam@firm.example>"]
    assert fresh(first).state is DeliveryState.SENT
    assert db.session.scalar(sa.select(sa.func.count()).where(Event.kind == "delivery.mail.send")) == 1


def test_a_mail_carries_text_and_html_and_its_own_id(cast: Cast, postbox: Postbox) -> None:
    delivery = ask(subject="Grüße, ÄÖÜ")
    send_delivery(str(delivery.id))
    message = postbox.taken[0]
    assert [part.get_content_type() for part in message.walk()][1:] == ["text/plain", "text/html"]
    assert str(delivery.id) in message["Message-ID"] and message["From"].endswith("<office@firm.example>")


def test_line_ends_in_names_and_subjects_add_no_header(cast: Cast, postbox: Postbox) -> None:
    delivery = ask(name="Sam\r\nBcc: spy@evil.test", subject="Hello\nBcc: spy@evil.test\r\n\r\n<script>")
    send_delivery(str(delivery.id))
    message = postbox.taken[0]
    assert message["Bcc"] is None
    assert b"\nBcc:" not in postbox.raw[0]


HEADERS = (
    b"Content-Type", b"MIME-Version", b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted",
)
ENCODED = "=?utf-8?q?=0d=0aBcc:_spy=40evil.test=0d=0a=0d=0aHello?="


@pytest.mark.parametrize("text", [
    ENCODED, f"Müller {ENCODED}", f'"{ENCODED}" (x)', "=?utf-8?b?DQpCY2M6IHg=?=", "=?", "a\\b",
])
def test_what_looks_like_an_encoded_word_is_read_as_it_was_typed(cast: Cast, postbox: Postbox, text: str) -> None:
    delivery = ask(name=text, subject=text)
    send_delivery(str(delivery.id))
    assert b"\nBcc:" not in postbox.raw[0]
    headers = postbox.raw[0].partition(b"\r\n\r\n")[0]
    names = [line.split(b":")[0] for line in headers.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    assert sorted(names) == sorted(HEADERS)
    message = postbox.taken[0]
    assert str(make_header(decode_header(message["Subject"]))) == text
    name, address = parseaddr(message["To"])
    assert str(make_header(decode_header(name))) == text and address == "sam@firm.example"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=400))
def test_any_name_and_subject_come_through_whole_and_in_lines_that_are_short_enough(app: Flask, text: str) -> None:
    said = one_line(text)
    delivery = Delivery(
        id=uuid4(), recipient="sam@firm.example", recipient_name=said, subject=said, text="Hello", html="<p>Hello",
        attachments=[{"name": said or "a", "content_type": "text/plain"}], created_at=dt.datetime.now(dt.UTC),
    )
    written = message_of(delivery, said, app.config["SETTINGS"], [b"x"]).content
    assert all(len(line) <= 998 for line in written.split(b"\r\n"))
    message = message_from_bytes(written)
    assert str(make_header(decode_header(message["Subject"] or ""))).strip() == said
    assert sorted(name.encode() for name in message) == sorted(HEADERS)
    assert message.get_payload()[1].get_payload(decode=True) == b"x"  # type: ignore[index, union-attr]


def test_a_mail_that_cannot_be_written_fails_with_its_reason_and_stops_no_other(
    cast: Cast, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = ask(), ask(key="two")
    def written(delivery: Delivery, *rest: Any) -> Any:
        if delivery.id == bad.id:
            raise UnicodeError("no bytes for this")
        return message_of(delivery, *rest)
    monkeypatch.setattr("app.delivery.background.message_of", written)
    for each in (bad, good):
        send_delivery(str(each.id))
    assert fresh(bad).state is DeliveryState.FAILED and "no bytes for this" in fresh(bad).error
    assert fresh(good).state is DeliveryState.SENT


def test_an_address_in_other_letters_goes_only_to_a_server_that_knows_them(
    cast: Cast, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = ask(to="sam@büro.example")
    send_delivery(str(delivery.id))
    assert postbox.taken[0]["To"] == "Sam <sam@xn--bro-hoa.example>"
    taken, refused = (ask(key=key, to="jürgen@firm.example") for key in ("two", "three"))
    send_delivery(str(taken.id))
    monkeypatch.setattr(smtplib.SMTP, "has_extn", lambda server, name: False)
    send_delivery(str(refused.id))
    assert fresh(taken).state is DeliveryState.SENT
    assert fresh(refused).state is DeliveryState.FAILED and "beyond ASCII" in fresh(refused).error


@pytest.mark.parametrize("address", [
    "sam@firm.example\r\nRCPT TO:<spy@evil.test>", "a@b.example, c@d.example", "sam@firm.example>", "nobody", "",
    "a@b@c", "sam@firm.example\x00",
])
def test_what_is_not_one_address_is_refused(cast: Cast, address: str) -> None:
    with pytest.raises(Refused):
        ask(to=address)
    assert count(Delivery) == 0


def test_a_server_out_of_reach_is_tried_again_later_and_later(cast: Cast, app: Flask, queued: list[Any]) -> None:
    before = app.config["SETTINGS"]
    app.config["SETTINGS"] = replace(before, smtp_url="smtp://127.0.0.1:9")
    try:
        delivery = ask()
        send_delivery(str(delivery.id))
        assert fresh(delivery).state is DeliveryState.QUEUED and delivery.error
        first = delivery.next_try_at
        assert first is not None and first - now() > dt.timedelta(seconds=50)
        queued.clear()
        sweep()
        assert queued == []
        with travel_to(first + dt.timedelta(seconds=1)):
            sweep()
            assert queued == [("delivery.send", {"id": str(delivery.id)})]
            send_delivery(str(delivery.id))
        assert fresh(delivery).next_try_at is not None and delivery.next_try_at > first + dt.timedelta(minutes=4)
        for day in range(1, 9):
            with travel_to(now() + dt.timedelta(days=2 * day)):
                send_delivery(str(delivery.id))
        assert fresh(delivery).state is DeliveryState.FAILED
    finally:
        app.config["SETTINGS"] = before


def test_a_final_no_is_not_tried_again(cast: Cast, postbox: Postbox) -> None:
    postbox.answer = "554 no such letter"
    delivery = ask()
    send_delivery(str(delivery.id))
    assert fresh(delivery).state is DeliveryState.FAILED and "554" in delivery.error


def test_a_temporary_no_waits(cast: Cast, postbox: Postbox) -> None:
    postbox.answer = "451 later"
    delivery = ask()
    send_delivery(str(delivery.id))
    assert fresh(delivery).state is DeliveryState.QUEUED and delivery.tries == 1


def test_the_reader_gets_their_own_direction(cast: Cast) -> None:
    assert 'lang="he" dir="rtl"' in ask("he", language="he").html
    assert 'lang="en"' in ask("odd", language="klingon").html


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_server_that_asks_who_one_is_is_told_by_the_url(cast: Cast, app: Flask) -> None:
    from aiosmtpd.smtp import AuthResult

    seen: list[tuple[bytes, bytes]] = []

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"p@ss/word")

    box = Postbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, authenticator=check, auth_require_tls=False,
                            auth_required=True)
    controller.start()
    before = app.config["SETTINGS"]
    app.config["SETTINGS"] = replace(before, smtp_url=f"smtp://mail%40firm:p%40ss%2Fword@127.0.0.1:{port}")
    try:
        delivery = ask()
        send_delivery(str(delivery.id))
        assert seen == [(b"mail@firm", b"p@ss/word")] and len(box.taken) == 1
    finally:
        app.config["SETTINGS"] = before
        controller.stop()


def test_a_password_is_never_sent_in_the_clear_to_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from urllib.parse import urlsplit

    from app.delivery import smtp

    class Plain:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.closed = False

        def ehlo(self) -> None: ...

        def has_extn(self, name: str) -> bool:
            return False

        def starttls(self, context: Any) -> None:
            raise smtp.smtplib.SMTPNotSupportedError("no STARTTLS")

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr(smtp.smtplib, "SMTP", Plain)
    with pytest.raises(smtp.smtplib.SMTPException):
        smtp._connected(urlsplit("smtp://user:secret@mail.example:25"))
    assert smtp._connected(urlsplit("smtp://mail.example:25")) is not None


def test_a_mail_survives_the_loss_of_its_queue_message(cast: Cast, postbox: Postbox, queued: list[Any]) -> None:
    delivery = ask()
    queued.clear()
    sweep()
    assert queued == [("delivery.send", {"id": str(delivery.id)})]


def test_a_refused_command_sends_nothing(cast: Cast, postbox: Postbox, queued: list[Any]) -> None:
    db.session.commit()
    with pytest.raises(Refused), transaction():
        ask()
        raise Refused("No.")
    assert queued == [] and count(Delivery) == 0


PATHS = ("/reset/link/", "/invitations/link/", "/sign-in/link/", "/portal/link/sign-in/", "/portal/link/request/")


def lies_there(delivery: Delivery) -> str:
    """What whoever reads the table or a copy of it finds."""
    db.session.flush()
    return str(db.session.scalar(sa.text("SELECT concat_ws(' ', d.*) FROM delivery d WHERE id = :id"),
                                 {"id": delivery.id}))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("answer", ["250 OK", "550 no such person"])
def test_a_mailed_link_is_never_readable_in_the_table(
    cast: Cast, postbox: Postbox, path: str, answer: str
) -> None:
    token, postbox.answer = new_token(), answer
    delivery = ask(template="reset", context={"name": "Sam", "link": f"http://localhost:8000{path}{token}"})
    assert token not in lies_there(delivery) and token in fresh(delivery).text
    send_delivery(str(delivery.id))
    parts = [part for mail in postbox.taken for part in mail.walk() if part.get_content_maintype() == "text"]
    arrived = [str(part.get_payload(decode=True)) for part in parts]
    assert [token in part for part in arrived] == ([True, True] if answer == "250 OK" else [])
    gone = lies_there(delivery)
    assert token not in gone and f"{path}…" in gone and "Hello Sam" in gone


def test_a_kept_mail_shows_its_link_on_the_development_page_only(client: FlaskClient, cast: Cast) -> None:
    token = new_token()
    delivery = ask(template="reset", context={"name": "Sam", "link": f"http://localhost:8000/reset/link/{token}"})
    assert token not in lies_there(delivery)
    assert token in client.get("/dev/mail.json").text
    assert token in client.get(f"/dev/mail/{delivery.id}").text


def test_a_letter_that_no_known_key_opens_is_not_sent(cast: Cast, app: Flask, postbox: Postbox) -> None:
    delivery = ask(template="reset", context={"name": "Sam", "link": f"http://localhost:8000/reset/link/{new_token()}"})
    db.session.flush()
    db.session.expire_all()
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], secret_key="another key altogether " * 2)
    send_delivery(str(delivery.id))
    assert postbox.taken == [] and fresh(delivery).state is DeliveryState.QUEUED
    assert "SECRET_KEY" in delivery.error
