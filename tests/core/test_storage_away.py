"""Storage that is slow, away or wrongly set up: who is told what, and that pages go on."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import Settings
from app.core import gate as gate_module
from app.core.backing.processes import LOOPBACK
from app.core.db import transaction
from app.core.gate import Gate, Shut
from app.core.ids import new_id
from app.core.probing import KEY, keep_trying, try_storage
from app.core.queue import connection
from app.core.storage import AWAY, HURRIED, PATIENT, Patience, Storage, StorageUnavailable, storage, wait_long
from tests.make import make_cast, sign_in

THREADS = 8


@pytest.mark.real
def test_24_uploads_planned_at_once_on_storage_that_hangs_keep_no_page_waiting(
    real_app: Flask, silence: tuple[str, list[socket.socket]]
) -> None:
    """The threads are as many as a web process has; the pages come after all of the uploads."""
    silent, calls = silence
    address = f"http://{silent}"
    settings = real_app.config["SETTINGS"]
    real_app.config["SETTINGS"] = replace(settings, s3_endpoint_url=address, s3_public_url=address)
    real_app.config["STORAGE"] |= {"patience": Patience(1, 30, 1)}
    browser = real_app.test_client()
    with real_app.app_context(), transaction():
        cast = make_cast()
        sign_in(browser, cast.mel)
        acme = cast.acme.id
    cookie = browser.get_cookie("firm")
    assert cookie is not None

    def ask(method: str, address: str, **words: Any) -> tuple[int, bytes, float]:
        mine = real_app.test_client()
        mine.set_cookie("firm", cookie.value)
        mine.environ_base.update(browser.environ_base)
        answer = mine.open(address, method=method, **words)
        return answer.status_code, answer.data, time.monotonic()

    file = {"name": "a.pdf", "size": 9, "content_type": "application/pdf"}
    with ThreadPoolExecutor(THREADS) as threads:
        started = time.monotonic()
        plans = [
            threads.submit(ask, "POST", f"/clients/{acme}/uploads", json=file | {"id": str(new_id())})
            for _ in range(24)
        ]
        pages = [threads.submit(ask, "GET", page) for page in ("/healthz", "/clients")]
        for page in pages:
            status, _body, at = page.result()
            assert status == 200 and at - started < 10, "whoever waits for storage holds up nobody else"
        for call in calls:
            call.shutdown(socket.SHUT_RDWR)
        refused = [plan.result() for plan in plans]
    assert {status for status, _body, _at in refused} == {503}
    assert all(AWAY.encode() in body for _status, body, _at in refused)
    assert len(calls) <= THREADS // 2


def test_who_serves_pages_waits_little_and_who_works_behind_them_longer(app: Flask) -> None:
    with app.app_context():
        assert HURRIED.attempts * (HURRIED.connect + HURRIED.read) <= 12 < PATIENT.read
        assert app.config["STORAGE"] == {"patience": HURRIED, "at_once": app.config["SETTINGS"].web_threads // 2}
        kept = app.config["STORAGE"]
        try:
            wait_long(app)
            assert app.config["STORAGE"] == {"patience": PATIENT}
        finally:
            app.config["STORAGE"] = kept
            app.extensions.pop("storage", None)


def test_storage_that_fails_is_left_alone_for_a_while_and_then_tried_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(gate_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    gate = Gate(4, failures=3, rest=10)

    def call(error: Exception | None = None) -> str:
        try:
            with gate.passage(TimeoutError):
                if error is not None:
                    raise error
        except Shut:
            return "shut"
        except Exception as raised:
            return type(raised).__name__
        return "through"

    assert [call(TimeoutError()) for _ in range(2)] + [call(KeyError())] == ["TimeoutError"] * 2 + ["KeyError"]
    # An answer in between starts the count anew.
    assert [call(TimeoutError()) for _ in range(3)] + [call()] == ["TimeoutError"] * 3 + ["shut"]
    clock[0] += 10
    with gate.passage(TimeoutError):
        assert call() == "shut", "one tries, the others wait for what it finds"
    assert call() == "through"


def test_files_being_handed_on_and_calls_together_take_the_places_that_there_are() -> None:
    gate = Gate(4)
    leaving = list(iter(gate.take_room, None))
    assert len(leaving) == 3
    with gate.passage(TimeoutError):
        with gate.passage(TimeoutError, placed=True):
            pass
        with pytest.raises(Shut), gate.passage(TimeoutError):
            pass
    leaving.pop()()
    with gate.passage(TimeoutError), gate.passage(TimeoutError):
        assert gate.take_room() is None
    assert gate.take_room() is not None, "and given back"


def test_what_a_browser_shows_is_opened_through_the_gate_of_everything_else(database: Settings) -> None:
    away = replace(database, s3_endpoint_url=f"http://{LOOPBACK}:1")
    store = Storage(away, Patience(1, 1, 1), at_once=1)

    def cause(call: Callable[[str], object]) -> str:
        with pytest.raises(StorageUnavailable) as told:
            call("anything")
        return type(told.value.__cause__).__name__

    causes = [cause(call) for call in (store.view, store.view, store.view, store.size, store.view)]
    assert causes == ["EndpointConnectionError"] * 3 + ["Shut"] * 2


def test_a_refusal_by_storage_is_an_answer(app: Flask) -> None:
    with app.app_context():
        for _ in range(4):
            with pytest.raises(StorageUnavailable, match="NoSuchBucket"):
                Storage(replace(app.config["SETTINGS"], s3_bucket="nowhere"), HURRIED, at_once=1).put("a", b"", "a/b")
        assert not storage().exists("nothing")


@pytest.mark.parametrize(("changed", "said"), [
    ({"s3_bucket": "nowhere"}, "the bucket does not exist"),
    ({"s3_access_key": "SOMEBODY"}, "the keys are refused (InvalidAccessKeyId)"),
    ({"s3_secret_key": "wrong"}, "the keys are refused (SignatureDoesNotMatch)"),
    ({"public_url": "https://elsewhere.example"}, "its CORS does not let pages of https://elsewhere.example PUT"),
    ({"s3_public_url": "http://127.0.0.1:1"}, "does not answer"),
])
def test_what_stands_in_the_way_of_the_first_upload_is_named(
    database: Settings, changed: dict[str, str], said: str
) -> None:
    assert said in try_storage(replace(database, **changed))  # type: ignore[arg-type]


def test_where_files_can_be_sent_opened_and_deleted_nothing_is_said_and_nothing_left(database: Settings) -> None:
    assert try_storage(database) == ""
    assert not list(Storage(database).keys("probe/"))


def test_storage_that_fails_degrades_the_readiness_and_is_told_with_what_still_works(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection().delete(KEY)
    untried = client.get("/readyz")
    assert untried.status_code == 200 and untried.get_json()["parts"]["storage"] is None
    monkeypatch.setitem(app.config, "SETTINGS", replace(app.config["SETTINGS"], s3_bucket="nowhere"))
    keep_trying()
    answer = client.get("/readyz")
    told = answer.get_json()
    assert (answer.status_code, told["status"], told["failing"]) == (200, "degraded", ["storage"])
    assert told["meanwhile"]["storage"].startswith("Everything works but sending")
    assert b"nowhere" not in answer.data, "reasons go to the log"
    monkeypatch.undo()
    keep_trying()
    assert client.get("/readyz").get_json()["status"] == "ok"
    connection().set(KEY, '{"at": 1, "reason": ""}')
    assert client.get("/readyz").get_json()["parts"]["storage"] is None, "what was found long ago counts no more"
    connection().delete(KEY)
