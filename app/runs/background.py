"""The worker side of runs: a hint from the queue, or the sweeper after a crash."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog

import app.runs.sentences  # noqa: F401
from app.clients.access import actor_for
from app.core.actors import SYSTEM, Actor
from app.core.db import db
from app.core.queue import BULK, LONGEST, TookTooLong, background, told_of_ends
from app.people.models import Person
from app.runs.commands import note_work, work_run
from app.runs.queries import running_runs

log = structlog.get_logger()


def _actor(person_id: UUID | None) -> Actor:
    person = db.session.get(Person, person_id) if person_id else None
    return actor_for(person) if person else SYSTEM


@told_of_ends
def note_end(name: str, payload: dict[str, Any], error: BaseException | None) -> None:
    """Keep what failed, once however often it does, until it succeeds."""
    note_work(name, payload, f"{type(error).__name__}: {error}" if error else "", by=SYSTEM)


@background("runs.work", queue=BULK, seconds=LONGEST)
def work(run_id: str) -> None:
    """Safe in several workers at once: items are taken with SKIP LOCKED."""
    try:
        work_run(UUID(run_id), _actor)
    except TookTooLong:  # no fault of the run's: the sweep goes on with the item that was under way
        log.info("run.goes_on", run=run_id)


@background("runs.sweep", every=15, queue=BULK, seconds=LONGEST)
def sweep() -> None:
    """Take up what a killed worker left: its item's transaction was rolled back, so the item still waits."""
    for run_id in running_runs():
        work_run(run_id, _actor)
