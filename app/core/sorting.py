"""The key by which lists sort names and searches find them: one for clients, contacts and colleagues."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from app.core.db import db
from app.core.proofs import Finding


def sort_key(name: str) -> str:
    """The key a name sorts and is found by: without accents and case, so that Ö stands beside O."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def wrong_keys(of: Any) -> Iterator[Finding]:
    """The rows of a table of names whose `sort_key` is not that of their name."""
    rows = db.session.execute(sa.select(of.name, of.sort_key).execution_options(yield_per=1000))
    for name, key in rows:
        if key != sort_key(name):
            yield Finding(f"{of.__tablename__} {name}", f"sorts as “{key}”, its name as “{sort_key(name)}”")
