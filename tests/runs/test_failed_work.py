"""Background work that ends in an error is kept with its reason until it succeeds, and tried again in one press."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.activity.models import Event
from app.core import queue
from app.core.db import db
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.queue import perform
from app.runs.commands import forget_failed_work, note_work, try_failed_work
from app.runs.models import FailedWork
from app.runs.queries import get_failed_work, list_failed_work
from tests.make import Cast, sign_in


@pytest.fixture
def work(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A work called `test.tell` that fails for as long as there is something in the list."""
    troubles = ["the disk is full"]

    def tell(word: str) -> None:
        if troubles:
            raise ValueError(f"{word}: {troubles[0]}")

    monkeypatch.setitem(queue._works, "test.tell", tell)
    yield troubles


def fail(word: str = "hello") -> None:
    with pytest.raises(ValueError):
        perform("test.tell", {"word": word})


def kept() -> list[FailedWork]:
    db.session.expire_all()
    return list(db.session.scalars(sa.select(FailedWork).order_by(FailedWork.failed_at)))


def test_what_fails_is_kept_once_with_its_reason_and_gone_when_it_succeeds(cast: Cast, work: list[str]) -> None:
    fail()
    fail()
    fail("other")
    first, other = kept()
    assert (first.name, first.payload, first.times) == ("test.tell", {"word": "hello"}, 2)
    assert first.error == "ValueError: hello: the disk is full" and first.failed_at < first.last_at
    work.clear()
    perform("test.tell", {"word": "hello"})
    assert [row.id for row in kept()] == [other.id]


def test_the_page_tells_what_why_and_since_when_to_who_may_change_the_settings(
    client: FlaskClient, cast: Cast, work: list[str], queued: list[tuple[str, dict[str, Any]]]
) -> None:
    assert "All work succeeds" in sign_in(client, cast.ada).get("/failures/").text
    fail()
    page = client.get("/failures/").text
    assert "test.tell" in page and "the disk is full" in page and "Try again" in page
    queued.clear()
    work_id = kept()[0].id
    assert client.post(f"/failures/work/{work_id}/again").status_code == 303
    assert queued == [("test.tell", {"word": "hello"})]
    assert "; tried again" in client.get("/failures/").text
    page = sign_in(client, cast.sam).get("/failures/").text
    assert "test.tell" not in page and "Work in the background" not in page
    assert client.post(f"/failures/work/{work_id}/again").status_code == 404
    assert sign_in(client, cast.ada).post(f"/failures/work/{work_id}/rest").status_code == 303
    assert kept() == [] and client.post(f"/failures/work/{work_id}/rest").status_code == 404


def test_where_the_queue_is_away_it_is_said_and_not_called_tried_again(
    app: Flask, cast: Cast, work: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No sweep would find it."""
    def away(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError("nobody there")

    fail()
    (row,) = kept()
    monkeypatch.setattr(queue, "send_once", away)
    monkeypatch.setitem(app.config, "QUEUE_INLINE", None)
    with pytest.raises(Refused, match=queue.AWAY):
        try_failed_work(row, by=cast.actor(cast.ada))
    assert kept()[0].asked_again_at is None


def test_work_that_succeeded_meanwhile_is_neither_tried_again_nor_let_be(cast: Cast, work: list[str]) -> None:
    fail()
    (row,) = kept()
    db.session.commit()
    db.session.expunge(row)  # as it was looked at
    work.clear()
    perform("test.tell", {"word": "hello"})
    for act in (try_failed_work, forget_failed_work):
        with pytest.raises(NotFound, match="done meanwhile"):
            act(row, by=cast.actor(cast.ada))
    assert not db.session.scalar(sa.select(sa.func.count()).where(Event.kind.like("runs.work.%")))


def test_only_who_may_change_the_settings_tries_again_or_lets_be(cast: Cast, work: list[str]) -> None:
    fail()
    (row,) = kept()
    ada, sam = cast.actor(cast.ada), cast.actor(cast.sam)
    assert list_failed_work(seen_by=sam) == list_failed_work(seen_by=cast.contact(cast.otto)) == []
    with pytest.raises(NotFound):
        get_failed_work(row.id, seen_by=cast.actor(cast.wes))
    for act in (try_failed_work, forget_failed_work):
        with pytest.raises(NotAllowed):
            act(row, by=sam)
    with pytest.raises(NotAllowed):
        note_work("test.tell", {}, "", by=ada)
    try_failed_work(row, by=ada)
    try_failed_work(row, by=ada)
    told = sa.select(sa.func.count()).where(Event.kind == "runs.work.try")
    assert db.session.scalar(told) == 2
    queue._works.pop("test.tell")
    with pytest.raises(Refused, match="knows no such work"):
        try_failed_work(row, by=ada)
    forget_failed_work(row, by=ada)
    assert kept() == []
