"""Dates of the rooms above that follow a job's: each room says which there are, holds their rows, and writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from app.core.actors import Actor
from app.jobs.dates import Move, OtherDate
from app.jobs.models import Job

Finds = Callable[[Sequence[Job]], Mapping[UUID, Sequence[OtherDate]]]
Holds = Callable[[Sequence[UUID]], None]
Writes = Callable[[Sequence[Move], Actor], None]
_find: list[Finds] = []
_hold: list[Holds] = []
_write: list[Writes] = []


def finds_dates(function: Finds) -> Finds:
    """Register what tells the dates that follow each job's, by the job's id; it writes nothing."""
    _find.append(function)
    return function


def holds_dates(function: Holds) -> Holds:
    """Register what locks their rows, of jobs by id; they come before jobs in the order of locks."""
    _hold.append(function)
    return function


def writes_dates(function: Writes) -> Writes:
    """Register what moves those of its own among the dates given."""
    _write.append(function)
    return function


def others_of(jobs: Sequence[Job]) -> dict[UUID, list[OtherDate]]:
    """Of each job, those that follow it."""
    found: dict[UUID, list[OtherDate]] = {job.id: [] for job in jobs}
    for find in _find:
        for job_id, others in find(jobs).items():
            found[job_id].extend(others)
    return found


def hold_others(job_ids: Sequence[UUID]) -> None:
    """Before the jobs themselves are locked."""
    for hold in _hold:
        hold(job_ids)


def write_others(moves: Sequence[Move], *, by: Actor) -> None:
    """In the transaction of the change."""
    for write in _write:
        write(moves, by)
