"""Applying a service says which engagement each job goes to, and the job goes there: an open one, or a new one."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.catalogue.commands import ServiceValues, edit_service
from app.catalogue.models import Cadence, JobTemplate, Service
from app.clients.commands import EngagementFacts, close_engagement, create_engagement
from app.clients.models import Client, Engagement
from app.core.actors import SYSTEM, Actor
from app.core.db import db
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.ids import new_id
from app.jobs.models import Job
from app.planning.commands.applications import (
    ApplicationValues,
    change_client,
    prepare_application,
    run_application,
)
from app.planning.models import Application, Series
from app.planning.queries import get_application, outlook, preview
from app.runs.background import work
from app.runs.models import Run, RunItem
from tests.make import Cast, count, make_client, sign_in
from tests.planning.make_planning import make_service
from tests.planning.test_planning_screens import apply, choice, post

NEW = 'New</span>'
DAY = dt.date(2026, 10, 15)


def matter() -> tuple[Service, JobTemplate]:
    """A service of which each job is a matter of its own."""
    service, template = make_service("Lawsuit", request=False)
    edit_service(
        service, ServiceValues("Lawsuit", service.code, "Disputes", cadence=Cadence.ONCE, own_engagement=True),
        by=SYSTEM,
    )
    return service, template


def prepare(template: JobTemplate, *clients: Client, by: Actor, own: bool = False, **values: object) -> Application:
    chosen = ApplicationValues(**{  # type: ignore[arg-type]
        "cadence": Cadence.ONCE, "period_on": DAY, "own_engagement": own, **values,
    })
    made = prepare_application(new_id(), template, chosen, [each.id for each in clients], by=by)
    return get_application(made.id, seen_by=by)


def open_one(client: Client, name: str, **facts: object) -> Engagement:
    return create_engagement(new_id(), client, EngagementFacts(name=name, **facts), by=SYSTEM)  # type: ignore[arg-type]


def said(application: Application, by: Actor) -> list[tuple[str, bool]]:
    """By row of the preview: the engagement's name, and whether it will be new."""
    return [
        (row.plan.engagement_name, row.plan.client.engagement_id is None) for row in preview(application, seen_by=by)
    ]


def done(application: Application, by: Actor) -> Run:
    run = run_application(application, by=by)
    work(str(run.id))
    db.session.expire_all()
    return run


def names_of_jobs() -> list[str]:
    return list(db.session.scalars(
        sa.select(Engagement.name).join(Job, Job.engagement_id == Engagement.id).order_by(Job.number)
    ))


def test_jobs_of_a_service_share_the_clients_engagement_and_the_preview_says_so(cast: Cast, session: Session) -> None:
    mel, (_service, template) = cast.actor(cast.mel), make_service(request=False)
    first = prepare(template, cast.acme, by=mel)
    assert said(first, mel) == [("Bookkeeping", True)]
    assert "; 1 new engagement" in outlook(first, seen_by=mel).sentence
    done(first, mel)
    second = prepare(template, cast.acme, by=mel, period_on=dt.date(2026, 11, 15))
    assert said(second, mel) == [("Bookkeeping", False)]
    assert "engagement" not in outlook(second, seen_by=mel).sentence
    done(second, mel)
    assert names_of_jobs() == ["Bookkeeping", "Bookkeeping"]
    assert len(set(session.scalars(sa.select(Job.engagement_id)))) == 1


def test_a_matter_goes_to_the_engagement_just_opened_for_it_and_the_next_one_to_its_own(
    cast: Cast, session: Session
) -> None:
    mel, (_service, template) = cast.actor(cast.mel), matter()
    opened = open_one(cast.acme, "Acme v. Jones", practice_area="Disputes")
    first = prepare(template, cast.acme, by=mel, own=True)
    assert said(first, mel) == [("Acme v. Jones", False)]
    done(first, mel)
    assert session.scalars(sa.select(Job.engagement_id)).one() == opened.id
    second = prepare(template, cast.acme, by=mel, own=True)
    assert said(second, mel) == [("Lawsuit Oct 2026", True)]
    run = done(second, mel)
    work(str(run.id))
    assert sorted(names_of_jobs()) == ["Acme v. Jones", "Lawsuit Oct 2026"]
    assert count(Engagement) == 4  # two of the cast, and these


