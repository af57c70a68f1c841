"""The figures at the head of the client page: one query, whatever the client has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import ClientContact, Contact
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.jobs.models import Job, JobStatus
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
    row = db.session.execute(
        sa.select(found.c.open, found.c.late, found.c.next, waiting, _sum(client_id, currency, Account.WIP, seen_by),
                  _sum(client_id, currency, Account.RECEIVABLE, seen_by))
    ).one()
    return Overview(*row)


def _sum(client_id: UUID, currency: str, account: Account, seen_by: Actor) -> sa.ScalarSelect[Decimal]:
    return sa.select(sa.func.coalesce(sa.func.sum(Balance.amount), 0)).where(
        Balance.client_id == client_id, Balance.account == account, Balance.currency == currency,
        *within_sight(seen_by, Balance.client_id, Balance.engagement_id),
    ).scalar_subquery()


def open_jobs_of(client_id: UUID, *, seen_by: Actor, limit: int = 8) -> Sequence[Any]:
    """The open jobs that are due first."""
    return db.session.execute(
        sa.select(
            Job.id, Job.title, Job.number, Job.due_on, Job.tasks_done, Job.tasks_total, Job.at_risk_because
        ).where(
            Job.client_id == client_id, Job.status == JobStatus.ACTIVE,
            *within_sight(seen_by, Job.client_id, Job.engagement_id),
        ).order_by(Job.due_on, Job.id).limit(limit)
    ).all()


def first_contacts_of(client_id: UUID, *, seen_by: Actor, limit: int = 5) -> Sequence[Any]:
    """The primary contact and the next few: id, name, role."""
    return db.session.execute(
        sa.select(Contact.id, Contact.name, ClientContact.role)
        .join(ClientContact, ClientContact.contact_id == Contact.id)
        .where(ClientContact.client_id == client_id, Contact.archived_at.is_(None),
               *within_sight(seen_by, ClientContact.client_id))
        .order_by(ClientContact.is_primary.desc(), Contact.sort_key).limit(limit)
    ).all()
