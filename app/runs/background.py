"""The worker side of runs: a hint from the queue, or the sweeper after a crash."""

from __future__ import annotations

from uuid import UUID

import app.runs.sentences  # noqa: F401
from app.clients.access import actor_for
from app.core.actors import SYSTEM, Actor
from app.core.db import db
from app.core.queue import BULK, background
from app.people.models import Person
from app.runs.commands import work_run
from app.runs.queries import running_runs


def _actor(person_id: UUID | None) -> Actor:
    person = db.session.get(Person, person_id) if person_id else None
    return actor_for(person) if person else SYSTEM


@background("runs.work", queue=BULK)
def work(run_id: str) -> None:
    """Safe in several workers at once: items are taken with SKIP LOCKED."""
    work_run(UUID(run_id), _actor)


@background("runs.sweep", every=15, queue=BULK)
def sweep() -> None:
    """Take up what a killed worker left: its item's transaction was rolled back, so the item still waits."""
    for run_id in running_runs():
        work_run(run_id, _actor)
