"""What lies in storage and which rows say so: each room registers its own, with the digests that it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

_stored: dict[str, sa.Select[Any]] = {}


def stored(what: str, key: Any, *, name: Any, sha256: Any = None, where: tuple[Any, ...] = ()) -> None:
    """Register objects: the expression of their key, of a name for people, and of their SHA-256 where it is kept."""
    digest = sha256 if sha256 is not None else sa.null()
    named = sa.cast(name, sa.Text)
    _stored[what] = sa.select(
        key.label("key"), named.label("name"), sa.cast(digest, sa.LargeBinary).label("sha256")
    ).where(key.is_not(None), key != "", *where)


def stored_kinds() -> dict[str, sa.Select[Any]]:
    """By what they are: a select of key, name and sha256 (null where none is kept)."""
    return dict(_stored)


def stored_keys(connection: sa.Connection) -> Iterator[str]:
    """Every key that a row points at."""
    for statement in _stored.values():
        rows = statement.subquery()
        yield from connection.scalars(sa.select(rows.c.key).distinct())
