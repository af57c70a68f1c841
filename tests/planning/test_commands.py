"""The inner acts of planning: each allowed for its own reason, done once, and within the walls of whoever does it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from app.catalogue.models import Cadence
from app.catalogue.queries import get_blueprint
from app.clients.models import Client, ClientStatus, Engagement
from app.core.actors import SYSTEM, Actor
from app.core.clock import now, travel_to
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.permissions import Permission
from app.jobs.models import Job
from app.planning.commands.applications import ApplicationValues, prepare_application
from app.planning.commands.applying import apply_to_client
from app.planning.commands.create import create_within, engagement_of
from app.planning.commands.editions import confirm_one
from app.planning.commands.forecasting import refresh_stuck
from app.planning.commands.occurrences import skip_unserved
from app.planning.facts import client_facts, staffing
from app.planning.models import Application, ApplicationClient, Occurrence, OccurrenceState, Series
from app.planning.periods import PeriodKind, PeriodPattern
from app.planning.plans import JobPlan, Wish, plan_job
from app.requests.models import ClientRequest
from app.runs.models import Run, RunItem
from tests.make import Cast, count, kept_from, lacking, make_client, not_for
from tests.planning.make_planning import make_series, make_service
from tests.test_small_commands import told

OCTOBER = dt.date(2026, 10, 15)
JUNE = dt.datetime(2026, 6, 20, 9, tzinfo=dt.UTC)


def planned(cast: Cast, client: Client, origin: str = "test:1", **facts_of: Any) -> JobPlan:
    service, template = make_service()
    facts = replace(client_facts([client.id], service.id, seen_by=SYSTEM)[client.id], **facts_of)
    wish = Wish(PeriodPattern(PeriodKind.MONTH), OCTOBER)
    return plan_job(facts, get_blueprint(template.id), service.name, wish, staffing(), origin=origin)


def not_planners(cast: Cast) -> tuple[Actor, ...]:
    return cast.actor(cast.sam), cast.actor(cast.bea), cast.contact(cast.cleo)


def prepared(cast: Cast, *clients: Client, by: Actor | None = None, **values: Any) -> Application:
    _service, template = make_service()
    chosen = ApplicationValues(Cadence.MONTH, OCTOBER, **values)
    return prepare_application(
        new_id(), template, chosen, [client.id for client in clients], by=by or cast.actor(cast.mel)
    )


def applied(application: Application, client: Client, by: Actor) -> dict[str, Any]:
    """By itself, as a worker that has just begun."""
    with transaction():
        return apply_to_client(db.session.get_one(Application, application.id), client.id, by=by)


def test_a_planned_job_is_made_once_for_one_origin(cast: Cast) -> None:
    plan, mel = planned(cast, cast.acme), cast.actor(cast.mel)
    not_for(not_planners(cast), lambda by: create_within(plan, by=by))
    with pytest.raises(NotFound):
        create_within(plan, by=kept_from(cast.actor(cast.mel), cast.acme))
    assert count(Job) == 0
    with transaction():
        job_id, made = create_within(plan, by=mel, hold_requests=True)
    with transaction():
        again = create_within(plan, by=mel)
    assert made and again == (job_id, False)
    assert count(Job) == 1 and told("jobs.job.created") == 1
    assert [request.held for request in db.session.scalars(sa.select(ClientRequest))] == [True]


def test_no_job_is_made_in_an_engagement_that_was_chosen_and_is_open_no_more(cast: Cast) -> None:
    with pytest.raises(Refused, match="open no more"):
        create_within(planned(cast, cast.acme, lost=True), by=cast.actor(cast.mel))
    assert count(Job) == 0


def test_a_service_is_applied_to_a_client_once(cast: Cast) -> None:
    application, mel = prepared(cast, cast.acme, send_requests=False), cast.actor(cast.mel)
    not_for(not_planners(cast), lambda by: applied(application, cast.acme, by))
    first = applied(application, cast.acme, mel)
    assert (first["made"], first["asking"], first["title"]) == (True, "held", "Acme Ltd Bookkeeping Oct 2026")
    again = applied(application, cast.acme, mel)
    assert not again["made"] and again["job_id"] == first["job_id"] and "asking" not in again
    assert count(Job) == 1 and told("jobs.job.created") == 1


def test_a_service_that_repeats_begins_its_series_with_the_job_that_is_there(cast: Cast) -> None:
    application, mel = prepared(cast, cast.acme, repeat=True), cast.actor(cast.mel)
    first = applied(application, cast.acme, mel)
    assert applied(application, cast.acme, mel)["job_id"] == first["job_id"] and count(Series) == count(Job) == 1
    earliest = sa.select(Occurrence).order_by(Occurrence.period_start).limit(1)
    occurrence = db.session.scalars(earliest).one()
    assert (occurrence.state, str(occurrence.job_id)) == (OccurrenceState.CREATED, first["job_id"])


def test_a_client_behind_a_wall_gets_no_job_and_one_that_was_not_chosen_neither(cast: Cast) -> None:
    application = prepared(cast, cast.acme, cast.rival)
    other = make_client("Other", cast.office)
    for client, by in ((cast.rival, kept_from(cast.actor(cast.mel), cast.rival)), (other, cast.actor(cast.mel))):
        with pytest.raises(NotFound):
            applied(application, client, by)
    assert count(Job) == 0


def test_only_clients_in_sight_whom_the_firm_serves_are_written_down(cast: Cast) -> None:
    former = make_client("Former", cast.office, status=ClientStatus.FORMER)
    application = prepared(cast, cast.acme, cast.rival, former, by=kept_from(cast.actor(cast.mel), cast.rival))
    written = db.session.scalars(
        sa.select(ApplicationClient.client_id).where(ApplicationClient.application_id == application.id)
    ).all()
    assert list(written) == [cast.acme.id]
    for client, by in ((former, cast.actor(cast.mel)), (cast.rival, kept_from(cast.actor(cast.mel), cast.rival))):
        with pytest.raises(Refused) as refusal:
            prepared(cast, client, by=by)
        assert refusal.value.field == "clients"
    assert count(Application) == 1


def test_what_comes_due_of_a_client_who_is_not_served_is_skipped_once_with_the_cause(cast: Cast) -> None:
    with travel_to(JUNE):
        service, _template = make_service(request=False)
        series = make_series(cast.acme, service, dt.date(2026, 5, 1))
        theirs = make_series(cast.rival, service, dt.date(2026, 5, 1))
        not_for((cast.actor(cast.sam), cast.contact(cast.cleo)), lambda by: skip_unserved(by=by))
        assert skip_unserved(by=SYSTEM) == 0
        cast.acme.status = ClientStatus.DORMANT
        db.session.flush()
        assert skip_unserved(by=SYSTEM, limit=1) == 1
        rest = skip_unserved(by=SYSTEM)
        assert skip_unserved(by=SYSTEM) == 0 and told("planning.occurrence.skip") == 1 + rest
        db.session.expire_all()
        rows = db.session.scalars(sa.select(Occurrence).where(Occurrence.state == OccurrenceState.SKIPPED)).all()
        assert {row.series_id for row in rows} == {series.id} and len(rows) == 1 + rest
        assert {row.skipped_because for row in rows} == {"the client was dormant"}
        assert skip_unserved(by=SYSTEM, client_id=cast.rival.id, because="archived") > 0
        of_rival = sa.select(Occurrence.skipped_because).where(
            Occurrence.series_id == theirs.id, Occurrence.state == OccurrenceState.SKIPPED
        )
        assert set(db.session.scalars(of_rival)) == {"the client was archived"}


def test_a_series_that_was_stuck_is_tried_again_by_whoever_may_edit_series(cast: Cast) -> None:
    service, _template = make_service(request=False)
    series = make_series(cast.acme, service, dt.date(2026, 5, 1))
    db.session.execute(sa.update(Series).values(is_stuck=True))
    not_for((cast.actor(cast.sam), cast.contact(cast.cleo)), lambda by: refresh_stuck(by=by))
    assert db.session.get_one(Series, series.id, populate_existing=True).is_stuck
    refresh_stuck(by=SYSTEM)
    assert not db.session.get_one(Series, series.id, populate_existing=True).is_stuck


def test_a_newer_edition_is_confirmed_by_whoever_may_edit_both_services_and_jobs(cast: Cast) -> None:
    service, _template = make_service(request=False)
    run = Run(id=new_id(), kind="planning.edition", title="", options={}, total=1, created_at=now())
    item = RunItem(run_id=run.id, position=0, label="", payload={"rule": "UK-VAT", "service_id": str(service.id)})
    mel = cast.actor(cast.mel)
    half = tuple(lacking(mel, each) for each in (Permission.SERVICE_EDIT, Permission.JOB_EDIT))
    not_for((cast.actor(cast.sam), cast.contact(cast.cleo), *half), lambda by: confirm_one(run, item, by))
    assert confirm_one(run, item, mel) == {"waits": False}


def test_an_engagement_is_opened_for_a_job_that_has_none_once(cast: Cast) -> None:
    new, mel = make_client("New", cast.office), cast.actor(cast.mel)
    for opens in (False, True):
        plan = planned(cast, new, origin=f"test:{opens}", opens=opens, engagement_id=None)
        not_for((cast.contact(cast.cleo), lacking(mel, Permission.ENGAGEMENT_EDIT)), partial(engagement_of, plan))
        with transaction():
            job_id, _made = create_within(plan, by=mel)
        with transaction():
            assert engagement_of(plan, mel).id == db.session.get_one(Job, job_id).engagement_id
    made = db.session.scalars(sa.select(Engagement).where(Engagement.client_id == new.id)).all()
    assert len(made) == told("clients.engagement.create") == 2
