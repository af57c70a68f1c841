"""What is recorded in a transaction stands or falls with it, in order."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.activity.commands import record, seal_events
from app.activity.models import Event, EventPayload
from app.activity.queries import verify_chain
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.errors import Refused
from tests.make import Cast


def tell(cast: Cast, word: str) -> None:
    record("clients.client.update", cast.acme, by=SYSTEM, word=word)


def words() -> list[str]:
    told = sa.select(EventPayload.data).join(Event, Event.id == EventPayload.event_id).order_by(Event.id)
    return [data["word"] for data in db.session.scalars(told) if data and "word" in data]


def test_events_of_one_transaction_keep_their_order_and_make_a_chain(cast: Cast) -> None:
    with transaction():
        for word in ("first", "second", "third"):
            tell(cast, word)
    seal_events()
    assert words() == ["first", "second", "third"]
    assert verify_chain().broken == ""


def test_an_event_of_a_refused_inner_step_is_not_told(cast: Cast) -> None:
    with transaction():
        tell(cast, "before")
        with pytest.raises(Refused), transaction():
            tell(cast, "undone")
            raise Refused("no")
        tell(cast, "after")
    assert words() == ["before", "after"]


def test_nothing_is_told_of_a_transaction_that_failed(cast: Cast) -> None:
    with pytest.raises(ZeroDivisionError), transaction():
        tell(cast, "lost")
        _ = 1 / 0
    with transaction():
        tell(cast, "kept")
    assert words() == ["kept"]
