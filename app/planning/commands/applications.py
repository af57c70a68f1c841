"""Applying a service to many clients: choose, change single ones, run. The run has the application's own id."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.models import Cadence, JobTemplate, Service, TemplateState
from app.catalogue.queries import get_blueprint
from app.clients.models import Client
from app.clients.names import clean_name
from app.clients.policy import is_served, within_sight
from app.core.actors import Actor
from app.core.bulk import insert_rows
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.locking import to_lock
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.jobs.models import Job, JobStatus
from app.jobs.overruns import Overrun, check_reason
from app.people.models import Person
from app.planning.cadences import pattern_of
from app.planning.chosen import wish_of
from app.planning.facts import client_facts, open_engagements
from app.planning.models import Application, ApplicationClient, ByHand
from app.planning.past_deadlines import overrun_of_wish
from app.planning.periods import check_day
from app.planning.plans import OWNER
from app.planning.policy import can_apply
from app.runs.commands import start_run
from app.runs.models import Run

KIND = "planning.apply"
MOST_CLIENTS = 20_000


@dataclass(frozen=True)
class ApplicationValues:
    """What holds for all clients. `repeat` begins a series for each; `starts_on` None: the day after the period.

    The job of the client whose `engagement_id` it is goes there.
    """

    cadence: Cadence
    period_on: dt.date
    starts_on: dt.date | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    repeat: bool = False
    ahead_days: int = 14
    offset_days: int = 0
    send_requests: bool = True
    own_engagement: bool = False
    engagement_id: UUID | None = None


def prepare_application(
    application_id: UUID, template: JobTemplate, values: ApplicationValues, client_ids: Collection[UUID], *, by: Actor
) -> Application:
    """Write down what is to be applied to whom; nothing is made yet. The same id again changes nothing.

    A client that has a job of this service and period already is put in as passed over.
    """
    authorize(by, can_apply)
    with transaction() as session:
        said = digest_of(template.id, values, frozenset(client_ids))
        existing = made_before(Application, application_id, said)
        if existing is not None:
            return existing
        _check(template, values, client_ids)
        application = Application(
            id=application_id, service_id=template.service_id, template_id=template.id,
            period={"cadence": values.cadence.value, "offset_days": values.offset_days}, period_on=values.period_on,
            starts_on=values.starts_on, roles=dict(values.roles),
            repeat={"ahead_days": values.ahead_days} if values.repeat else {}, send_requests=values.send_requests,
            own_engagement=values.own_engagement,
            started_by=by.person_id, made_from=said,
        )
        session.add(application)
        session.flush()
        _add_clients(application, client_ids, by=by)
        session.execute(
            sa.update(ApplicationClient).where(
                ApplicationClient.application_id == application.id,
                ApplicationClient.client_id.in_(same_jobs(application, seen_by=by)),
            ).values(skip=True).execution_options(synchronize_session=False)
        )
        for engagement in open_engagements([values.engagement_id], seen_by=by).values() if values.engagement_id else ():
            session.execute(
                sa.update(ApplicationClient).where(
                    ApplicationClient.application_id == application.id,
                    ApplicationClient.client_id == engagement.client_id,
                ).values(engagement_id=engagement.id).execution_options(synchronize_session=False)
            )
        return application


def _add_clients(application: Application, client_ids: Collection[UUID], *, by: Actor) -> None:
    """Only those that one may see and whom the firm serves."""
    seen = db.session.scalars(
        sa.select(Client.id).where(Client.id.in_(client_ids), is_served(), *within_sight(by, Client.id))
    ).all()
    if not seen:
        raise Refused("Choose at least one active client; no job is made for any other.", field="clients")
    insert_rows(
        ApplicationClient, [{"application_id": application.id, "client_id": client_id} for client_id in seen],
        tail="ON CONFLICT DO NOTHING",
    )


def change_client(
    application: Application, client_id: UUID, *, skip: bool, owner_id: UUID | None, starts_on: dt.date | None,
    due_on: dt.date | None, engagement_id: UUID | None = None, new_engagement: str = "", because: str = "", by: Actor,
) -> None:
    """What is different for this one client; its job goes to an engagement of theirs, or to a new one of that name.

    `because` is asked for where its own days make the job due past a deadline, later than its rule says.
    """
    authorize(by, can_apply, application)
    with transaction() as session:
        _not_started(application)
        row = session.scalar(
            sa.select(ApplicationClient).join(Client, Client.id == ApplicationClient.client_id).where(
                ApplicationClient.application_id == application.id, ApplicationClient.client_id == client_id,
                *within_sight(by, Client.id),
            )
        )
        if row is None:
            raise NotFound()
        check_day(starts_on, "starts_on")
        check_day(due_on, "due_on")
        if starts_on and due_on and due_on < starts_on:
            raise Refused("It would be due before it starts.", field="due_on")
        if owner_id is not None and session.get(Person, owner_id) is None:
            raise Refused("Choose somebody of the firm.", field="owner")
        if engagement_id is not None:
            found = open_engagements([engagement_id], seen_by=by).get(engagement_id)
            if found is None or found.client_id != client_id:
                raise Refused("Choose one of the client’s open engagements, or a new one.", field="engagement")
            new_engagement = ""
        elif new_engagement:
            new_engagement = clean_name(new_engagement, field="new_engagement")
        row.engagement_id, row.new_engagement = engagement_id, new_engagement
        overrun = None if skip else _overrun(application, row, ByHand(starts_on, due_on), by)
        row.due_because = check_reason(overrun, because)
        row.skip, row.owner_id, row.starts_on, row.due_on = skip, owner_id, starts_on, due_on


def _overrun(application: Application, row: ApplicationClient, own: ByHand, by: Actor) -> Overrun | None:
    client = client_facts([row.client_id], application.service_id, seen_by=by).get(row.client_id)
    if client is None or not (own.starts_on or own.due_on):
        return None
    wish = replace(wish_of(application, row, client), starts_on=application.starts_on)
    return overrun_of_wish(get_blueprint(application.template_id), client, wish, own)


def run_application(application: Application, *, by: Actor) -> Run:
    """Start creating; a second press finds the run that the first one began."""
    authorize(by, can_apply, application)
    with transaction() as session:
        session.execute(to_lock(sa.select(Application.id).where(Application.id == application.id)))
        begun = session.get(Run, application.id)
        if begun is not None:
            return begun
        rows = session.execute(
            sa.select(Client.id, Client.name).join(ApplicationClient, ApplicationClient.client_id == Client.id)
            .where(
                ApplicationClient.application_id == application.id, ~ApplicationClient.skip,
                *within_sight(by, Client.id),
            )
            .order_by(Client.sort_key, Client.id)
        ).all()
        if not rows:
            raise Refused("Every client is passed over; there is nothing to create.")
        service = session.get_one(Service, application.service_id)
        run = start_run(
            application.id, KIND, f"{service.name}: {len(rows)} jobs",
            [(row.name, {"client_id": str(row.id)}) for row in rows], by=by,
        )
        application.started_at = now()
        record("planning.application.start", application, by=by, service=service.name, clients=len(rows))
        return run


def same_jobs(application: Application, *, seen_by: Actor) -> dict[UUID, UUID]:
    """By client: the job of this service about the same period that is there already."""
    client_ids = db.session.scalars(
        sa.select(ApplicationClient.client_id).where(ApplicationClient.application_id == application.id)
    ).all()
    facts = client_facts(client_ids, application.service_id, seen_by=seen_by)
    cadence = Cadence(application.period["cadence"])
    starts = {
        client_id: pattern.containing(application.period_on).start
        for client_id, client in facts.items() if (pattern := pattern_of(cadence, client))
    }
    rows = db.session.execute(
        sa.select(Job.client_id, Job.period_start, Job.id).where(
            Job.service_id == application.service_id, Job.client_id.in_(starts), Job.status != JobStatus.CANCELLED,
            Job.period_start.in_(set(starts.values())), *within_sight(seen_by, Job.client_id, Job.engagement_id),
        )
    ).all()
    return {row.client_id: row.id for row in rows if starts[row.client_id] == row.period_start}


def _not_started(application: Application) -> None:
    if application.started_at is not None:
        raise Refused("This was started already; change the jobs themselves.")


def _check(template: JobTemplate, values: ApplicationValues, client_ids: Collection[UUID]) -> None:
    if template.state is not TemplateState.PUBLISHED:
        raise Refused("Publish the version first; jobs are made of published versions only.")
    if not client_ids:
        raise Refused("Choose at least one client.", field="clients")
    if len(client_ids) > MOST_CLIENTS:
        raise Refused(f"At most {MOST_CLIENTS:,} clients at a time.", field="clients")
    check_day(values.period_on, "period_on")
    check_day(values.starts_on, "starts_on")
    if values.repeat and values.cadence is Cadence.ONCE:
        raise Refused("What is done once does not repeat. Choose how often.", field="cadence")
    if not 0 <= values.ahead_days <= 400:
        raise Refused("Jobs are created between 0 and 400 days ahead.", field="ahead_days")
    if abs(values.offset_days) > 400:
        raise Refused("Work starts at most 400 days before or after the period's end.", field="offset_days")
    unknown = set(values.roles) - {OWNER, "preparer", "reviewer", "partner", "administrator"}
    if unknown:
        raise Refused(f"There is no work role {min(unknown)}.", field="roles")
