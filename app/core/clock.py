"""The only module that reads a clock; it can be set, so that demo history and tests travel in time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from zoneinfo import ZoneInfo

_travelled: ContextVar[dt.datetime | None] = ContextVar("travelled", default=None)
_zone: ContextVar[ZoneInfo | None] = ContextVar("zone", default=None)
UTC = dt.UTC


def now() -> dt.datetime:
    """This instant, aware, in UTC."""
    return _travelled.get() or dt.datetime.now(UTC)


def zone() -> ZoneInfo:
    """The zone that today's date is told in: the firm's, set when the application starts a request or a job."""
    return _zone.get() or ZoneInfo("UTC")


def set_zone(name: str) -> None:
    _zone.set(ZoneInfo(name))


def today() -> dt.date:
    return now().astimezone(zone()).date()


def local(instant: dt.datetime, zone_name: str | None = None) -> dt.datetime:
    """An instant as read on a wall clock in the named zone, or in the firm's."""
    return instant.astimezone(ZoneInfo(zone_name) if zone_name else zone())


@contextmanager
def travel_to(instant: dt.datetime) -> Iterator[None]:
    """Make now() answer the given aware instant inside the block."""
    if instant.tzinfo is None:
        raise ValueError("The clock travels to aware instants only.")
    token = _travelled.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _travelled.reset(token)
