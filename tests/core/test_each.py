"""One piece of work that fails holds up no other, and is not passed over in silence."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.activity import commands as events
from app.activity.background import seal_and_read
from app.activity.commands import record
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.each import each_by_itself
from tests.make import Cast


def test_the_rest_is_done_and_the_first_error_is_raised(session: Session) -> None:
    done: list[int] = []

    def act(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        done.append(number)
        return number

    with pytest.raises(ValueError, match="1"):
        each_by_itself(range(6), act, name="numbers")
    assert done == [0, 2, 4]
    assert each_by_itself([2, 4], act, name="numbers") == 6


def test_what_a_failing_one_had_written_is_gone_and_what_the_next_writes_stays(cast: Cast) -> None:
    with transaction():
        pass  # the cast is kept, whatever is undone below

    def act(name: str) -> None:
        with transaction():
            db.session.execute(sa.text("UPDATE client SET name = :n WHERE id = :id"), {"n": name, "id": cast.acme.id})
            if name == "Bad":
                db.session.execute(sa.text("SELECT 1 / 0"))

    with pytest.raises(sa.exc.DBAPIError):
        each_by_itself(["Bad", "Good"], act, name="names")
    assert db.session.scalar(sa.text("SELECT name FROM client WHERE id = :id"), {"id": cast.acme.id}) == "Good"


def test_a_reader_of_events_that_fails_stops_no_other(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []

    def breaks(_event: Any, _data: Any) -> None:
        raise LookupError("no such thing")

    kinds = ("clients.client.update",)
    monkeypatch.setattr(events, "_readers", {
        "broken": (kinds, breaks), "sound": (kinds, lambda event, _data: heard.append(event.kind)),
    })
    with transaction():
        record("clients.client.update", cast.acme, by=SYSTEM, name="Acme", changes={})
    with pytest.raises(LookupError):
        seal_and_read()
    assert heard == ["clients.client.update"]
