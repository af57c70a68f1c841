"""What `firmament check` says, and what production does not start with."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from app.activity.commands import record, seal_events
from app.checks import report
from app.config import BadSettings, Settings
from app.core.actors import SYSTEM
from app.core.clock import now, travel_to
from app.core.db import db, transaction
from app.core.queue import BULK, MAIL, NOW, QUEUES, connection, rq_queue
from app.core.storage import storage
from app.exchange.anchors import key_of, write_anchor
from app.exchange.check import ANCHOR, FILES, evidence
from app.exchange.models import ObjectCheck
from tests.make import make_cast

PRODUCTION = {
    "FIRMAMENT_ENV": "production", "SECRET_KEY": "0123456789abcdef" * 3, "PUBLIC_URL": "https://firm.example",
    "DATABASE_URL": "postgresql://o:p@db/f", "DATABASE_APP_URL": "postgresql://a:p@db/f",
    "DATABASE_PORTAL_URL": "postgresql://c:p@db/f", "REDIS_URL": "redis://cache",
    "S3_ENDPOINT_URL": "https://s3.example", "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "s", "SMTP_URL": "smtps://u:p@mail.example",
}


@pytest.fixture(autouse=True)
def nothing_waits(app: Flask) -> Iterator[None]:
    def empty() -> None:
        with app.app_context():
            for name in QUEUES:
                rq_queue(name).empty()

    empty()
    yield
    empty()


def test_check_names_what_answers_what_does_not_and_how_to_mend_it(database: Settings) -> None:
    said: list[str] = []
    here = replace(database, smtp_url="")
    assert report(here, say=said.append) == 0
    assert {"  ok    database", "  ok    redis", "  ok    storage"} <= set(said)
    said.clear()
    broken = replace(here, redis_url="redis://127.0.0.1:1/0", smtp_url="smtp://127.0.0.1:1")
    assert report(broken, say=said.append) == 1
    told = "\n".join(said)
    assert "FAILS   redis" in told and "is REDIS_URL right" in told
    assert "FAILS   mail" in told and "is SMTP_URL right" in told
    assert "ok    database" in told
    assert "Meanwhile: Pages work and everything is saved" in told and "Meanwhile: Everything else works; mails" in told
    said.clear()
    assert report(replace(here, s3_bucket="nowhere"), say=said.append) == 1
    told = "\n".join(said)
    assert "FAILS   storage: a file cannot be sent: the bucket does not exist" in told
    assert "`firmament provision` makes" in told and "Meanwhile: Everything works but sending" in told


def test_check_names_queues_in_which_work_waits_and_from_which_no_worker_takes(
    app: Flask, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `firmament worker now bulk` of before leaves mails."""
    here, said = replace(database, smtp_url=""), list[str]()
    monkeypatch.setattr("app.checks.STARTING", 0.0)
    with app.app_context():
        worker = SimpleWorker([rq_queue(NOW), rq_queue(BULK)], connection=connection(), serializer=JSONSerializer)
        for name in (NOW, MAIL, MAIL):
            rq_queue(name).enqueue("builtins.len")
        worker.register_birth()
        try:
            assert report(here, say=said.append) == 1
            told = "\n".join(said)
            assert "FAILS   workers: work waits from which no worker takes: mail (2)" in told
            assert "`firmament worker` without naming" in told
            rq_queue(MAIL).empty()
            assert report(here, say=said.append) == 0
        finally:
            worker.register_death()


@pytest.mark.real
def test_check_names_files_found_wrong_and_an_anchor_that_is_old(real_app: Flask) -> None:
    settings, said = real_app.config["SETTINGS"], list[str]()
    with real_app.app_context():
        with transaction():
            cast = make_cast()
            record("clients.client.update", cast.acme, by=SYSTEM, name="Acme")
        seal_events()
        assert report(settings, say=said.append) == 0
        assert {"  ok    stored files", "  ok    anchor of the event log"} <= set(said)
        with transaction() as session:
            session.add(ObjectCheck(key="kept/deed", checked_at=now(), found="is missing from storage"))
        said.clear()
        with travel_to(now() + dt.timedelta(days=3)):
            assert report(settings, say=said.append) == 1
        told = "\n".join(said)
        assert "FAILS   stored files: one is not what was kept, such as kept/deed" in told
        assert "FAILS   anchor of the event log: never written; the log ends at 1" in told
        anchored = write_anchor(by=SYSTEM)
        assert anchored is not None
        seal_events()
        with travel_to(now() + dt.timedelta(days=3)):
            assert {one.name: one.ok for one in evidence(settings.database_url)} == {FILES: False, ANCHOR: True}
            with transaction():
                record("clients.client.update", cast.acme, by=SYSTEM, name="Acme")
            seal_events()
            assert {one.name: one.ok for one in evidence(settings.database_url)} == {FILES: False, ANCHOR: False}
        storage().delete(key_of(anchored))
        db.session.remove()


def test_production_starts_with_everything_of_its_own_only(tmp_path: Path) -> None:
    assert Settings.from_environment({**PRODUCTION, "FIRMAMENT_VAR": str(tmp_path)}).is_production
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "value", "said"), [
    ("SECRET_KEY", "", "SECRET_KEY"),
    ("SECRET_KEY", "development-" + "k" * 48, "development key"),
    ("SECRET_KEY", "short", "development key or shorter"),
    ("SECRET_KEY", "k" * 42, "fewer than"),
    ("SECRET_KEY", "secretsecretsecretsecretsecretsecret", "fewer than"),
    ("PREVIOUS_SECRET_KEYS", "k" * 42, "fewer than"),
    ("DATABASE_PORTAL_URL", "", "three logins"),
    ("DATABASE_PORTAL_URL", "postgresql://a:p@db/f", "three logins"),
    ("DATABASE_APP_URL", "", "three logins"),
    ("DATABASE_APP_URL", "postgresql://o:p@db/f", "three logins"),
    ("DATABASE_URL", "", "DATABASE_URL"),
    ("S3_SECRET_KEY", "", "S3_SECRET_KEY"),
    ("REDIS_URL", "", "REDIS_URL"),
    ("PUBLIC_URL", "http://firm.example", "https://"),
])
def test_production_refuses_what_only_development_may_lack(name: str, value: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        Settings.from_environment({**PRODUCTION, name: value})


def test_a_random_key_of_any_usual_making_is_taken() -> None:
    for _ in range(200):
        for key in (secrets.token_urlsafe(48), secrets.token_hex(32)):
            assert Settings.from_environment({**PRODUCTION, "SECRET_KEY": key}).is_production


def test_a_shared_login_is_allowed_by_name_only_and_then_stands_in_red(database: Settings) -> None:
    allowed = Settings.from_environment({**PRODUCTION, "DATABASE_PORTAL_URL": "", "ALLOW_SHARED_LOGIN": "1"})
    assert Settings.from_environment(allowed.to_environment()) == allowed
    said: list[str] = []
    shared = replace(database, env="production", database_portal_url="", allow_shared_login=True, smtp_url="")
    assert report(shared, say=said.append) == 1
    assert "FAILS   three database logins: ALLOW_SHARED_LOGIN" in "\n".join(said)
