"""Applying a service to many clients through a run."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.catalogue.models import Cadence
from app.core.ids import new_id
from app.jobs.models import Job
from app.planning.commands.applications import (
    ApplicationValues,
    change_client,
    prepare_application,
    run_application,
)
from app.planning.models import Application, Occurrence, OccurrenceState, Series
from app.runs.background import work
from app.runs.commands import stop_run
from app.runs.models import RunState
from app.runs.queries import progress
from tests.make import Cast, count, make_client
from tests.planning.make_planning import make_service

OCTOBER = dt.date(2026, 10, 15)


def prepare(cast: Cast, *, clients: int = 5, **values: object) -> Application:
    _service, template = make_service(request=False)
    ids = [make_client(f"Client {n}", cast.office).id for n in range(clients)] + [cast.acme.id]
    chosen = ApplicationValues(Cadence.MONTH, OCTOBER, **values)  # type: ignore[arg-type]
    return prepare_application(new_id(), template, chosen, ids, by=cast.actor(cast.mel))


def test_every_client_gets_its_job_and_a_second_press_changes_nothing(cast: Cast, session: Session) -> None:
    application = prepare(cast)
    mel = cast.actor(cast.mel)
    run = run_application(application, by=mel)
    assert run_application(application, by=mel).id == run.id
    work(str(run.id))
    work(str(run.id))
    session.expire_all()
    assert progress(run).done == 6 and run.state is RunState.FINISHED and count(Job) == 6


def test_single_clients_are_changed_or_passed_over(cast: Cast, session: Session) -> None:
    application = prepare(cast)
    mel = cast.actor(cast.mel)
    someone = session.scalars(sa.text("SELECT id FROM client WHERE name = 'Client 1'")).one()
    change_client(application, someone, skip=True, owner_id=None, starts_on=None, due_on=None, by=mel)
    due = dt.date(2026, 12, 4)
    change_client(application, cast.acme.id, skip=False, owner_id=cast.sam.id, starts_on=OCTOBER, due_on=due, by=mel)
    work(str(run_application(application, by=mel).id))
    job = session.scalars(sa.select(Job).where(Job.client_id == cast.acme.id)).one()
    assert count(Job) == 5 and (job.owner_id, job.starts_on, job.due_on) == (cast.sam.id, OCTOBER, due)


def test_a_stopped_run_keeps_what_it_did_and_goes_on_where_it_was(cast: Cast, session: Session) -> None:
    from app.runs.commands import resume_run

    application, mel = prepare(cast), cast.actor(cast.mel)
    run = run_application(application, by=mel)
    stop_run(run, by=mel)
    work(str(run.id))
    assert count(Job) == 0
    resume_run(run, by=mel)
    work(str(run.id))
    assert count(Job) == 6


def test_repeating_begins_a_series_whose_first_period_is_the_job_just_made(cast: Cast, session: Session) -> None:
    application, mel = prepare(cast, clients=0, repeat=True, ahead_days=3), cast.actor(cast.mel)
    work(str(run_application(application, by=mel).id))
    series, job = session.scalars(sa.select(Series)).one(), session.scalars(sa.select(Job)).one()
    first = session.scalars(sa.select(Occurrence).order_by(Occurrence.period_start)).first()
    assert first is not None and (first.state, first.job_id) == (OccurrenceState.CREATED, job.id)
    assert series.ahead_days == 3 and job.origin == f"series:{series.id}:2026-10-01"


def test_mel_behind_a_wall_applies_to_everyone_but_rival(cast: Cast, session: Session) -> None:
    from dataclasses import replace

    _service, template = make_service(request=False)
    walled = replace(cast.actor(cast.mel), walled_clients=frozenset({cast.rival.id}))
    application = prepare_application(
        new_id(), template, ApplicationValues(Cadence.MONTH, OCTOBER), [cast.acme.id, cast.rival.id], by=walled
    )
    run = run_application(application, by=walled)
    assert run.total == 1
