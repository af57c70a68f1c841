"""Redis that takes calls and never answers: pages go on, and what cannot be asked for is said."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from flask import Flask

from app.core import gated_redis
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.queue import AWAY, connection, send, send_or_refuse
from app.marks.models import Comment
from tests.make import make_cast, sign_in

pytestmark = pytest.mark.real
THREADS = 8
Silence = tuple[str, list[socket.socket]]


@pytest.fixture
def dumb(real_app: Flask, silence: Silence, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The application whose Redis says nothing for half a minute."""
    kept = real_app.extensions["redis"]
    monkeypatch.setattr(gated_redis, "ANSWER_SECONDS", 30)
    settings = replace(real_app.config["SETTINGS"], redis_url=f"redis://{silence[0]}")
    monkeypatch.setitem(real_app.config, "SETTINGS", settings)
    monkeypatch.setitem(real_app.config, "QUEUE_INLINE", None)
    gated_redis.init_app(real_app)
    yield real_app
    real_app.extensions["redis"].close()
    real_app.extensions["redis"] = kept


def test_more_acts_than_threads_keep_no_page_waiting_and_are_all_kept(dumb: Flask, silence: Silence) -> None:
    browser = dumb.test_client()
    with dumb.app_context(), transaction():
        cast = make_cast()
        sign_in(browser, cast.mel)
        acme = cast.acme.id
    cookie = browser.get_cookie("firm")
    assert cookie is not None

    def ask(method: str, address: str, **words: Any) -> tuple[int, float]:
        mine = dumb.test_client()
        mine.set_cookie("firm", cookie.value)
        mine.environ_base.update(browser.environ_base)
        return mine.open(address, method=method, **words).status_code, time.monotonic()

    with ThreadPoolExecutor(THREADS) as threads:
        started = time.monotonic()
        said = [
            threads.submit(ask, "POST", f"/comments/client/{acme}", data={"id": str(new_id()), "body": "Call them"})
            for _ in range(16)
        ]
        for page in [threads.submit(ask, "GET", page) for page in ("/healthz", "/clients")]:
            status, at = page.result()
            assert status == 200 and at - started < 20, "whoever waits for Redis holds up nobody else"
        assert len(silence[1]) <= THREADS // 4
        for call in list(silence[1]):
            call.shutdown(socket.SHUT_RDWR)
        assert {each.result()[0] for each in said} == {303}
    with dumb.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Comment)) == 16


def test_what_no_row_keeps_is_refused_in_a_sentence_and_the_rest_is_left_to_the_sweep(
    dumb: Flask, silence: Silence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gated_redis, "ANSWER_SECONDS", 0.05)
    gated_redis.init_app(dumb)
    with dumb.app_context():
        with pytest.raises(Refused, match=AWAY):
            send_or_refuse("people.send_reset", email="pat@firm.example")
        for _ in range(5):
            send("delivery.send", id=str(new_id()))
    assert len(silence[1]) == gated_redis.FAILURES, "silence is not waited for again and again"


def test_pages_wait_a_little_for_redis_and_workers_longer(real_app: Flask, silence: Silence) -> None:
    assert gated_redis.CONNECT_SECONDS + gated_redis.ANSWER_SECONDS <= 3
    kept = real_app.extensions["redis"]
    real_app.extensions["redis"] = redis.Redis()
    gated_redis.wait_long(real_app)
    with real_app.app_context():
        assert connection().connection_pool.connection_kwargs["socket_timeout"] >= 10
    real_app.extensions["redis"] = kept
