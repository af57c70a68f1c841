"""Rows that are drawn while they are sent, after the request that asked for them has ended."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextvars import Context, copy_context
from typing import Generic, TypeVar

import sqlalchemy as sa
from flask import current_app, g

from app.core.db import db, transaction

Each = TypeVar("Each")


def _of_one_moment(make: Callable[[], Iterable[Each]]) -> Generator[Each]:
    """In one transaction that sees one state of things; the transaction of a test has begun already."""
    with transaction():
        if isinstance(db.session.get_bind(), sa.Engine):
            db.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield from make()


class Apart(Generic[Each]):
    """What `make` gives, made and drawn in an application context of its own, and so in a session of its own.

    Each step runs in a copy of the caller's context variables: what the request knew (whose it is, the zone, the door)
    still holds, and the end of the request takes nothing away. All rows are of one moment, however many questions are
    asked for them. Whoever makes one closes it; one that is dropped closes itself. The request's own session is let
    go, so that nobody holds two connections for as long as a slow reader takes.
    """

    _context: Context | None = None

    def __init__(self, make: Callable[[], Iterable[Each]]) -> None:
        db.session.close()
        self._known = dict(vars(g._get_current_object()))
        self._app = current_app._get_current_object()  # type: ignore[attr-defined]
        self._context = copy_context()
        self._first: Iterator[Each] = iter(())
        self._context.run(self._enter, make)

    def _enter(self, make: Callable[[], Iterable[Each]]) -> None:
        self._own = self._app.app_context()
        self._own.push()
        vars(self._own.g).update(self._known)
        self._rows = _of_one_moment(make)

    def after(self, first: Sequence[Each]) -> Apart[Each]:
        """The same with these before the rest: those that were drawn to look at them."""
        self._first = iter(first)
        return self

    def __iter__(self) -> Iterator[Each]:
        return self

    def __next__(self) -> Each:
        for drawn in self._first:
            return drawn
        if self._context is None:
            raise StopIteration
        return self._context.run(next, self._rows)

    def close(self) -> None:
        """Let the connection go; safe to call twice."""
        context, self._context = self._context, None
        if context is not None:
            context.run(self._leave)

    def _leave(self) -> None:
        try:
            self._rows.close()
        finally:
            self._own.pop()

    def __del__(self) -> None:
        self.close()
