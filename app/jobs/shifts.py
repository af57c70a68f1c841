"""What one change moves in many jobs at once: each job with its dates old → new, by the one computation of dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Client
from app.core.actors import Actor
from app.core.db import db
from app.core.once import digest_of
from app.jobs.dates import Cause, JobDates, Move, difference
from app.jobs.models import OPEN_JOBS, Job
from app.jobs.overruns import Overrun, overrun_of
from app.jobs.policy import jobs_seen_by
from app.jobs.queries.dates import dates_of_jobs

CHUNK = 500


@dataclass(frozen=True)
class Shift:
    """One job and what of it moves; dates that were set by hand are among `moves` and stay.

    With an `overrun` it is not moved with the others: that needs a reason of its own, on the job's page of dates.
    """

    job_id: UUID
    title: str
    client_id: UUID
    client: str
    moves: tuple[Move, ...]
    overrun: Overrun | None = None

    @property
    def url(self) -> str:
        return f"/jobs/{self.job_id}"

    @property
    def moving(self) -> list[Move]:
        return [move for move in self.moves if not move.is_locked]

    @property
    def shown(self) -> list[str]:
        """What somebody has looked at, to be held against what is found when it is done."""
        return [told(move) for move in self.moving]


def told(move: Move) -> str:
    return f"{move.part} {move.id} {move.after}"


def shifts_of(which: Sequence[sa.ColumnElement[bool]], cause: Cause, *, seen_by: Actor) -> list[Shift]:
    """Of the open jobs that these conditions choose and that one may see, by what is due first; also those of which
    nothing moves."""
    jobs = db.session.scalars(
        jobs_seen_by(seen_by).where(Job.status.in_(OPEN_JOBS), *which).order_by(Job.must_by, Job.id)
    ).all()
    names: dict[UUID, str] = dict(db.session.execute(
        sa.select(Client.id, Client.name).where(Client.id.in_({job.client_id for job in jobs}))
    ).all())
    found = []
    for start in range(0, len(jobs), CHUNK):
        piece = jobs[start : start + CHUNK]
        dates = dates_of_jobs(piece)
        found += [_shift(job, names[job.client_id], dates[job.id], cause.change(dates[job.id])) for job in piece]
    return found


def _shift(job: Job, client: str, before: JobDates, after: JobDates) -> Shift:
    moves = tuple(difference(before, after))
    return Shift(job.id, job.title, job.client_id, client, moves, overrun_of(before, after, moves))


def digest_of_shifts(shifts: Sequence[Shift]) -> str:
    """What somebody was shown, of any number of jobs, short enough to travel in a form."""
    return str(digest_of([[str(each.job_id), each.shown] for each in shifts]))
