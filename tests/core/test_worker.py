"""Background work: done by a worker, started by one scheduler at a time, never piled up."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from rq.serializers import JSONSerializer

from app.cli import main
from app.core import queue
from app.core.backing.processes import is_running, wait_for
from app.core.db import db, transaction
from app.core.each import each_by_itself
from app.core.queue import (
    BULK,
    INWARD,
    LONGEST,
    NOW,
    PROCESSES,
    QUEUES,
    SWEEPS,
    Sweep,
    connection,
    enqueue,
    rq_queue,
    send,
    send_once,
)
from app.core.worker import HouseWorker, _enqueue_due, _holds_lock, run_workers
from app.runs.models import FailedWork
from tests.calls import graph, way_out

pytestmark = pytest.mark.real


def declare(
    monkeypatch: pytest.MonkeyPatch, name: str, work: queue.Work, home: queue.Home | None = None
) -> None:
    monkeypatch.setitem(queue._works, name, work)
    monkeypatch.setitem(queue._homes, name, home or queue.Home(NOW, 60))


@pytest.fixture
def done(real_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A work called `test.note`, and what it has noted."""
    noted: list[str] = []
    declare(monkeypatch, "test.note", lambda word="": noted.append(word))
    real_app.config["QUEUE_INLINE"] = None
    with real_app.app_context():
        yield noted


def work_off() -> None:
    HouseWorker([rq_queue(NOW)], connection=connection(), serializer=JSONSerializer).work(burst=True)


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


def test_work_that_still_waits_is_not_sent_again(done: list[str]) -> None:
    for word in ("one", "one", "two"):
        with transaction():
            enqueue("test.note", word=word)
    send("test.note", word="two")
    assert rq_queue(NOW).count == 2
    work_off()
    assert done == ["one", "two"]
    send("test.note", word="one")
    work_off()
    assert done == ["one", "two", "one"]


def test_work_that_is_in_hand_may_have_looked_too_early_and_is_sent_again(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def note(word: str) -> None:
        done.append(word)
        if len(done) == 1:
            send("test.note", word=word)

    monkeypatch.setitem(queue._works, "test.note", note)
    send("test.note", word="one")
    work_off()
    assert done == ["one", "one"]


def test_a_sweep_that_still_waits_is_not_sent_again(done: list[str]) -> None:
    assert [send_once("test.note", {}) for _ in range(3)] == [True, False, False]
    assert rq_queue(NOW).count == 1
    work_off()
    assert send_once("test.note", {})
    work_off()
    assert done == ["", ""]


def test_what_runs_out_soon_goes_before_what_waits(done: list[str]) -> None:
    send("test.note", word="reminder")
    send("test.note", first=True, word="sign-in")
    work_off()
    assert done == ["sign-in", "reminder"]


def works() -> list[tuple[str, queue.Home, list[str]]]:
    """Each declared work with its way to somebody outside, empty where it has none, as its source tells."""
    calls, declared = graph(), {name: work for name, work in queue.registered().items() if name in queue._homes}
    ways = {name: way_out(f"{work.__module__}.{work.__name__}", calls) for name, work in declared.items()}
    return [(name, queue.home_of(name), way) for name, way in sorted(ways.items())]


def test_no_work_is_without_a_limit(app: Flask) -> None:
    assert [name for name, home, _way in works() if not 0 < home.seconds <= LONGEST] == []
    assert [name for name, home, _way in works() if home.queue == NOW and home.seconds > 600] == []


def test_nothing_that_talks_to_somebody_outside_waits_where_the_firm_waits(app: Flask) -> None:
    found = works()
    outward = {name for name, _home, way in found if way}
    assert {"delivery.send", "documents.check", "billing.keep_pdf", "exchange.objects"} <= outward, "the way is found"
    assert {name: (home.queue, way) for name, home, way in found if way and home.queue in INWARD} == {}
    alone = [process for process in PROCESSES if set(process) & set(INWARD)]
    assert sorted(alone) == [(BULK,), (NOW,)], "nor is taken by the process that the firm waits for"


def test_no_sweep_that_goes_over_storage_stands_before_what_somebody_waits_for(app: Flask) -> None:
    """Sweeps that look in the database are quick; one that talks to storage may hold its process for an hour."""
    among = {
        name: home for name, home, way in works()
        if way and queue.every(name) and home.queue != SWEEPS and home.seconds > 30
    }
    assert among == {}
    assert [process for process in PROCESSES if SWEEPS in process] == [(SWEEPS,)]


def test_a_clients_file_is_checked_before_the_papers_of_a_bill_run(
    app: Flask, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many bills a run has issued, no process that takes files begins another paper while a file waits."""
    for name in ("billing.keep_pdf", "documents.check"):
        monkeypatch.setitem(queue._works, name, lambda id: done.append(id))
    for number in range(3):
        send("billing.keep_pdf", id=f"bill {number}")
    send("documents.check", id="file")
    papers = [process for process in PROCESSES if queue._homes["billing.keep_pdf"].queue in process]
    assert papers
    for process in papers:
        first = next(name for name in process if rq_queue(name).count)
        assert rq_queue(first).jobs[0].args == ["documents.check", {"id": "file"}]


def test_work_that_takes_longer_than_it_may_is_ended(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop over several things does not take it for an error of one of them."""
    def dawdle(thing: str) -> None:
        done.append(thing)
        time.sleep(60)

    declare(
        monkeypatch, "test.dawdle", lambda: each_by_itself(["one", "two"], dawdle, name="test"), queue.Home(NOW, 1)
    )
    send("test.dawdle")
    work_off()
    assert done == ["one"]
    (failed,) = db.session.scalars(sa.select(FailedWork))
    assert (failed.name, failed.error) == ("test.dawdle", "TookTooLong: It took more than 1 seconds.")


def test_every_queue_has_a_process_and_can_be_named() -> None:
    assert {name for process in PROCESSES for name in process} == set(QUEUES)
    assert set(main.commands["worker"].params[0].type.choices) == set(QUEUES)  # type: ignore[attr-defined]


@pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="names processes in /proc")
def test_workers_are_forks_of_one_process_and_start_again_when_they_fall(
    real_app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def work(_app: Flask, queues: list[str]) -> None:
        (tmp_path / f"{queues[0]}-{os.getpid()}").write_text(Path("/proc/self/comm").read_text().strip())
        signal.pause()

    monkeypatch.setattr("app.core.worker.run_worker", work)
    parent = os.fork()
    if not parent:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            run_workers(real_app, [("now",), ("mail", "files")])
        os._exit(0)
    try:
        assert wait_for(lambda: len(list(tmp_path.iterdir())) == 2, 10)
        assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["worker mail fil", "worker now"]
        fallen = next(tmp_path.glob("now-*"))
        os.kill(int(fallen.name.removeprefix("now-")), signal.SIGKILL)
        assert wait_for(lambda: len(list(tmp_path.glob("now-*"))) == 2, 10)
        assert len(list(tmp_path.glob("mail-*"))) == 1
    finally:
        os.kill(parent, signal.SIGTERM)
        assert os.waitpid(parent, 0)[1] == 0
    pids = [int(path.name.rpartition("-")[2]) for path in tmp_path.iterdir()]
    assert not any(map(is_running, pids))


def test_a_sweep_is_sent_when_due_and_then_only_after_its_time(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_sweeps", [Sweep("test.note", 3600)])
    due = {"test.note": 0.0}
    _enqueue_due(due)
    assert rq_queue(NOW).count == 1
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
