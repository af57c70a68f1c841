"""The figures at the head of the client page: one query, whatever the client has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.jobs.models import Job, JobStatus, Task, TaskState
from app.ledger.models import Account, Balance
from app.requests.models import ANSWERABLE, ClientRequest


@dataclass(frozen=True)
class Overview:
    """What stands open for a client. Amounts are in the client's own currency."""

    open_jobs: int
    late_jobs: int
    next_due: dt.date | None
    waiting_requests: int
    wip: Decimal
    receivable: Decimal
    overdue_tasks: int


def overview_of(client_id: UUID, currency: str, *, seen_by: Actor) -> Overview:
    """Counts and sums of what `seen_by` may see of a client."""
    sight = within_sight(seen_by, Job.client_id, Job.engagement_id)
    jobs = [Job.client_id == client_id, Job.status == JobStatus.ACTIVE, *sight]
    late = sa.func.count().filter(Job.due_on < today())
    next_due = sa.func.min(Job.due_on).label("next")
    found = sa.select(sa.func.count().label("open"), late.label("late"), next_due).where(*jobs).subquery()
    waiting = sa.select(sa.func.count()).select_from(ClientRequest).where(
        ClientRequest.client_id == client_id, ClientRequest.state.in_(ANSWERABLE),
        *within_sight(seen_by, ClientRequest.client_id, ClientRequest.engagement_id),
    ).scalar_subquery()
    overdue = sa.select(sa.func.count()).select_from(Task).join(Job, Job.id == Task.job_id).where(
        *jobs, Task.due_on < today(), Task.state.not_in([TaskState.DONE, TaskState.CANCELLED])
    ).scalar_subquery()
    row = db.session.execute(
        sa.select(found.c.open, found.c.late, found.c.next, waiting, _sum(client_id, currency, Account.WIP, seen_by),
                  _sum(client_id, currency, Account.RECEIVABLE, seen_by), overdue)
    ).one()
    return Overview(row[0], row[1], row[2], row[3], row[4], row[5], row[6])


def _sum(client_id: UUID, currency: str, account: Account, seen_by: Actor) -> sa.ScalarSelect[Decimal]:
    return sa.select(sa.func.coalesce(sa.func.sum(Balance.amount), 0)).where(
        Balance.client_id == client_id, Balance.account == account, Balance.currency == currency,
        *within_sight(seen_by, Balance.client_id, Balance.engagement_id),
    ).scalar_subquery()


def open_jobs_of(client_id: UUID, *, seen_by: Actor, limit: int = 8) -> Sequence[Job]:
    """The open jobs that are due first."""
    return db.session.scalars(
        sa.select(Job).where(
            Job.client_id == client_id, Job.status == JobStatus.ACTIVE,
            *within_sight(seen_by, Job.client_id, Job.engagement_id),
        ).order_by(Job.due_on, Job.id).limit(limit)
    ).all()
