"""A door to a neighbour who may be slow: so many at once, and nobody at all while it does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Shut(Exception):
    """Not asked: the neighbour has not answered lately, or as many as may wait for it wait already."""


class Gate:
    """Lets `at_once` callers through; after `failures` in a row nobody for `rest` seconds, then one who tries.

    Where all places are taken a caller waits half a second, and not at all once somebody inside waits longer.
    """

    def __init__(self, at_once: int, *, failures: int = 3, rest: float = 10.0) -> None:
        self._places = threading.BoundedSemaphore(at_once)
        self._rooms = threading.BoundedSemaphore(max(1, at_once - 1))
        self._lock = threading.Lock()
        self._inside: dict[object, float] = {}
        self._allowed, self._rest, self._queue_seconds, self._slow = failures, rest, 0.5, 1.0
        self._failed = 0
        self._shut_until = 0.0

    def take_room(self) -> Callable[[], None] | None:
        """One of the places for longer than a call: what gives it back, or None where none is free at once.

        One place is always left for calls, where there are several. Calls of whoever has a room are `placed`.
        """
        if not self._rooms.acquire(blocking=False):
            return None
        if not self._places.acquire(blocking=False):
            self._rooms.release()
            return None

        def leave() -> None:
            self._places.release()
            self._rooms.release()

        return leave

    @contextmanager
    def passage(self, unanswered: type[Exception], *, placed: bool = False) -> Iterator[None]:
        """The length of one call; raises Shut. An error of this kind says that there was no answer."""
        ticket = self._enter(placed)
        answered = True
        try:
            yield
        except unanswered:
            answered = False
            raise
        finally:
            self._leave(ticket, answered, placed)

    def _enter(self, placed: bool) -> object:
        with self._lock:
            if self._failed >= self._allowed:
                if time.monotonic() < self._shut_until:
                    raise Shut("It has not answered lately.")
                self._shut_until = time.monotonic() + self._rest  # whoever comes now tries, the others wait for that
            slow = any(time.monotonic() - since > self._slow for since in self._inside.values())
        if not placed and not self._places.acquire(timeout=0 if slow else self._queue_seconds):
            raise Shut("As many as may wait for it wait already.")
        ticket = object()
        with self._lock:
            self._inside[ticket] = time.monotonic()
        return ticket

    def _leave(self, ticket: object, answered: bool, placed: bool) -> None:
        with self._lock:
            del self._inside[ticket]
            self._failed = 0 if answered else self._failed + 1
            if not answered:
                self._shut_until = time.monotonic() + self._rest
        if not placed:
            self._places.release()