def test_an_engagement_of_another_practice_or_opened_long_ago_is_not_taken_for_a_matter(
    cast: Cast, session: Session
) -> None:
    mel, (_service, template) = cast.actor(cast.mel), matter()
    open_one(cast.acme, "Conveyancing", practice_area="Property")
    open_one(cast.acme, "Anything else")
    old = open_one(cast.acme, "The old lawsuit", practice_area="Disputes")
    session.execute(
        sa.update(Engagement).where(Engagement.id == old.id).values(created_at=Engagement.created_at - dt.timedelta(15))
    )
    assert said(prepare(template, cast.acme, by=mel, own=True), mel) == [("Lawsuit Oct 2026", True)]


def test_a_job_goes_to_the_engagement_that_was_chosen_or_to_a_new_one_of_that_name(
    cast: Cast, session: Session
) -> None:
    mel, (_service, template) = cast.actor(cast.mel), make_service(request=False)
    other = open_one(cast.acme, "Group work")
    application = prepare(template, cast.acme, cast.rival, by=mel)
    same = {"skip": False, "owner_id": None, "starts_on": None, "due_on": None, "by": mel}
    change_client(application, cast.acme.id, engagement_id=other.id, **same)  # type: ignore[arg-type]
    change_client(application, cast.rival.id, new_engagement=" Claim of  May ", **same)  # type: ignore[arg-type]
    assert said(application, mel) == [("Group work", False), ("Claim of May", True)]
    done(application, mel)
    assert sorted(names_of_jobs()) == ["Claim of May", "Group work"]
    change = prepare(template, cast.acme, by=mel, period_on=dt.date(2026, 11, 15))
    change_client(change, cast.acme.id, engagement_id=other.id, **same)  # type: ignore[arg-type]
    change_client(change, cast.acme.id, **same)  # type: ignore[arg-type]
    assert said(change, mel) == [("Bookkeeping", True)], "taken back"


def test_an_engagement_of_another_client_closed_or_behind_a_wall_is_refused(cast: Cast, session: Session) -> None:
    mel, (_service, template) = cast.actor(cast.mel), make_service(request=False)
    application = prepare(template, cast.acme, by=mel)
    same = {"skip": False, "owner_id": None, "starts_on": None, "due_on": None}
    closed, hidden = open_one(cast.acme, "Closed"), open_one(cast.acme, "Secret")
    close_engagement(closed, by=SYSTEM)
    walled = replace(mel, walled_engagements=frozenset({hidden.id}))
    for by, engagement in ((mel, cast.rival_work), (mel, closed), (walled, hidden)):
        with pytest.raises(Refused, match="open engagements"):
            change_client(application, cast.acme.id, engagement_id=engagement.id, by=by, **same)  # type: ignore[arg-type]
    with pytest.raises(NotAllowed):
        change_client(application, cast.acme.id, new_engagement="Mine", by=cast.actor(cast.sam), **same)  # type: ignore[arg-type]
    walled = replace(mel, walled_clients=frozenset({cast.acme.id}))
    with pytest.raises(NotFound):
        change_client(application, cast.acme.id, new_engagement="Mine", by=walled, **same)  # type: ignore[arg-type]


def test_what_was_chosen_and_then_closed_is_said_and_makes_no_job(cast: Cast, session: Session) -> None:
    mel, (_service, template) = cast.actor(cast.mel), make_service(request=False)
    other = open_one(cast.acme, "Group work")
    application = prepare(template, cast.acme, by=mel)
    same = {"skip": False, "owner_id": None, "starts_on": None, "due_on": None}
    change_client(application, cast.acme.id, engagement_id=other.id, by=mel, **same)  # type: ignore[arg-type]
    close_engagement(session.get_one(Engagement, other.id), by=SYSTEM)
    assert preview(application, seen_by=mel)[0].plan.client.lost
    run = done(application, mel)
    assert count(Job) == 0
    assert "open no more" in (session.scalars(sa.select(RunItem.message).where(RunItem.run_id == run.id)).one() or "")


def test_a_repeated_matter_keeps_all_its_periods_in_the_one_engagement(cast: Cast, session: Session) -> None:
    mel, (_service, template) = cast.actor(cast.mel), matter()
    application = prepare(template, cast.acme, by=mel, own=True, cadence=Cadence.MONTH, repeat=True)
    done(application, mel)
    series, job = session.scalars(sa.select(Series)).one(), session.scalars(sa.select(Job)).one()
    assert series.engagement_id == job.engagement_id
    assert session.get_one(Engagement, job.engagement_id).name == "Lawsuit Oct 2026"


