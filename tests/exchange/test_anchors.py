"""The log's end is kept outside, stored objects are read again, and words are erased in the open only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.activity.commands import erase_payloads, seal_events
from app.activity.covers import differences
from app.activity.models import Event, EventPayload
from app.activity.queries import chain_end, verify_chain
from app.billing.background import ensure_pdf
from app.billing.commands.issue import approve_invoice
from app.billing.models import Invoice
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.storage import storage
from app.exchange.anchors import anchors_hold, differences_from, key_of, stored_anchors, write_anchor
from app.exchange.backup import write_backup
from app.exchange.models import ObjectCheck
from app.exchange.objects import check_objects, objects_are_what_was_kept, reading
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.exchange.make_log import empty_storage, happen
from tests.make import Cast, make_cast


@pytest.fixture(autouse=True)
def own_storage(app: Flask) -> Iterator[None]:
    with empty_storage(app):
        yield


def bill(cast: Cast) -> Invoice:
    make_rate("100")
    make_entry(cast)
    return approve_invoice(make_draft(cast), by=cast.actor(cast.bea))


def test_the_end_of_the_log_is_anchored_once_and_again_when_something_has_happened(
    session: Session, cast: Cast
) -> None:
    assert write_anchor(by=SYSTEM) is None
    happen(cast)
    first = write_anchor(by=SYSTEM)
    assert first == chain_end() and stored_anchors() == [first]
    seal_events()
    assert write_anchor(by=SYSTEM) is None
    happen(cast, 1)
    second = write_anchor(by=SYSTEM)
    assert stored_anchors() == [first, second]
    assert [finding for finding in anchors_hold() if not finding.note] == []
    storage().delete(key_of(first))
    assert [finding.message for finding in anchors_hold() if not finding.note] == ["the anchor of position 3 is gone"]


def test_only_the_house_itself_anchors(session: Session, cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        write_anchor(by=cast.actor(cast.pat))


def test_an_anchor_in_hand_is_typed_or_a_file(session: Session, cast: Cast, tmp_path: Path) -> None:
    happen(cast)
    end = chain_end()
    (tmp_path / "note.txt").write_text(f"The partners' copy: {end.position}:{end.hash}\n")
    (tmp_path / "anchor.json").write_text(json.dumps({"position": 9, "hash": end.hash}))
    assert list(differences_from(f"{end.position}:{end.hash}")) == []
    assert list(differences_from(str(tmp_path / "note.txt"))) == []
    [ends] = differences_from(str(tmp_path / "anchor.json"))
    assert ends.message == "the log once reached position 9, and it ends at 3: its end is gone"
    [differs] = differences_from(f"2:{end.hash}")
    assert differs.message == "the log differs at position 2 from what was anchored"
    with pytest.raises(Refused, match="cannot be read"):
        list(differences_from("nothing.txt"))


def test_words_are_erased_in_the_open_and_the_digests_stay(session: Session, cast: Cast) -> None:
    bill(cast)
    seal_events()
    approved = db.session.scalars(sa.select(Event.id).where(Event.kind == "billing.invoice.approve")).one()
    with pytest.raises(NotAllowed):
        erase_payloads([approved], "Asked for", by=cast.actor(cast.sam))
    with pytest.raises(Refused, match="Say why"):
        erase_payloads([approved], " ", by=SYSTEM)
    with pytest.raises(Refused, match="There is no event 999999"):
        erase_payloads([approved, 999_999], "Asked for", by=SYSTEM)
    assert erase_payloads([approved], "Asked for by the client", by=SYSTEM) == 1
    assert erase_payloads([approved], "Again", by=SYSTEM) == 0
    seal_events()
    assert db.session.scalar(sa.select(EventPayload.data).where(EventPayload.event_id == approved)) is None
    assert verify_chain().broken == ""
    assert [*differences("bill"), *differences("bill_life"), *differences("billed_work")] == []


def test_objects_are_read_again_in_turn_and_what_is_wrong_is_kept(session: Session, cast: Cast) -> None:
    invoice = bill(cast)
    body = ensure_pdf(invoice)
    assert check_objects(by=SYSTEM) == 0
    assert db.session.scalars(sa.select(ObjectCheck.found)).all() == [""]
    storage().put(str(invoice.pdf_key), body[:-1] + b"!", "application/pdf")
    assert check_objects(by=SYSTEM) == 1
    token = reading.set(0)
    try:
        [kept] = objects_are_what_was_kept()
        assert "its bytes have changed" in kept.message and str(invoice.number) in kept.subject
    finally:
        reading.reset(token)
    storage().put(str(invoice.pdf_key), body, "application/pdf")
    assert check_objects(by=SYSTEM) == 0 and list(objects_are_what_was_kept()) == []
    with pytest.raises(NotAllowed):
        check_objects(by=cast.actor(cast.pat))


@pytest.mark.real
def test_a_backup_is_an_anchor_of_every_link(real_app: Flask, tmp_path: Path) -> None:
    with real_app.app_context():
        with transaction():
            cast = make_cast()
        happen(cast)
        write_backup(real_app.config["SETTINGS"], tmp_path / "firm.zip")
        assert chain_end() in stored_anchors()
        assert list(differences_from(str(tmp_path / "firm.zip"))) == []
        engine = sa.create_engine(real_app.config["SETTINGS"].database_url)
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE event_seal DISABLE TRIGGER USER")
            connection.exec_driver_sql("UPDATE event_seal SET hash = decode('00', 'hex') WHERE position = 2")
        engine.dispose()
        [wrong] = differences_from(str(tmp_path / "firm.zip"))
        assert wrong.message == "the log differs at position 2 from what was anchored"
        db.session.remove()
