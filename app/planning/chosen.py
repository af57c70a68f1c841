"""The plan of each client of an application: the preview shows it and the run carries it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from app.catalogue.models import Cadence
from app.catalogue.queries import get_blueprint
from app.core.actors import Actor
from app.planning.cadences import pattern_of
from app.planning.facts import ClientFacts, Staffing, Team, client_facts, open_engagements
from app.planning.models import Application, ApplicationClient
from app.planning.plans import JobPlan, Known, Wish, owner_of, plan_job, roles_of


def facts_of(
    application: Application, rows: Sequence[ApplicationClient], *, seen_by: Actor
) -> dict[UUID, ClientFacts]:
    """The clients of these rows, each with the engagement that its job goes to: the one chosen, else the one that fits.
    """
    facts = client_facts(
        [row.client_id for row in rows], application.service_id, seen_by=seen_by, own=application.own_engagement
    )
    chosen = open_engagements({row.engagement_id for row in rows if row.engagement_id}, seen_by=seen_by)
    for row in rows:
        client = facts.get(row.client_id)
        if client is None or not (row.engagement_id or row.new_engagement):
            continue
        found = chosen.get(row.engagement_id) if row.engagement_id else None
        facts[row.client_id] = replace(
            client, engagement_id=found.id if found else None,
            engagement=Team(found.partner_id, found.manager_id) if found else Team(),
            engagement_name=found.name if found else row.new_engagement, opens=found is None,
            lost=found is None and row.engagement_id is not None,
        )
    return facts


def plan_for(
    application: Application, row: ApplicationClient, client: ClientFacts, service_name: str, staff: Staffing,
    *, origin: str = "", known: Known | None = None,
) -> JobPlan:
    return plan_job(
        client, get_blueprint(application.template_id), service_name, wish_of(application, row, client), staff,
        origin=origin or f"apply:{application.id}:{client.id}", known=known,
    )


def wish_of(application: Application, row: ApplicationClient, client: ClientFacts) -> Wish:
    return Wish(
        pattern_of(Cadence(application.period["cadence"]), client), application.period_on,
        starts_on=row.starts_on or application.starts_on, due_on=row.due_on, due_because=row.due_because,
        owner_id=row.owner_id or owner_of(application.roles), roles=roles_of(application.roles),
        offset_days=int(application.period.get("offset_days", 0)),
    )
