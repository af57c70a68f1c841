"""The manager's dashboard: grouped queries only, computed for whoever looks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.jobs.models import Job, JobStatus
from app.jobs.queries.board import Mark, mark_condition
from app.jobs.queries.load import due_by, hours_of
from app.ledger.models import Account
from app.ledger.queries import Aged, aged_total
from app.people.models import Person, PersonState
from app.requests.queries import count_requests
from app.timekeeping.models import TimeEntry

WEEK = dt.timedelta(days=7)


@dataclass(frozen=True)
class Standing:
    """How the firm's active jobs stand, and what it waits for."""

    on_track: int
    at_risk: int
    overdue: int
    waiting_jobs: int
    requests_out: int
    requests_late: int
    to_review: int

    @property
    def jobs(self) -> int:
        return self.on_track + self.at_risk + self.overdue


@dataclass(frozen=True)
class PersonWeek:
    """One person's week: recorded and charged against the hours that they work."""

    id: UUID
    name: str
    recorded: dt.timedelta
    charged: dt.timedelta
    capacity: dt.timedelta
    due: dt.timedelta = dt.timedelta()

    @property
    def share(self) -> int:
        return round(self.recorded / self.capacity * 100) if self.capacity else 0


def standing(*, seen_by: Actor) -> Standing:
    """Two grouped queries, each by the definition of the list that its figures open."""
    jobs = db.session.execute(
        sa.select(*(sa.func.count().filter(mark_condition(mark)) for mark in Mark)).select_from(Job).where(
            Job.status == JobStatus.ACTIVE, *within_sight(seen_by, Job.client_id, Job.engagement_id)
        )
    ).one()
    marks = dict(zip(Mark, jobs, strict=True))
    requests = count_requests(seen_by=seen_by)
    return Standing(
        marks[Mark.ON_TRACK], marks[Mark.AT_RISK], marks[Mark.OVERDUE], marks[Mark.WAITING],
        requests["waiting"], requests["overdue"], requests["submitted"],
    )


def this_week() -> tuple[dt.date, dt.date]:
    """Monday, and the Monday after."""
    monday = today() - dt.timedelta(days=today().weekday())
    return monday, monday + WEEK


def hours_of_week(
    *, seen_by: Actor, start: dt.date | None = None, due: Mapping[UUID | None, dt.timedelta] | None = None
) -> list[PersonWeek]:
    """Everyone's week, most loaded first; time on clients behind a wall counts, it has no name here. `due` as from
    `due_this_week`, where it is at hand."""
    monday = start or this_week()[0]
    people = db.session.execute(
        sa.select(Person.id, Person.name, Person.office_id)
        .where(Person.state == PersonState.ACTIVE, sa.literal(not seen_by.is_contact)).order_by(Person.sort_key)
    ).all()
    worked = {
        row.person_id: row for row in db.session.execute(
            sa.select(
                TimeEntry.person_id, sa.func.sum(TimeEntry.recorded).label("recorded"),
                sa.func.coalesce(sa.func.sum(TimeEntry.charged).filter(TimeEntry.billable), 0).label("charged"),
            ).where(
                TimeEntry.person_id.in_([person.id for person in people]), TimeEntry.worked_on >= monday,
                TimeEntry.worked_on < monday + WEEK, TimeEntry.deleted_at.is_(None),
                *within_sight(seen_by, TimeEntry.client_id, TimeEntry.engagement_id),
            ).group_by(TimeEntry.person_id)
        )
    }
    hours = hours_of([person.id for person in people], since=monday, promised_too=False)
    due = due_this_week(seen_by=seen_by) if due is None else due
    weeks = []
    for person in people:
        row = worked.get(person.id)
        weeks.append(PersonWeek(
            person.id, person.name, _seconds(row.recorded) if row else dt.timedelta(),
            _seconds(row.charged) if row else dt.timedelta(),
            hours.works(person.id, monday, monday + dt.timedelta(days=6)), due.get(person.id, dt.timedelta()),
        ))
    return weeks


def due_this_week(*, seen_by: Actor) -> dict[UUID | None, dt.timedelta]:
    """By person: what is left of the steps that are due by Sunday; under None of those that nobody has."""
    return due_by(this_week()[1] - dt.timedelta(days=1), seen_by=seen_by)


def unbilled(*, seen_by: Actor) -> list[Aged]:
    """Unbilled WIP by currency and age, from the kept balances."""
    return [aged for aged in aged_total(Account.WIP, today(), seen_by=seen_by) if any(aged.columns)]


def _seconds(value: object) -> dt.timedelta:
    return value if isinstance(value, dt.timedelta) else dt.timedelta(seconds=int(str(value)))
