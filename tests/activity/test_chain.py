"""The event log proves itself: what was changed behind its back is found."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from app.activity.commands import canonical, record, seal_events
from app.activity.queries import verify_chain
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.proofs import run_proofs
from app.exchange.verify_cli import run
from tests.make import Cast


def happen(cast: Cast, times: int = 3) -> None:
    for n in range(times):
        with transaction():
            record("clients.client.update", cast.acme, by=SYSTEM, name="Acme", changes={"n": [n, n + 1]}, rate=1.5)


def test_an_untouched_chain_holds_and_tells_what_is_not_sealed_yet(cast: Cast) -> None:
    happen(cast)
    seal_events()
    happen(cast, 2)
    report = verify_chain(batch=2)
    assert (report.checked, report.unsealed, report.broken) == (3, 2, "")


def test_a_broken_link_is_named(cast: Cast, monkeypatch: Any) -> None:
    happen(cast)
    seal_events()
    from app.activity import queries

    real = queries.link_hash
    seen = iter(range(100))
    monkeypatch.setattr(queries, "link_hash", lambda previous, row: b"x" if next(seen) == 1 else real(previous, row))
    report = verify_chain()
    assert report.checked == 1 and report.broken.startswith("link 2 ")


def test_a_changed_payload_is_found(cast: Cast, monkeypatch: Any) -> None:
    happen(cast)
    seal_events()
    from app.activity import queries

    monkeypatch.setattr(queries, "canonical", lambda data: canonical({**data, "name": "Rival"}))
    assert "payload that was changed" in verify_chain().broken


def test_the_app_cannot_change_an_event(cast: Cast) -> None:
    happen(cast)
    for statement in ("UPDATE event SET kind = 'x'", "DELETE FROM event", "DELETE FROM event_payload",
                      "UPDATE event_seal SET hash = ''"):
        try:
            with transaction() as session:
                session.execute(sa.text(statement))
        except sa.exc.DBAPIError:
            continue
        raise AssertionError(f"{statement} went through")


def test_a_null_character_and_its_spelling_are_both_recorded(cast: Cast) -> None:
    with transaction():
        record("clients.client.update", cast.acme, by=SYSTEM, name="a\x00b", notes="\\u0000 as typed")
    seal_events()
    data = db.session.scalar(sa.text("SELECT data FROM event_payload ORDER BY event_id DESC LIMIT 1"))
    assert data == {"name": "ab", "notes": "\\u0000 as typed"}
    assert verify_chain().broken == ""


def test_verify_prints_what_it_proved(cast: Cast) -> None:
    happen(cast)
    seal_events()
    said: list[str] = []
    code = run(as_json=True, say=said.append)
    report = json.loads(said[0])
    names = [proof["name"] for proof in report["proofs"]]
    assert "events.chain" in names and names == sorted(names) == [name for name, _ in run_proofs()]
    assert code == (0 if report["ok"] else 1)
    chain = next(proof for proof in report["proofs"] if proof["name"] == "events.chain")
    assert chain["findings"] == []
