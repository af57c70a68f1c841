"""Background work by registered name. The queue is a hint, the row is the truth: see `every` for the sweepers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import redis
import structlog
from flask import Flask, current_app
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from app.core.again import until_it_wins
from app.core.causes import because_of
from app.core.db import db, on_commit
from app.core.errors import Refused

log = structlog.get_logger()
Work = Callable[..., Any]
_works: dict[str, Work] = {}
# What the firm waits for and talks to nobody outside; mails; files; the papers of bills, hundreds at once from a bill
# run; large files; long work over many things, nobody outside either; what goes over storage by itself.
NOW, MAIL, FILES, PAPERS, LARGE, BULK, SWEEPS = QUEUES = ("now", "mail", "files", "papers", "large", "bulk", "sweeps")
# Each is a process: the queues that it takes from, the first that has work first.
PROCESSES = ((NOW,), (MAIL,), (FILES,), (FILES, PAPERS, LARGE), (BULK,), (SWEEPS,))
INWARD = (NOW, BULK)  # nothing that waits here talks to storage, a mail server or anybody else outside
LONGEST, KEEP_FAILED, FORGET_WAITING = 3600, 3600, 86_400  # seconds
AWAY = "We cannot send anything just now, so nothing was asked for. Please try again in a few minutes."


class TookTooLong(BaseException):
    """Raised inside work that takes more seconds than it declares.

    No Exception: a loop that goes on with the next thing after an error would swallow it and go on for ever.
    """



# The same work with the same payload that still waits in its queue is not sent again. What a worker has in hand does
# not count: it may have looked before there was something to see.
_MAY_BE_SENT = """
local waiting = redis.call('GET', KEYS[1])
if waiting and redis.call('LPOS', KEYS[2], waiting) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""


@dataclass(frozen=True)
class Sweep:
    """A registered work that the scheduler enqueues by itself every so many seconds."""

    name: str
    seconds: int


@dataclass(frozen=True)
class Home:
    """The queue of a registered work, and how many seconds it may take."""

    queue: str
    seconds: int


Told = Callable[[str, dict[str, Any], BaseException | None], None]
_sweeps: list[Sweep] = []
_told: list[Told] = []
_homes: dict[str, Home] = {}


def background(name: str, *, queue: str, seconds: int, every: int | None = None) -> Callable[[Work], Work]:
    """Register a function under a stable name; with `every` the scheduler also starts it that often (seconds).

    After so many `seconds` TookTooLong is raised inside it. Whatever talks to somebody outside has a queue that is not
    INWARD, and what nobody waits for is in SWEEPS: a test follows the calls of each work.
    """

    def register(work: Work) -> Work:
        if name in _works and _works[name].__qualname__ != work.__qualname__:
            raise RuntimeError(f"Two background works are called {name}.")
        _works[name] = work
        _homes[name] = Home(queue, seconds)
        if every:
            _sweeps.append(Sweep(name, every))
        return work

    return register


def told_of_ends(tell: Told) -> Told:
    """Register who is told how work ended: tell(name, payload, error or None)."""
    _told[:] = [tell]
    return tell


def registered() -> dict[str, Work]:
    return dict(_works)


def home_of(name: str) -> Home:
    return _homes[name]


def every(name: str) -> int:
    """After how many seconds a work runs again by itself; 0 for what does not."""
    return next((sweep.seconds for sweep in _sweeps if sweep.name == name), 0)


def sweeps() -> list[Sweep]:
    return list(_sweeps)


def enqueue(name: str, *, first: bool = False, **payload: Any) -> None:
    """Send work to its queue after the outermost commit; legal inside a transaction only. Payload: JSON values.

    `first`: before what waits there already.
    """
    if name not in _works:
        raise RuntimeError(f"No background work is called {name}.")
    on_commit(lambda: send(name, first=first, **payload))


def send(name: str, *, first: bool = False, **payload: Any) -> None:
    """Send at once, unless the same still waits. When the queue cannot be reached the sweeper will find the row; that
    is logged, not raised."""
    _sent(name, payload, first=first)


def send_or_refuse(name: str, **payload: Any) -> None:
    """For what no row keeps and no sweep would find: raises Refused when the queue cannot be reached."""
    if not _sent(name, payload):
        raise Refused(AWAY)


def _sent(name: str, payload: dict[str, Any], *, first: bool = False) -> bool:
    """Whether it waits in its queue now."""
    app: Flask = current_app
    if app.config.get("QUEUE_INLINE") is not None:
        app.config["QUEUE_INLINE"].append((name, payload))
        return True
    try:
        send_once(name, payload, first=first)
    except redis.RedisError as error:
        log.warning("queue.unreachable", work=name, error=str(error))
        return False
    return True


def send_once(name: str, payload: dict[str, Any], *, first: bool = False) -> bool:
    """Put work into its queue unless the same waits there. Whether it was put there."""
    home = _homes[name]
    to, job_id = rq_queue(home.queue), str(uuid4())
    said = hashlib.sha256(json.dumps([name, payload], sort_keys=True).encode()).hexdigest()[:32]
    if not connection().eval(_MAY_BE_SENT, 2, f"waiting:{to.name}:{said}", to.key, job_id, FORGET_WAITING):
        return False
    to.enqueue(
        perform, name, payload, job_id=job_id, at_front=first, result_ttl=0, failure_ttl=KEEP_FAILED,
        job_timeout=home.seconds,
    )
    return True


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
        try:
            until_it_wins(lambda: _works[name](**payload), name=name)
        except (Exception, TookTooLong) as error:
            _tell(name, payload, error)
            raise
        _tell(name, payload, None)


def _tell(name: str, payload: dict[str, Any], error: BaseException | None) -> None:
    """When the database is away, that it is away is known already: the work's own error is what counts."""
    try:
        db.session.rollback()
        for tell in _told:
            tell(name, payload, error)
    except SQLAlchemyError as lost:
        log.warning("work.untold", work=name, error=type(lost).__name__)
