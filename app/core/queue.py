"""Background work by registered name. The queue is a hint, the row is the truth: see `every` for the sweepers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import redis
import structlog
from flask import Flask, current_app
from rq import Queue
from rq.serializers import JSONSerializer

from app.core.again import until_it_wins
from app.core.causes import because_of
from app.core.db import on_commit

log = structlog.get_logger()
Work = Callable[..., Any]
_works: dict[str, Work] = {}
NOW, BULK = "now", "bulk"


@dataclass(frozen=True)
class Sweep:
    """A registered work that the scheduler enqueues by itself every so many seconds."""

    name: str
    seconds: int
    queue: str


_sweeps: list[Sweep] = []


def background(name: str, *, every: int | None = None, queue: str = NOW) -> Callable[[Work], Work]:
    """Register a function under a stable name; with `every` the scheduler also starts it that often (seconds)."""

    def register(work: Work) -> Work:
        if name in _works and _works[name].__qualname__ != work.__qualname__:
            raise RuntimeError(f"Two background works are called {name}.")
        _works[name] = work
        if every:
            _sweeps.append(Sweep(name, every, queue))
        return work

    return register


def registered() -> dict[str, Work]:
    return dict(_works)


def sweeps() -> list[Sweep]:
    return list(_sweeps)


def enqueue(name: str, *, queue: str = NOW, **payload: Any) -> None:
    """Send work to the queue after the outermost commit; legal inside a transaction only. Payload: JSON values."""
    if name not in _works:
        raise RuntimeError(f"No background work is called {name}.")
    on_commit(lambda: send(name, queue=queue, **payload))


def send(name: str, *, queue: str = NOW, **payload: Any) -> None:
    """Send at once. When the queue cannot be reached the sweeper will find the row; that is logged, not raised."""
    app: Flask = current_app
    if app.config.get("QUEUE_INLINE") is not None:
        app.config["QUEUE_INLINE"].append((name, payload))
        return
    try:
        rq_queue(queue).enqueue(
            "app.core.queue.perform", name, payload, result_ttl=0, failure_ttl=86400, job_timeout=3600
        )
    except redis.RedisError as error:
        log.warning("queue.unreachable", work=name, error=str(error))


def rq_queue(name: str) -> Queue:
    return Queue(name, connection=connection(), serializer=JSONSerializer)


def connection() -> redis.Redis:
    """The connection to Redis or Valkey that the whole process shares."""
    client: redis.Redis = current_app.extensions["redis"]
    return client


def perform(name: str, payload: dict[str, Any]) -> None:
    """What a worker runs: the registered function in a fresh application context, again where it loses a race."""
    sweeping = because_of("sweep", name) if any(sweep.name == name for sweep in _sweeps) else nullcontext()
    with current_app.app_context(), sweeping:
        until_it_wins(lambda: _works[name](**payload), name=name)


def init_app(app: Flask) -> None:
    settings = app.config["SETTINGS"]
    url = settings.redis_url or "redis://127.0.0.1:1/0"
    app.extensions["redis"] = redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=2)
