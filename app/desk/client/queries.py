"""What stands open for a client, for the head of their page: one query, whatever the client has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import ClientContact, Contact
from app.clients.policy import sees_everything, within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db, rows_in_one
from app.jobs.models import OPEN_JOBS, Job, JobStatus
from app.jobs.queries.board import Mark, mark_condition
from app.jobs.queries.lateness import late_words
from app.ledger.models import Account, ClientBalance
from app.ledger.queries import balances_of
from app.requests.models import ClientRequest
from app.requests.queries import waiting_conditions


@dataclass(frozen=True)
class OpenJob:
    """An open job, as the list of those due first tells it."""

    id: UUID
    title: str
    number: str
    due_on: dt.date | None
    deadline_on: dt.date | None
    deadline_name: str
    tasks_done: int
    tasks_total: int
    at_risk_because: str

    @property
    def must_by(self) -> dt.date | None:
        """As `Job.must_by`."""
        return min((each for each in (self.due_on, self.deadline_on) if each), default=None)

    @property
    def why_late(self) -> str:
        return late_words(self.due_on, self.deadline_on, self.deadline_name)


@dataclass(frozen=True)
class FirstContact:
    id: UUID
    name: str
    role: str


@dataclass(frozen=True)
class Overview:
    """What stands open for a client. Amounts are by currency, the client's own first and always there."""

    open_jobs: int
    late_jobs: int
    next_due: dt.date | None
    waiting_requests: int
    wip: Mapping[str, Decimal]
    receivable: Mapping[str, Decimal]
    jobs: Sequence[OpenJob]
    contacts: Sequence[FirstContact]


_CLIENT = sa.bindparam("client", type_=sa.Uuid())
MOST_JOBS, MOST_CONTACTS = 8, 5


def overview_of(client_id: UUID, currency: str, *, seen_by: Actor) -> Overview:
    """Counts, sums and the first rows of what `seen_by` may see of a client."""
    row = db.session.execute(_asked(seen_by, today()), {"client": client_id}).one()
    jobs, contacts = [_job(found) for found in row[6]], [_contact(found) for found in row[7]]
    wip, receivable = (_by_currency(found, currency) for found in row[4:6])
    return Overview(row[0], row[1], row[2], row[3], wip, receivable, jobs, contacts)


def _by_currency(found: list[dict[str, Any]], own: str) -> dict[str, Decimal]:
    amounts = {each["currency"]: Decimal(each["amount"]) for each in found}
    others = {code: amount for code, amount in sorted(amounts.items()) if code != own and amount}
    return {own: amounts.get(own, Decimal(0)), **others}


def _job(found: dict[str, Any]) -> OpenJob:
    days = {name: dt.date.fromisoformat(found[name]) if found[name] else None for name in ("due_on", "deadline_on")}
    return OpenJob(**{**found, "id": UUID(found["id"]), **days})


def _contact(found: dict[str, Any]) -> FirstContact:
    return FirstContact(**{**found, "id": UUID(found["id"])})


@lru_cache(maxsize=256)
def _asked(seen_by: Actor, _on: dt.date) -> sa.Select[*tuple[Any, ...]]:
    """One statement a day for each pair of eyes: making it costs more than asking it.

    Each count goes by the definition of the list that it opens: a client's open jobs, the board's mark, the requests.
    """
    jobs = [
        Job.client_id == _CLIENT, Job.status.in_(OPEN_JOBS), *within_sight(seen_by, Job.client_id, Job.engagement_id)
    ]
    late = sa.and_(Job.status == JobStatus.ACTIVE, mark_condition(Mark.OVERDUE))
    counted = sa.select(
        sa.func.count().label("open"), sa.func.count().filter(late).label("late"),
        sa.func.min(Job.must_by).label("next"),
    ).where(*jobs).subquery()
    waiting = sa.select(sa.func.count()).select_from(ClientRequest).where(
        ClientRequest.client_id == _CLIENT, *waiting_conditions(),
        *within_sight(seen_by, ClientRequest.client_id, ClientRequest.engagement_id),
    ).scalar_subquery()
    return sa.select(
        counted.c.open, counted.c.late, counted.c.next, waiting, _sums(Account.WIP, seen_by),
        _sums(Account.RECEIVABLE, seen_by), rows_in_one(_open_jobs(jobs)), rows_in_one(_first_contacts(seen_by)),
    )


def _sums(account: Account, seen_by: Actor) -> sa.ScalarSelect[list[dict[str, Any]]]:
    """The kept sums of the client, as text; of the single balances for whoever stands behind a wall."""
    if sees_everything(seen_by):
        kept: Any = sa.select(ClientBalance).where(ClientBalance.account == account).subquery().c
    else:
        kept = balances_of(account, seen_by).c
    return rows_in_one(
        sa.select(kept.currency.label("currency"), sa.cast(sa.func.sum(kept.amount), sa.Text).label("amount"))
        .where(kept.client_id == _CLIENT).group_by(kept.currency)
    )


def _open_jobs(conditions: Sequence[sa.ColumnElement[bool]]) -> sa.Select[*tuple[Any, ...]]:
    """The open jobs that are due first."""
    return sa.select(
        Job.id, Job.title, Job.number, Job.due_on, Job.deadline_on, Job.deadline_name, Job.tasks_done, Job.tasks_total,
        Job.at_risk_because,
    ).where(*conditions).order_by(Job.must_by, Job.id).limit(MOST_JOBS)


def _first_contacts(seen_by: Actor) -> sa.Select[*tuple[Any, ...]]:
    """The primary contact and the next few."""
    return (
        sa.select(Contact.id, Contact.name, ClientContact.role)
        .join(ClientContact, ClientContact.contact_id == Contact.id)
        .where(ClientContact.client_id == _CLIENT, Contact.archived_at.is_(None),
               *within_sight(seen_by, ClientContact.client_id))
        .order_by(ClientContact.is_primary.desc(), Contact.sort_key).limit(MOST_CONTACTS)
    )
