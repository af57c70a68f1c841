"""Events tell what led to them: an event that was read, a run, a series, a sweep; and the chain holds it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.activity import commands
from app.activity.commands import link_hash, reads, record, run_reader, seal_events
from app.activity.models import Event
from app.activity.queries import verify_chain
from app.catalogue.models import Cadence
from app.core import clock, queue
from app.core.actors import SYSTEM
from app.core.causes import because_of, cause_now
from app.core.db import transaction
from app.core.ids import new_id
from app.planning.commands.applications import ApplicationValues, prepare_application, run_application
from app.planning.commands.occurrences import create_occurrences, due_occurrences
from app.runs.background import work
from tests.make import Cast, sign_in
from tests.planning.make_planning import make_series, make_service


def happen(cast: Cast, name: str) -> None:
    with transaction():
        record("clients.client.update", cast.acme, by=SYSTEM, name=name)


def causes(session: Session, kind: str) -> list[str | None]:
    return list(session.scalars(sa.select(Event.cause).where(Event.kind == kind).order_by(Event.id)))


@pytest.fixture
def reader() -> Iterator[str]:
    """One that answers each update of a client with another event."""

    @reads("tests.answer", "clients.client.update")
    def answer(event: Event, data: dict[str, Any]) -> None:
        record("clients.client.answered", _Row("client", event.subject_id), by=SYSTEM)

    yield "tests.answer"
    del commands._readers["tests.answer"]


class _Row:
    def __init__(self, table: str, row_id: Any) -> None:
        self.__tablename__, self.id = table, row_id


def test_what_somebody_simply_does_has_no_cause(cast: Cast, session: Session) -> None:
    happen(cast, "By hand")
    assert causes(session, "clients.client.update") == [""]


def test_what_a_reader_does_is_caused_by_the_event_that_it_read(cast: Cast, session: Session, reader: str) -> None:
    for name in ("One", "Two"):
        happen(cast, name)
    seal_events()
    while run_reader(reader):
        pass
    ids = session.scalars(sa.select(Event.id).where(Event.kind == "clients.client.update").order_by(Event.id)).all()
    assert causes(session, "clients.client.answered") == [f"event {each}" for each in ids]
    assert cause_now() == ""


def test_a_reader_that_fails_at_one_event_has_passed_those_before_it(cast: Cast, session: Session, reader: str) -> None:
    """Each is a piece of work of its own: what is locked for one is free before the next is read."""
    answer = commands._readers[reader][1]

    def at_the_second(event: Event, data: dict[str, Any]) -> None:
        if data["name"] == "Two":
            raise ValueError
        answer(event, data)

    commands._readers[reader] = (commands._readers[reader][0], at_the_second)
    for name in ("One", "Two"):
        happen(cast, name)
    seal_events()
    with pytest.raises(ValueError):
        while run_reader(reader):
            pass
    assert len(causes(session, "clients.client.answered")) == 1


def test_what_a_run_does_is_caused_by_the_run(cast: Cast, session: Session) -> None:
    mel, (_service, template) = cast.actor(cast.mel), make_service(request=False)
    chosen = ApplicationValues(Cadence.MONTH, dt.date(2026, 10, 15))
    run = run_application(prepare_application(new_id(), template, chosen, [cast.acme.id], by=mel), by=mel)
    work(str(run.id))
    assert causes(session, "jobs.job.created") == [f"run {run.id}"]
    assert causes(session, "runs.run.start") == [""]


def test_a_job_that_recurs_is_caused_by_its_series(client: FlaskClient, cast: Cast, session: Session) -> None:
    service, _template = make_service(request=False)
    series = make_series(cast.acme, service, clock.today())
    with clock.travel_to(clock.now() + dt.timedelta(days=40)):
        ids = [row.id for row in due_occurrences(5, by=SYSTEM)]
        assert create_occurrences(ids, by=SYSTEM)
    assert set(causes(session, "jobs.job.created")) == {f"series {series.id}"}
    assert "because it recurs" in sign_in(client, cast.mel).get(f"/timeline/client/{cast.acme.id}").text


def test_what_a_sweep_does_is_caused_by_the_sweep(
    cast: Cast, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = queue.sweeps()[0].name
    monkeypatch.setitem(queue._works, sweep, lambda: happen(cast, "Swept"))
    monkeypatch.setitem(queue._works, "tests.asked", lambda: happen(cast, "Asked for"))
    queue.perform(sweep, {})
    queue.perform("tests.asked", {})
    assert causes(session, "clients.client.update") == [f"sweep {sweep}", ""]


def test_the_nearer_cause_counts_and_an_error_leaves_none_behind() -> None:
    with because_of("sweep", "a"), because_of("run", 1):
        assert cause_now() == "run 1"
    with pytest.raises(ValueError, match="no"), because_of("run", 2):
        raise ValueError("no")
    assert cause_now() == ""


def test_an_event_from_before_there_were_causes_has_the_hash_it_had(cast: Cast, session: Session) -> None:
    """Written out, so that no change of the code changes the chain of any firm."""
    happen(cast, "One")
    event = session.scalars(sa.select(Event)).all()[-1]
    fields = [
        event.id, event.kind, event.subject_kind, event.subject_id, event.client_id, event.engagement_id, event.job_id,
        "system", None, event.at.astimezone(dt.UTC).isoformat(), event.request_id, event.address,
        event.payload_hash.hex(),
    ]

    def written(*parts: Any) -> bytes:
        text = json.dumps([*fields, *parts], default=str, separators=(",", ":"))
        return hashlib.sha256(b"before" + text.encode()).digest()

    session.expunge(event)
    assert link_hash(b"before", event) == written("")
    event.cause = None
    assert link_hash(b"before", event) == written()
    event.cause = "run 7"
    assert link_hash(b"before", event) == written("run 7")


def test_a_chain_of_both_formats_holds_and_a_changed_cause_is_found(
    cast: Cast, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(commands, "cause_now", lambda: None)
        happen(cast, "Before there were causes")
    with because_of("run", 1):
        happen(cast, "After")
    seal_events()
    assert causes(session, "clients.client.update") == [None, "run 1"]
    assert verify_chain().broken == ""
    from app.activity import queries

    def changed(previous: bytes, row: Any) -> bytes:
        return link_hash(previous, type("Changed", (), {**row._mapping, "cause": "run 2" if row.cause else None}))

    monkeypatch.setattr(queries, "link_hash", changed)
    assert "does not follow" in verify_chain().broken
