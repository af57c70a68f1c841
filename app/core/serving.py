"""The web server inside gunicorn's workers: waitress reads each request whole before a thread is given to it.

Gunicorn's own threads read headers and bodies themselves, so that forty half-sent requests, or as many connections that
browsers open in reserve, hold all of them. Here one loop reads for everybody, and a thread is held by work alone.
Gunicorn stays above it: it listens, loads the application once, forks, starts again what falls, and stops in order.
"""

from __future__ import annotations

import logging
import os
import resource
import socket
import time
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer, UnixWSGIServer
from waitress.task import ThreadedTaskDispatcher

HEADER_SECONDS = 20  # from a request's first byte to the end of its headers
BODY_SECONDS = 600  # to the end of its body: the largest one at 40 kB a second
SILENT_SECONDS = 30  # without a byte in either direction, kept-alive and reserve connections too
LOOK_SECONDS = 2
LARGEST_HEADERS = 32 << 10
LARGEST_BODY = 48 << 20  # the application refuses less than this with a page; beyond it nothing is taken in
TURN_SECONDS = 1.0


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that knows when the request that it is sending began."""

    began = 0.0

    def received(self, data: bytes) -> Any:
        if self.request is None:
            self.began = time.time()
        return super().received(data)

    def is_late(self, now: float) -> bool:
        """Whether it is to be ended: a request that takes too long to arrive, or nobody who says or reads anything."""
        silent: bool = now - self.last_activity > SILENT_SECONDS
        if self.requests:  # being answered: late only if what is ready is not taken
            return silent and bool(self.total_outbufs_len)
        if self.request is None:
            return silent
        allowed = BODY_SECONDS if self.request.headers_finished else HEADER_SECONDS
        return silent or now - self.began > allowed


class Patience:
    """A listening socket whose connections are ended when they are late."""

    channel_class = Channel
    active_channels: dict[int, Channel]

    def maintenance(self, now: float) -> None:
        for channel in list(self.active_channels.values()):
            if channel.is_late(now):
                channel.will_close = True

    def is_busy(self) -> bool:
        return any(channel.requests or channel.total_outbufs_len for channel in self.active_channels.values())


class OverTcp(Patience, TcpWSGIServer):  # type: ignore[misc]
    pass


class OverUnix(Patience, UnixWSGIServer):  # type: ignore[misc]
    pass


class GrowingThreads(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Threads that are made when there is work for them, up to so many."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.queue_logger = logging.getLogger("waitress.growing")
        self.queue_logger.disabled = True  # it would call each stream that begins a backlog

    def add_task(self, task: Any) -> None:
        with self.lock:
            idle = len(self.threads) - self.active_count
            wanted = len(self.threads) + (len(self.queue) >= idle)
        if wanted <= self.most:
            self.set_thread_count(wanted)
        super().add_task(task)


class BufferedWorker(Worker):  # type: ignore[misc]
    """One process of gunicorn: a loop that reads and writes, and as many threads as `threads` says for the work."""

    doors: tuple[Any, ...] = ()
    looks_ahead = 0  # requests of one connection read while another is answered; with any, an end is noticed meanwhile

    def make_threads(self) -> ThreadedTaskDispatcher:
        threads = ThreadedTaskDispatcher()
        threads.set_thread_count(self.cfg.threads)
        return threads

    def run(self) -> None:
        self.loop: dict[int, Any] = {}
        self.threads = self.make_threads()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a connection is a file; 1,024 is the usual limit
        rules = Adjustments(
            connection_limit=self.cfg.worker_connections, asyncore_use_poll=True, cleanup_interval=LOOK_SECONDS,
            channel_request_lookahead=self.looks_ahead, max_request_header_size=LARGEST_HEADERS,
            max_request_body_size=LARGEST_BODY, ident=None,
            clear_untrusted_proxy_headers=False,  # the application itself knows how many proxies to believe
        )
        self.doors = tuple(self._open(listener.sock, rules) for listener in self.sockets)
        while self.alive and os.getppid() == self.ppid:
            self.notify()
            self._turn(TURN_SECONDS)
        self._finish()

    def _open(self, sock: socket.socket, rules: Adjustments) -> Any:
        sock.setblocking(False)
        kind = OverUnix if sock.family == socket.AF_UNIX else OverTcp
        whence = (sock.family, sock.type, sock.proto, sock.getsockname())
        return kind(self.wsgi, self.loop, True, sock, self.threads, rules, whence, bind_socket=False)

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self.loop, count=1)

    def _finish(self) -> None:
        """Take nobody in any more, and let what is being answered end."""
        for door in self.doors:
            door.del_channel(self.loop)
        until = time.monotonic() + self.cfg.graceful_timeout
        while time.monotonic() < until and any(door.is_busy() for door in self.doors):
            self.notify()
            self._turn(0.1)
        self.threads.shutdown(timeout=0.5)

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        for door in self.doors:
            door.pull_trigger()


class StreamingWorker(BufferedWorker):
    """For answers that go on for as long as a page is open: a thread each, made when it is needed."""

    looks_ahead = 1

    def make_threads(self) -> ThreadedTaskDispatcher:
        return GrowingThreads(self.cfg.threads)
