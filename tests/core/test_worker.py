"""Background work: done by a worker, started by one scheduler at a time, never piled up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from app.core import queue
from app.core.db import transaction
from app.core.queue import BULK, NOW, Sweep, connection, enqueue, rq_queue
from app.core.worker import _enqueue_due, _enqueue_once, _holds_lock

pytestmark = pytest.mark.real


@pytest.fixture
def done(real_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A work called `test.note`, and what it has noted."""
    noted: list[str] = []
    monkeypatch.setitem(queue._works, "test.note", lambda word="": noted.append(word))
    real_app.config["QUEUE_INLINE"] = None
    with real_app.app_context():
        yield noted


def work_off() -> None:
    SimpleWorker([rq_queue(NOW)], connection=connection(), serializer=JSONSerializer).work(burst=True)


def test_work_is_sent_after_the_commit_and_then_done(done: list[str]) -> None:
    with transaction():
        enqueue("test.note", word="hello")
        assert rq_queue(NOW).count == 0
    work_off()
    assert done == ["hello"]


def test_work_of_a_rolled_back_transaction_is_never_sent(done: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), transaction():
        enqueue("test.note", word="never")
        raise ZeroDivisionError
    work_off()
    assert done == []


def test_a_sweep_that_still_waits_is_not_sent_again(done: list[str]) -> None:
    sweep = Sweep("test.note", 1, NOW)
    _enqueue_once(sweep)
    _enqueue_once(sweep)
    assert rq_queue(NOW).count == 1
    work_off()
    _enqueue_once(sweep)
    work_off()
    assert done == ["", ""]


def test_a_sweep_is_sent_when_due_and_then_only_after_its_time(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_sweeps", [Sweep("test.note", 3600, NOW), Sweep("test.note", 3600, BULK)])
    due = {"test.note": 0.0}
    _enqueue_due(due)
    assert (rq_queue(NOW).count, rq_queue(BULK).count) == (1, 0)
    work_off()
    _enqueue_due(due)
    assert rq_queue(NOW).count == 0


def test_one_scheduler_acts_at_a_time(done: list[str]) -> None:
    store = connection()
    assert _holds_lock(store, "first")
    assert not _holds_lock(store, "second")
    assert _holds_lock(store, "first")
    store.delete("scheduler")
    assert _holds_lock(store, "second")
