"""A form's second press: it gets what the first one made, unless it says something else."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from app.core.db import Base, MadeOnce, db
from app.core.errors import Conflict, NotFound
from app.core.locking import take_turn

OTHER_FACTS = "This form was sent before, saying something else, and what it made then is kept. Nothing was changed."
Made = TypeVar("Made", bound=MadeOnce)


def digest_of(*facts: Any) -> UUID:
    """128 bits of the SHA-256 of what a form says. 1 and 1.00 are the same, and so are sets in any order."""
    told = json.dumps([_plain(fact) for fact in facts], ensure_ascii=False, sort_keys=True)
    return UUID(bytes=hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()[:16])


def _plain(fact: Any) -> Any:
    if fact is None or isinstance(fact, bool | int):
        return fact
    if isinstance(fact, enum.Enum):
        return _plain(fact.value)
    if isinstance(fact, str):
        return fact.strip()
    if isinstance(fact, Decimal):
        return f"{fact.normalize() or Decimal(0):f}"
    if isinstance(fact, dt.date | dt.time):
        return fact.isoformat()
    if isinstance(fact, dt.timedelta):
        return fact.total_seconds()
    if isinstance(fact, UUID):
        return str(fact)
    if isinstance(fact, Base):
        return str(fact.id)  # type: ignore[attr-defined]
    if dataclasses.is_dataclass(fact):
        return {each.name: _plain(getattr(fact, each.name)) for each in dataclasses.fields(fact)}
    if isinstance(fact, Mapping):
        return {str(key): _plain(value) for key, value in fact.items()}
    if isinstance(fact, set | frozenset):
        return sorted((_plain(each) for each in fact), key=str)
    if isinstance(fact, list | tuple):
        return [_plain(each) for each in fact]
    raise TypeError(f"A form does not say {type(fact).__name__}.")


def made_before(
    table: type[Made], row_id: UUID, made_from: UUID, *, seen: Callable[[Made], bool] = lambda row: True
) -> Made | None:
    """The row that a form with this id made from the same facts, or None while there is none.

    Raises Conflict when it was made from other facts, NotFound when whoever asks may not see it. A second press waits
    here until the first one is through. Rows from before their facts were kept are answered as they are.
    """
    take_turn(row_id)
    row = db.session.get(table, row_id)
    if row is not None:
        if not seen(row):
            raise NotFound()
        refuse_other_facts(row, made_from)
    return row


def refuse_other_facts(row: MadeOnce, made_from: UUID) -> None:
    """Raise Conflict unless the row was made from these facts."""
    if row.made_from is not None and row.made_from != made_from:
        raise Conflict(OTHER_FACTS)
