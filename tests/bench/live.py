"""A thousand pages held open: how long from publishing to each of them, at rest and during a bulk job."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from app.config import Settings
from app.core.ids import new_id
from app.core.live import CHANNEL
from app.supervisor import allow_many_files
from tests.bench.browse import Visitor
from tests.bench.report import Report, Row, middle, percentile

STREAMS, MESSAGES, LIMIT = 1000, 30, 1.0


class Pages:
    """A thousand streams in one thread: for each message, when each of them heard of it."""

    def __init__(self, port: int, visitor: Visitor) -> None:
        self.port, self.cookie = port, visitor.cookie
        self.topic = f"job:{new_id()}"
        self.selector = selectors.DefaultSelector()
        self.sent_at = 0.0
        self.heard: list[float] = []
        self.sockets: list[socket.socket] = []
        self.going = True
        self.thread = threading.Thread(target=self._listen, daemon=True)

    def open(self) -> None:
        request = (
            f"GET /live?topics={self.topic} HTTP/1.1\r\nHost: localhost:{self.port}\r\nCookie: {self.cookie}\r\n"
            "Accept: text/event-stream\r\n\r\n"
        ).encode()
        for _ in range(STREAMS):
            line = socket.create_connection(("127.0.0.1", self.port), timeout=30)
            line.sendall(request)
            answer = line.recv(2048)
            if b" 200 " not in answer.split(b"\r\n", 1)[0]:
                raise RuntimeError(f"A stream was answered {answer[:60]!r}.")
            line.setblocking(False)
            self.selector.register(line, selectors.EVENT_READ)
            self.sockets.append(line)
        self.thread.start()

    def _listen(self) -> None:
        topic = self.topic.encode()
        while self.going:
            for key, _ in self.selector.select(0.2):
                with contextlib.suppress(OSError):
                    if topic in key.fileobj.recv(4096):  # type: ignore[union-attr]
                        self.heard.append(time.perf_counter() - self.sent_at)

    def close(self) -> None:
        self.going = False
        self.thread.join()
        for line in self.sockets:
            line.close()


def measure_live(port: int, visitor: Visitor, settings: Settings, report: Report) -> None:
    allow_many_files()
    pages = Pages(port, visitor)
    pages.open()
    try:
        _row("live, 1,000 pages", pages, settings, report)
        with _busy(settings):
            _row("live, during a bulk job", pages, settings, report)
    finally:
        pages.close()


def _row(name: str, pages: Pages, settings: Settings, report: Report) -> None:
    store = redis.Redis.from_url(settings.redis_url)
    pages.heard = []
    for _ in range(MESSAGES):
        wanted = len(pages.heard) + STREAMS
        pages.sent_at = time.perf_counter()
        store.publish(CHANNEL, json.dumps([pages.topic]))
        until = time.monotonic() + 5
        while len(pages.heard) < wanted and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(0.1)
    store.close()
    p95 = percentile(pages.heard, 0.95) if pages.heard else 99.0
    whole = len(pages.heard) == MESSAGES * STREAMS
    report.rows.append(Row(
        name, None, p50_ms=round(middle(pages.heard or [99.0]) * 1000), p95_ms=round(p95 * 1000),
        goal=f"p95 < {LIMIT:g} s" + ("" if whole else f", {len(pages.heard):,} heard"), ok=whole and p95 < LIMIT,
    ))


@contextmanager
def _busy(settings: Settings) -> Iterator[None]:
    """Applying a template to a thousand clients in another process, for as long as the block lasts."""
    context: Any = multiprocessing.get_context("spawn")
    work = context.Process(target=_apply, args=(settings,))
    work.daemon = True
    work.start()
    time.sleep(4)
    try:
        yield
    finally:
        work.terminate()
        work.join()


def _apply(settings: Settings) -> None:
    from tests.bench.bulk import apply_to_many
    from tests.bench.server import app_for

    with app_for(settings):
        while True:
            apply_to_many(1000)
