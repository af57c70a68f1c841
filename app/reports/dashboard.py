"""The manager's dashboard: grouped queries only, computed for whoever looks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.jobs.models import Job, JobStatus
from app.jobs.queries.board import Mark, mark_condition
from app.jobs.queries.load import Load, hours_of, load_of
from app.ledger.models import Account
from app.ledger.queries import Aged, aged_total
from app.people.models import Person, PersonState
from app.requests.queries import count_requests
from app.timekeeping.totals import EntryFilter, recorded_by

SIX_DAYS = dt.timedelta(days=6)


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
    """One person's week: recorded and charged against the hours that they work, and what is left for them to do."""

    id: UUID
    name: str
    recorded: dt.timedelta
    charged: dt.timedelta
    capacity: dt.timedelta
    load: Load = field(default_factory=lambda: Load(None, None))

    @property
    def share(self) -> int:
        return round(self.recorded / self.capacity * 100) if self.capacity else 0


@dataclass(frozen=True)
class Weeks:
    """Everybody's week, and what is left that nobody has, by work role."""

    people: Sequence[PersonWeek]
    nobody: Sequence[Load]

    def total(self, name: str) -> dt.timedelta:
        """The sum of a column of people's weeks."""
        return sum((getattr(each, name) for each in self.people), dt.timedelta())

    @property
    def all(self) -> Load:
        """What is left on everybody and on nobody."""
        loads, nothing = [*(each.load for each in self.people), *self.nobody], dt.timedelta()
        week, later, undated = (
            sum((getattr(load, when) for load in loads), nothing) for when in ("week", "later", "undated")
        )
        return Load(None, None, week, later, undated, sum(load.guessed for load in loads))


@dataclass(frozen=True)
class PersonDays:
    """The hours that one person works on each day of a week; `why` says of a day why they are less than usual."""

    id: UUID
    name: str
    days: Sequence[tuple[dt.date, dt.timedelta, str]]

    @property
    def total(self) -> dt.timedelta:
        return sum((hours for _day, hours, _why in self.days), dt.timedelta())


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
    """Monday and Sunday."""
    monday = today() - dt.timedelta(days=today().weekday())
    return monday, monday + SIX_DAYS


def hours_of_week(*, seen_by: Actor, start: dt.date | None = None) -> Weeks:
    """Everyone's week and load, as far as the viewer sees clients; hours worked know of no walls. Whoever has left and
    has time in it or work yet to do is among them."""
    monday = start or this_week()[0]
    worked = recorded_by(EntryFilter(first=monday, last=monday + SIX_DAYS), seen_by=seen_by)
    load = load_of(seen_by=seen_by)
    loads = {each.person_id: each for each in load if each.person_id}
    people = _people({*worked, *loads}, seen_by)
    hours = hours_of(_here(people), since=monday, promised_too=False)
    nothing = dt.timedelta()
    return Weeks([
        PersonWeek(
            person.id, person.name, *worked.get(person.id, (nothing, nothing)),
            hours.works(person.id, monday, monday + SIX_DAYS), loads.get(person.id, Load(person.id, None)),
        )
        for person in people
    ], [each for each in load if each.person_id is None])


def days_of_week(*, seen_by: Actor, start: dt.date, person_id: UUID | None = None) -> list[PersonDays]:
    """The hours behind a figure of capacity: of everybody who is in that week's figures, or of one of them."""
    worked = recorded_by(EntryFilter(first=start, last=start + SIX_DAYS), seen_by=seen_by)
    loads = {each.person_id for each in load_of(seen_by=seen_by) if each.person_id}
    people = [each for each in _people({*worked, *loads}, seen_by) if person_id in (None, each.id)]
    hours = hours_of(_here(people), since=start, promised_too=False)
    days = [start + dt.timedelta(days=number) for number in range(7)]
    return [
        PersonDays(person.id, person.name, [
            (day, hours.worked(person.id, day), hours.why_less(person.id, day)) for day in days
        ])
        for person in people
    ]


def _here(people: Sequence[Any]) -> list[UUID]:
    """Of these, who still works: whoever has left has no hours any more."""
    return [person.id for person in people if person.state is PersonState.ACTIVE]


def _people(also: set[UUID], seen_by: Actor) -> Sequence[Any]:
    """Who works here, and who has left and is named by the figures."""
    named = sa.or_(Person.state == PersonState.ACTIVE, Person.id.in_(also))
    return db.session.execute(
        sa.select(Person.id, Person.name, Person.state).where(named, sa.literal(not seen_by.is_contact))
        .order_by(Person.sort_key)
    ).all()


def unbilled(*, seen_by: Actor) -> list[Aged]:
    """Unbilled WIP by currency and age, from the kept balances."""
    return [aged for aged in aged_total(Account.WIP, today(), seen_by=seen_by) if any(aged.ages)]
