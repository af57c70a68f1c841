"""The plan of each client of an application: the preview shows it and the run carries it out."""

from __future__ import annotations

from app.catalogue.models import Cadence
from app.catalogue.queries import get_blueprint
from app.planning.cadences import pattern_of
from app.planning.facts import ClientFacts, Staffing
from app.planning.models import Application, ApplicationClient
from app.planning.plans import JobPlan, Known, Wish, owner_of, plan_job, roles_of


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
        starts_on=row.starts_on or application.starts_on, due_on=row.due_on,
        owner_id=row.owner_id or owner_of(application.roles), roles=roles_of(application.roles),
        offset_days=int(application.period.get("offset_days", 0)),
    )
