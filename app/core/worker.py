"""The processes that work without a request: workers of some queues each, the scheduler of the sweepers."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

import click
import redis
import structlog
from flask import Flask
from rq import Queue, SimpleWorker, Worker
from rq.serializers import JSONSerializer
from rq.timeouts import UnixSignalDeathPenalty

from app.core.backing.processes import die_with_parent, name_process
from app.core.db import db
from app.core.queue import QUEUES, TookTooLong, connection, rq_queue, send_once, sweeps

log = structlog.get_logger()
LOCK_NAME, LOCK_SECONDS = "scheduler", 15
# Whoever makes a whole firm in one go sets this key, and nothing is started by itself until it is gone.
HELD = "scheduler:held"
TICK_SECONDS = 0.5
WATCH_SECONDS, STEADY_SECONDS, LONGEST_PAUSE = 0.1, 30.0, 30.0


class Limit(UnixSignalDeathPenalty):
    """rq's alarm, with an error that no loop over things takes for one of theirs."""

    def handle_death_penalty(self, signum: int, frame: FrameType | None) -> None:
        raise TookTooLong(f"It took more than {self._timeout} seconds.")


class HouseWorker(SimpleWorker):
    """Works in this very process, without a fork for each piece of work."""

    death_penalty_class = Limit


def run_worker(app: Flask, queues: list[str]) -> None:
    """Work until told to stop, finishing what is in hand."""
    with app.app_context():
        worker = HouseWorker(
            [rq_queue(name) for name in queues], connection=connection(), serializer=JSONSerializer,
        )
        worker.work(logging_level="WARNING")


@dataclass
class Fork:
    """One worker made of the process that has loaded everything; `failures` since it last kept going for a while."""

    queues: Sequence[str]
    pid: int = 0
    started_at: float = 0.0
    start_at: float = 0.0
    failures: int = 0

    @property
    def name(self) -> str:
        return f"worker {' '.join(self.queues)}"


def run_workers(app: Flask, processes: Sequence[Sequence[str]]) -> None:
    """Fork a worker for each, start again what falls, and end once all have ended after they were told to.

    They share what was loaded before. The firm's own work has a process that waits for nobody outside.
    """
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: stopping.append(number))
    gc.freeze()
    forks = [Fork(queues) for queues in processes]
    told = False
    while not stopping or any(fork.pid for fork in forks):
        for fork in forks:
            if fork.pid and os.waitpid(fork.pid, os.WNOHANG) != (0, 0):
                _note_end(fork, expected=bool(stopping))
            if not fork.pid and not stopping and time.monotonic() >= fork.start_at:
                _start(fork, app)
        if stopping and not told:
            told = True
            for fork in forks:
                if fork.pid:
                    os.kill(fork.pid, signal.SIGTERM)
        time.sleep(WATCH_SECONDS)


def _start(fork: Fork, app: Flask) -> None:
    tie = die_with_parent(signal.SIGTERM)
    fork.started_at = time.monotonic()
    fork.pid = os.fork()
    if fork.pid:
        return
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        tie()
        name_process(fork.name)
        with app.app_context():  # no process may speak on another's connections
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose(close=False)
        run_worker(app, list(fork.queues))
        code = 0
    except BaseException:
        log.exception("worker.ended", worker=fork.name)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _note_end(fork: Fork, *, expected: bool) -> None:
    fork.pid = 0
    if expected:
        return
    now = time.monotonic()
    fork.failures = 1 if now - fork.started_at > STEADY_SECONDS else fork.failures + 1
    fork.start_at = now + min(0.25 * 2 ** (fork.failures - 1), LONGEST_PAUSE) if fork.failures > 1 else now
    click.echo(f"{fork.name} has stopped; starting it again (time {fork.failures}).")


def unattended(store: redis.Redis) -> dict[str, int]:
    """How much work waits in queues from which no worker takes."""
    workers = Worker.all(connection=store, serializer=JSONSerializer)
    taken = {name for worker in workers for name in worker.queue_names()}
    waiting = {name: Queue(name, connection=store).count for name in QUEUES if name not in taken}
    return {name: count for name, count in waiting.items() if count}


def run_scheduler(app: Flask) -> None:
    """Enqueue each sweep when it is due. One scheduler acts at a time; a second one waits for its turn."""
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with app.app_context():
        store = connection()
        name = f"{os.uname().nodename}:{os.getpid()}"
        due = {sweep.name: 0.0 for sweep in sweeps()}
        while not stopping:
            try:
                if _holds_lock(store, name) and not store.exists(HELD):
                    _enqueue_due(due)
            except redis.RedisError as error:
                log.warning("scheduler.unreachable", error=str(error))
            time.sleep(TICK_SECONDS)
        if _holder(store) == name:
            store.delete(LOCK_NAME)


def _holder(store: redis.Redis) -> str:
    value = store.get(LOCK_NAME)
    return value.decode() if isinstance(value, bytes) else str(value or "")


def _holds_lock(store: redis.Redis, name: str) -> bool:
    if store.set(LOCK_NAME, name, nx=True, ex=LOCK_SECONDS):
        return True
    if _holder(store) != name:
        return False
    store.expire(LOCK_NAME, LOCK_SECONDS)
    return True


def _enqueue_due(due: dict[str, float]) -> None:
    now = time.monotonic()
    for sweep in sweeps():
        if now >= due[sweep.name]:
            due[sweep.name] = now + sweep.seconds
            send_once(sweep.name, {})
