"""Why what happens just now happens: the event that was read, the run, series or sweep that led to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_cause: ContextVar[str] = ContextVar("cause", default="")


@contextmanager
def because_of(kind: str, which: object) -> Iterator[None]:
    """What is recorded within has this cause; an inner one is nearer and counts instead."""
    before = _cause.set(f"{kind} {which}")
    try:
        yield
    finally:
        _cause.reset(before)


def cause_now() -> str:
    """`event 17`, `run <id>`, `series <id>` or `sweep <name>`; empty where somebody simply does something."""
    return _cause.get()
