"""Several pieces of work of one kind, none of which may hold up the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

from app.core.db import db

log = structlog.get_logger()
Thing = TypeVar("Thing")


def each_by_itself(things: Iterable[Thing], act: Callable[[Thing], int | None], *, name: str) -> int:
    """Act on each, in transactions of its own; the sum of what `act` returns.

    What fails is logged and the rest is done. Then the first error is raised, so that the work counts as failed.
    """
    failed: list[Exception] = []
    total = 0
    for thing in things:
        try:
            total += act(thing) or 0
        except Exception as error:
            db.session.rollback()
            log.warning("work.one_failed", work=name, what=str(thing), error=type(error).__name__)
            failed.append(error)
    if failed:
        raise failed[0]
    return total
