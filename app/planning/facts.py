"""What planning must know of clients and people, read for many at once in a fixed number of statements."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from app.catalogue.models import WorkRole
from app.clients.models import Client, Engagement, EngagementStatus, Wall
from app.clients.places import region_code
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import db
from app.firm.calendars import WorkingCalendar
from app.firm.models import Office
from app.jobs.calendars import calendars_of
from app.jobs.roles import resolve_role
from app.people.models import Person, PersonState


@dataclass(frozen=True)
class Team:
    """Partner and manager of a client or an engagement."""

    partner_id: UUID | None = None
    manager_id: UUID | None = None


@dataclass(frozen=True)
class ClientFacts:
    """A client as a plan needs it; `engagement` is the open one for the service, if there is one yet."""

    id: UUID
    name: str
    year_end_month: int | None
    year_end_day: int | None
    vat_stagger: int | None
    team: Team
    calendar: WorkingCalendar
    engagement_id: UUID | None = None
    engagement: Team = field(default_factory=Team)
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


def client_facts(
    client_ids: Collection[UUID], service_id: UUID, *, seen_by: Actor
) -> dict[UUID, ClientFacts]:
    """By id; whom one may not see, or whose open engagement for the service one may not see, is not in it."""
    held = (
        sa.select(Engagement.client_id, Engagement.id, Engagement.partner_id, Engagement.manager_id)
        .where(
            Engagement.service_id == service_id, Engagement.client_id.in_(client_ids),
            Engagement.status == EngagementStatus.OPEN, *within_sight(seen_by, Engagement.client_id, Engagement.id),
        )
        .ext(distinct_on(Engagement.client_id)).order_by(Engagement.client_id, Engagement.id).subquery()
    )
    rows = db.session.execute(
        sa.select(
            Client.id, Client.name, Client.year_end_month, Client.year_end_day, Client.vat_stagger, Client.partner_id,
            Client.manager_id, Client.country, Client.region, Client.zone,
            Office.zone.label("office_zone"), held.c.id.label("engagement_id"),
            held.c.partner_id.label("e_partner"),
            held.c.manager_id.label("e_manager"),
        )
        .join(Office, Office.id == Client.office_id).outerjoin(held, held.c.client_id == Client.id)
        .where(Client.id.in_(client_ids), *within_sight(seen_by, Client.id))
    ).all()
    calendars = calendars_of([row.id for row in rows]) if rows else {}
    return {
        row.id: ClientFacts(
            row.id, row.name, row.year_end_month, row.year_end_day, row.vat_stagger,
            Team(row.partner_id, row.manager_id), calendars[row.id], row.engagement_id,
            Team(row.e_partner, row.e_manager), region_code(row.country, row.region), row.zone or row.office_zone,
            row.office_zone,
        )
        for row in rows
    }
