"""How long a connection may take: nobody is cut off who works or waits for us, and nobody holds a place for nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from waitress.adjustments import Adjustments

from app.core.backing.processes import wait_for
from app.core.serving import BODY_SECONDS, HEADER_SECONDS, SILENT_SECONDS, Channel, GrowingThreads, Patience

Connect = Callable[[bytes], Channel]


@pytest.fixture
def door() -> Patience:
    door = Patience()
    door.active_channels = {}
    door.__dict__["add_task"] = lambda channel: None
    return door


@pytest.fixture
def connect(door: Patience) -> Iterator[Connect]:
    """A connection over which these bytes have come."""
    ends: list[socket.socket] = []

    def connect(sent: bytes) -> Channel:
        ours, theirs = socket.socketpair()
        ends.extend((ours, theirs))
        channel = Channel(door, ours, ("127.0.0.1", 1), Adjustments(), map={})
        channel.received(sent)
        return channel

    yield connect
    for end in ends:
        end.close()


def ends_after(door: Patience, channel: Channel, seconds: float, *, silent: bool) -> bool:
    """Whether a look so much later ends it; one that is not silent has sent a byte just before."""
    began = channel.creation_time
    channel.last_activity = began if silent else began + seconds
    door.maintenance(began + seconds)
    return bool(channel.will_close)


def test_headers_that_trickle_in_have_their_time(door: Patience, connect: Connect) -> None:
    channel = connect(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: a")
    assert not ends_after(door, channel, HEADER_SECONDS - 1, silent=False)
    assert ends_after(door, channel, HEADER_SECONDS + 1, silent=False)


def test_a_body_on_a_bad_line_may_take_minutes_while_bytes_come(door: Patience, connect: Connect) -> None:
    channel = connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nabc")
    assert not ends_after(door, channel, HEADER_SECONDS + 100, silent=False)
    assert ends_after(door, channel, BODY_SECONDS + 1, silent=False)


def test_a_body_of_which_nothing_comes_any_more_is_given_up(door: Patience, connect: Connect) -> None:
    channel = connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nabc")
    assert ends_after(door, channel, SILENT_SECONDS + 1, silent=True)


def test_a_connection_in_reserve_is_closed_after_a_while(door: Patience, connect: Connect) -> None:
    channel = connect(b"")
    assert not ends_after(door, channel, SILENT_SECONDS - 1, silent=True)
    assert ends_after(door, channel, SILENT_SECONDS + 1, silent=True)


def test_whoever_waits_for_a_long_answer_is_not_cut_off(door: Patience, connect: Connect) -> None:
    channel = connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert channel.requests
    assert not ends_after(door, channel, 600, silent=True)


def test_threads_are_made_as_they_are_needed_and_no_more_than_that() -> None:
    ended = threading.Event()
    threads = GrowingThreads(3)
    for _ in range(5):
        threads.add_task(SimpleNamespace(service=ended.wait, cancel=lambda: None))
        made = len(threads.threads)
    assert made == 3
    ended.set()
    assert wait_for(lambda: not threads.queue and threads.active_count == 0, 10)
    threads.add_task(SimpleNamespace(service=lambda: None, cancel=lambda: None))
    assert len(threads.threads) == 3
    threads.shutdown()


def test_an_answer_that_nobody_takes_is_given_up(door: Patience, connect: Connect) -> None:
    channel = connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    channel.total_outbufs_len = 1 << 20
    assert ends_after(door, channel, SILENT_SECONDS + 1, silent=True)