def test_many_clients_take_a_fixed_number_of_questions(cast: Cast, session: Session, max_queries) -> None:  # type: ignore[no-untyped-def]
    mel, (_service, template) = cast.actor(cast.mel), matter()
    clients = [make_client(f"Client {n}", cast.office) for n in range(40)]
    opened: dict[UUID, Engagement] = {
        each.id: open_one(each, f"Case of {each.name}", practice_area="disputes") for each in clients[:20]
    }
    application = prepare(template, *clients, by=mel, own=True)
    preview(application, seen_by=mel)  # the version's own parts are read once
    with max_queries(8):
        rows = preview(application, seen_by=mel)
    assert {row.row.client_id for row in rows if row.plan.client.engagement_id} == set(opened)
    assert outlook(application, seen_by=mel).sentence == "40 jobs; 20 new engagements."
    done(application, mel)
    assert count(Job) == 40
    found = dict(session.execute(sa.select(Job.client_id, Job.engagement_id)).all())
    assert all(found[client_id] == engagement.id for client_id, engagement in opened.items())
    assert len(set(found.values())) == 40


def test_the_screens_say_it_offer_the_open_ones_and_keep_a_wrong_choice(
    client: FlaskClient, cast: Cast, session: Session
) -> None:
    mel = sign_in(client, cast.mel)
    service, _template = matter()
    other = open_one(cast.acme, "Group work", practice_area="Property")
    assert '<option selected value="own">' in mel.get(f"/services/{service.id}/apply").text
    where = apply(mel, service.id, clients=[str(cast.acme.id)], **choice(cadence="once", own_engagement="own"))
    page = mel.get(f"{where}?open={cast.acme.id}").text
    assert "Lawsuit Oct 2026" in page and NEW in page and "Group work" in page
    url = f"{where}/clients/{cast.acme.id}"
    nameless = post(mel, url, {"engagement": "new", "new_engagement": " "})
    assert nameless.status_code == 422 and "Give the new engagement a name." in nameless.text
    assert post(mel, url, {"engagement": str(cast.rival_work.id)}).status_code == 422
    assert post(mel, url, {"engagement": str(other.id)}).status_code == 303
    page = mel.get(where).text
    assert "Group work" in page and NEW not in page
    assert post(mel, url, {"engagement": "new", "new_engagement": "Acme v. Jones"}).status_code == 303
    assert "Acme v. Jones" in mel.get(where).text


def test_a_service_applied_from_an_engagement_goes_there(client: FlaskClient, cast: Cast, session: Session) -> None:
    mel = sign_in(client, cast.mel)
    service, _template = matter()
    opened = open_one(cast.acme, "Acme v. Jones")
    where = f"client={cast.acme.id}&amp;engagement={opened.id}"
    assert f"/services?{where}" in mel.get(f"/engagements/{opened.id}").text
    assert f"/apply?{where}" in mel.get(f"/services?client={cast.acme.id}&engagement={opened.id}").text
    page = mel.get(f"/services/{service.id}/apply?client={cast.acme.id}&engagement={opened.id}").text
    assert f'name="engagement" type="hidden" value="{opened.id}"' in page
    chosen = choice(cadence="once", own_engagement="own", engagement=str(opened.id))
    where = apply(mel, service.id, clients=[str(cast.acme.id), str(cast.rival.id)], **chosen)
    page = mel.get(where).text
    assert "Acme v. Jones" in page and page.count(NEW) == 1
    walled = prepare_application(
        new_id(), _template, ApplicationValues(Cadence.ONCE, DAY, engagement_id=opened.id), [cast.acme.id],
        by=replace(cast.actor(cast.mel), walled_engagements=frozenset({opened.id})),
    )
    assert said(get_application(walled.id, seen_by=SYSTEM), SYSTEM) == [("Lawsuit", True)]


def test_a_service_says_whether_each_job_has_its_own(client: FlaskClient, cast: Cast, session: Session) -> None:
    mel = sign_in(client, cast.mel)
    service, _template = make_service(request=False)
    assert "its jobs share the client’s" in mel.get(f"/services/{service.id}").text
    page = mel.get(f"/services/{service.id}/edit").text
    assert 'name="own_engagement"' in page
    saved = post(mel, f"/services/{service.id}", {
        "version": str(service.version), "name": service.name, "code": service.code, "cadence": "month",
        "own_engagement": "own",
    })
    session.expire_all()
    assert saved.status_code == 303 and session.get_one(Service, service.id).own_engagement
    assert "each job has one of its own" in mel.get(f"/services/{service.id}").text
    assert '<option selected value="own">' in mel.get(f"/services/{service.id}/edit").text
