"""The processes that work without a request: a worker of some queues, the scheduler of the sweepers."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

import redis
import structlog
from flask import Flask
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from app.core.queue import Sweep, connection, perform, rq_queue, sweeps

log = structlog.get_logger()
LOCK_NAME, LOCK_SECONDS = "scheduler", 15
# Whoever makes a whole firm in one go sets this key, and nothing is started by itself until it is gone.
HELD = "scheduler:held"
TICK_SECONDS = 0.5


def run_worker(app: Flask, queues: list[str]) -> None:
    """Work until told to stop, finishing what is in hand. Jobs run in this very process: no fork each."""
    with app.app_context():
        worker = SimpleWorker(
            [rq_queue(name) for name in queues], connection=connection(), serializer=JSONSerializer,
        )
        worker.work(logging_level="WARNING")


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
            _enqueue_once(sweep)


def _enqueue_once(sweep: Sweep) -> None:
    """A sweep that still waits is not sent again: behind a long job they would only pile up."""
    queue = rq_queue(sweep.queue)
    mark = f"sweep-{sweep.name.replace('.', '-')}-"
    if not any(job_id.startswith(mark) for job_id in queue.get_job_ids()):
        queue.enqueue(
            perform, sweep.name, {}, job_id=f"{mark}{time.time_ns()}",
            result_ttl=0, failure_ttl=86400, job_timeout=3600,
        )
