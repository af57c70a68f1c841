"""What planning must know of clients and people, read for many at once in a fixed number of statements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from app.catalogue.models import Service, WorkRole
from app.clients.changes import PERIOD_FIELDS
from app.clients.models import Client, Engagement, EngagementStatus, PayrollFrequency, Wall
from app.clients.places import region_code
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db
from app.firm.calendars import WorkingCalendar
from app.firm.models import Office
from app.jobs.calendars import calendars_of
from app.jobs.models import Job
from app.jobs.roles import resolve_role
from app.people.models import Person, PersonState

JUST_OPENED = dt.timedelta(days=14)


@dataclass(frozen=True)
class Team:
    """Partner and manager of a client or an engagement."""

    partner_id: UUID | None = None
    manager_id: UUID | None = None


@dataclass(frozen=True)
class ClientFacts:
    """A client as a plan needs it.

    The job goes to `engagement_id`; without one, to a new engagement named `engagement_name`, or as the plan names it.
    `opens`: a new one whatever the client has. `lost`: the one that was chosen for it is open no more.
    """

    id: UUID
    name: str
    year_end_month: int | None
    year_end_day: int | None
    vat_stagger: int | None
    payroll_frequency: PayrollFrequency | None
    first_pay_day: dt.date | None
    team: Team
    calendar: WorkingCalendar
    engagement_id: UUID | None = None
    engagement: Team = field(default_factory=Team)
    engagement_name: str = ""
    opens: bool = False
    lost: bool = False
    region: str = ""
    zone: str = "UTC"
    office_zone: str = "UTC"


@dataclass(frozen=True)
class Staffing:
    """Who works here now, and who is kept away from whom: nothing is ever assigned across a wall."""

    active: frozenset[UUID]
    walls: frozenset[tuple[UUID, UUID]]

    def may_do(self, person_id: UUID | None, client: ClientFacts) -> bool:
        if person_id is None or person_id not in self.active:
            return False
        return not self.walls & {(person_id, client.id), (person_id, client.engagement_id or client.id)}

    def holder(self, role: WorkRole, roles: dict[WorkRole, UUID], client: ClientFacts) -> UUID | None:
        """Job team, client team, person in charge; whoever is gone or walled off is passed over."""
        able = {key: person for key, person in roles.items() if self.may_do(person, client)}
        found = resolve_role(role, able, cast(Any, client.engagement), cast(Any, client.team))
        return found if self.may_do(found, client) else None

    def owner(self, chosen: UUID | None, client: ClientFacts) -> UUID | None:
        """Who answers for the job: the one chosen, else the manager, else the partner."""
        candidates = (
            chosen, client.engagement.manager_id, client.team.manager_id, client.engagement.partner_id,
            client.team.partner_id,
        )
        return next((person for person in candidates if self.may_do(person, client)), None)


def staffing() -> Staffing:
    people = db.session.scalars(sa.select(Person.id).where(Person.state == PersonState.ACTIVE)).all()
    walls = db.session.execute(sa.select(Wall.person_id, sa.func.coalesce(Wall.client_id, Wall.engagement_id))).all()
    return Staffing(frozenset(people), frozenset(walls))


def _fitting(client_ids: Collection[UUID], service_id: UUID, own: bool, seen_by: Actor) -> sa.Subquery:
    """By client the open engagement that a job of the service goes to by itself: the first that is for the service.

    Where each job has its own, the newest without a job that is for the service, or was opened lately in its practice
    area.
    """
    wanted: list[Any] = [
        Engagement.client_id.in_(client_ids), Engagement.status == EngagementStatus.OPEN,
        *within_sight(seen_by, Engagement.client_id, Engagement.id),
    ]
    first: list[Any] = [Engagement.client_id, Engagement.id]
    if own:
        area = sa.select(Service.practice_area).where(Service.id == service_id).scalar_subquery()
        just_opened = sa.and_(
            Engagement.service_id.is_(None), Engagement.created_at >= now() - JUST_OPENED,
            sa.func.lower(Engagement.practice_area) == sa.func.lower(area), Engagement.practice_area != "",
        )
        wanted += [
            sa.or_(Engagement.service_id == service_id, just_opened),
            ~sa.exists().where(Job.engagement_id == Engagement.id),
        ]
        first[1:] = [Engagement.service_id.is_(None), Engagement.created_at.desc(), Engagement.id]
    else:
        wanted.append(Engagement.service_id == service_id)
    return (
        sa.select(
            Engagement.client_id, Engagement.id, Engagement.name, Engagement.partner_id, Engagement.manager_id
        ).where(*wanted).ext(distinct_on(Engagement.client_id)).order_by(*first).subquery()
    )


def client_facts(
    client_ids: Collection[UUID], service_id: UUID, *, seen_by: Actor, own: bool = False
) -> dict[UUID, ClientFacts]:
    """By id, with the engagement that a job of the service goes to by itself, of those that one may see.

    Whom one may not see is not in it. `own`: each job has an engagement of its own.
    """
    held = _fitting(client_ids, service_id, own, seen_by)
    rows = db.session.execute(
        sa.select(
            Client.id, Client.name, *(getattr(Client, name) for name in PERIOD_FIELDS), Client.partner_id,
            Client.manager_id, Client.country, Client.region, Client.zone,
            Office.zone.label("office_zone"), held.c.id.label("engagement_id"),
            held.c.name.label("e_name"), held.c.partner_id.label("e_partner"), held.c.manager_id.label("e_manager"),
        )
        .join(Office, Office.id == Client.office_id).outerjoin(held, held.c.client_id == Client.id)
        .where(Client.id.in_(client_ids), *within_sight(seen_by, Client.id))
    ).all()
    calendars = calendars_of([row.id for row in rows]) if rows else {}
    return {
        row.id: ClientFacts(
            row.id, row.name, row.year_end_month, row.year_end_day, row.vat_stagger, row.payroll_frequency,
            row.first_pay_day,
            Team(row.partner_id, row.manager_id), calendars[row.id], row.engagement_id,
            Team(row.e_partner, row.e_manager), row.e_name or "", own and row.engagement_id is None, False,
            region_code(row.country, row.region), row.zone or row.office_zone, row.office_zone,
        )
        for row in rows
    }


def open_engagements(ids: Collection[UUID], *, seen_by: Actor) -> dict[UUID, Engagement]:
    """Those of the ids that are open and that one may see."""
    rows = db.session.scalars(
        sa.select(Engagement).where(
            Engagement.id.in_(ids), Engagement.status == EngagementStatus.OPEN,
            *within_sight(seen_by, Engagement.client_id, Engagement.id),
        )
    ).all() if ids else []
    return {row.id: row for row in rows}
