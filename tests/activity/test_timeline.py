"""Events in words, for whoever may read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.activity.commands import record
from app.activity.queries import EventFilter, _select
from app.activity.sentences import generally, told
from app.clients.commands import raise_wall
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.ids import new_id
from app.desk.activity.tell import ACTOR_NAME, tell
from tests.make import Cast, sign_in


def text_of(response: Any) -> str:
    return str(response.get_data(as_text=True))


@pytest.mark.parametrize(("kind", "data", "words"), [
    ("jobs.task.complete", {"name": "Reconcile"}, "completed the task Reconcile"),
    ("odd.thing.write_off", {}, "wrote off the thing"),
    ("odd.big_thing.carry_over", {"title": "x"}, "carried over the big thing x"),
])
def test_an_unknown_kind_is_still_readable(kind: str, data: dict[str, Any], words: str) -> None:
    assert generally(kind, data) == words


def test_a_payload_without_what_its_sentence_needs_is_told_generally() -> None:
    assert told("clients.client.create", {})[0] == "created the client"


@pytest.mark.parametrize(("kind", "words"), [
    ("runs.run.start", "started “Apply VAT return”, 25 things to do"),
    ("runs.run.stop", "stopped “Apply VAT return”; what was done stays done"),
    ("runs.run.resume", "let “Apply VAT return” go on"),
    ("runs.run.finish", "finished “Apply VAT return”"),
])
def test_long_work_is_told_by_its_name(app: Flask, kind: str, words: str) -> None:
    assert told(kind, {"title": "Apply VAT return", "items": 25})[0] == words


def happen(cast: Cast, times: int) -> None:
    for n in range(times):
        with transaction():
            record("clients.client.archive", cast.acme, by=cast.actor(cast.sam), name=f"Acme {n}")


def test_a_timeline_is_paged_by_key_and_asks_two_questions(
    client: FlaskClient, cast: Cast, max_queries: Callable[[int], Any]
) -> None:
    happen(cast, 60)
    sam = cast.actor(cast.sam)
    with max_queries(2):
        lines = tell(EventFilter(client_id=cast.acme.id), seen_by=sam, limit=50)
    assert lines[0].told == "Sam archived Acme 59"
    older = tell(EventFilter(client_id=cast.acme.id, before=lines[-1].id), seen_by=cast.actor(cast.sam))
    assert [line.words for line in older] == [f"archived Acme {n}" for n in reversed(range(10))]
    sign_in(client, cast.sam)
    page = text_of(client.get(f"/timeline/client/{cast.acme.id}"))
    assert "Earlier" in page and "archived Acme 59" in page


def test_wes_and_otto_read_nothing_of_what_they_may_not_see(cast: Cast) -> None:
    happen(cast, 1)
    with transaction():
        record("clients.client.archive", cast.rival, by=SYSTEM, name="Rival plc")
    everything = EventFilter()
    assert [line.words for line in tell(everything, seen_by=cast.actor(cast.wes))] == ["archived Acme 0"]
    assert tell(everything, seen_by=cast.contact(cast.otto)) == []


def test_a_wall_is_told_only_to_those_who_may_set_walls(cast: Cast) -> None:
    raise_wall(new_id(), cast.sam, cast.rival_work, "Former employer", by=cast.actor(cast.pat))
    found = EventFilter(client_id=cast.rival.id)
    assert [line.kind for line in tell(found, seen_by=cast.actor(cast.pat))] == ["clients.wall.create"]
    assert tell(found, seen_by=cast.actor(cast.mel)) == []


def test_the_audit_page_filters_and_is_for_those_who_may(client: FlaskClient, cast: Cast) -> None:
    happen(cast, 1)
    sign_in(client, cast.sam)
    assert client.get("/audit").status_code == 403
    assert client.get("/audit.csv").status_code == 403
    sign_in(client, cast.pat)
    assert "archived Acme 0" in text_of(client.get("/audit"))
    for narrow in (f"actor={cast.mel.id}", "kind=billing.", "to=2001-01-01", "from=2999-01-01", f"subject={new_id()}"):
        assert "archived Acme 0" not in text_of(client.get(f"/audit?{narrow}")), narrow
    assert "archived Acme 0" in text_of(client.get(f"/audit?actor={cast.sam.id}&kind=clients.&subject={cast.acme.id}"))
    lines = text_of(client.get("/audit.csv?kind=clients.")).splitlines()
    assert len(lines) == 2 and "clients.client.archive" in lines[1]


@pytest.mark.parametrize("asked", ["before=x", "from=nonsense&to=9999-12-31", "actor=1", "before=99999999999999999999"])
def test_nonsense_in_the_address_is_not_an_error(client: FlaskClient, cast: Cast, asked: str) -> None:
    sign_in(client, cast.pat)
    assert client.get(f"/audit?{asked}").status_code == 200


@pytest.mark.parametrize("kind", ["exchange.", "exchange.firm.export"])
def test_the_few_events_of_a_rare_kind_are_found_without_reading_the_log(cast: Cast, kind: str) -> None:
    db.session.execute(sa.text(
        "INSERT INTO event (id, kind, subject_kind, subject_id, actor_kind, at, request_id, address, payload_hash) "
        "SELECT 900000000 + n, 'jobs.task.completed', 'task', gen_random_uuid(), 'system', now(), '', '', '\\x00' "
        "FROM generate_series(1, 5000) n"
    ))
    with transaction():
        record("exchange.firm.export", cast.firm, by=SYSTEM)
    asked = _select(EventFilter(kinds=[kind]), [], ACTOR_NAME).limit(51)
    words = str(asked.compile(dialect=db.engine.dialect, compile_kwargs={"literal_binds": True}))
    plan = "\n".join(db.session.scalars(sa.text("EXPLAIN " + words.replace(":", "\\:"))))
    assert "ix_event_kind" in plan and "pk_event on" not in plan, plan
    assert [line.kind for line in tell(EventFilter(kinds=[kind]), seen_by=SYSTEM)] == ["exchange.firm.export"]
    assert tell(EventFilter(kinds=[kind], without=["exchange."]), seen_by=SYSTEM) == []
