"""Sums over many rows, kept in this process for as long as the database has not changed at all."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

import sqlalchemy as sa

from app.core.db import db

MOST = 128
_MARK = sa.text("SELECT current_database(), pg_current_snapshot()::text, pg_current_xact_id_if_assigned()::text")
_kept: OrderedDict[Hashable, tuple[tuple[str, str], Any]] = OrderedDict()
_lock = Lock()

Value = TypeVar("Value")


def remembered(key: Hashable, compute: Callable[[], Value]) -> Value:
    """The value computed before under this key, if no transaction has ended or begun to write since; else a new one.

    Two equal snapshots see the same rows, so what is answered is never old. A transaction that has written itself
    always computes. `key` must name everything that the value depends on: filters, walls, the day, the page.
    """
    database, snapshot, writing = db.session.execute(_MARK).one()
    if writing:
        return compute()
    mark = (database, snapshot)
    with _lock:
        found = _kept.get(key)
        if found is not None and found[0] == mark:
            _kept.move_to_end(key)
            value: Value = found[1]
            return value
    value = compute()
    with _lock:
        _kept[key] = (mark, value)
        _kept.move_to_end(key)
        while len(_kept) > MOST:
            _kept.popitem(last=False)
    return value
