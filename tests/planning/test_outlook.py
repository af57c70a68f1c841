"""Applying a service says in one sentence what it will bring about, and does exactly that."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.catalogue.models import Cadence
from app.clients.models import Client
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db
from app.core.ids import new_id
from app.planning.commands.applications import ApplicationValues, prepare_application, run_application
from app.planning.models import Application
from app.planning.outcome import who_is_asked
from app.planning.outlook import REPEATS
from app.planning.queries import get_application, outlook, preview
from app.requests.commands.asking import ask_due_requests
from app.requests.models import ClientRequest
from app.runs.background import work
from tests.make import Cast, make_client, make_contact
from tests.planning.make_planning import make_service
from tests.requests.make_requests import mails

NOVEMBER = dt.date(2026, 11, 15)
AFTERNOON = dt.datetime(2026, 11, 25, 14, tzinfo=dt.UTC)


def prepare(cast: Cast, *, reachable: int = 3, mute: int = 2, **values: object) -> Application:
    _service, template = make_service()
    clients = [make_client(f"Client {n}", cast.office) for n in range(reachable + mute)]
    for client in clients[:reachable]:
        make_contact(f"Contact of {client.name}", client, is_primary=True)
    chosen = ApplicationValues(Cadence.MONTH, **{"period_on": NOVEMBER, **values})  # type: ignore[arg-type]
    mel, ids = cast.actor(cast.mel), [client.id for client in clients]
    return get_application(prepare_application(new_id(), template, chosen, ids, by=mel).id, seen_by=mel)


def test_it_names_jobs_mails_with_their_moment_those_without_an_address_and_the_repetition(cast: Cast) -> None:
    with clock.travel_to(AFTERNOON):
        found = outlook(prepare(cast, repeat=True), seen_by=cast.actor(cast.mel))
    assert found.sentence == (
        "5 jobs, first due Wed 30 Dec; 5 new engagements; 3 mails on Tue 1 Dec at 09:00; 2 clients without an address, "
        "so not asked; repeats monthly."
    )
    assert found.unreachable == ("Client 3", "Client 4")


def test_it_has_words_for_every_repetition() -> None:
    assert set(REPEATS) == set(Cadence) - {Cadence.ONCE} and all(REPEATS.values())


def test_what_it_says_happens_at_the_moment_that_it_says(cast: Cast, session: Session) -> None:
    mel = cast.actor(cast.mel)
    with clock.travel_to(AFTERNOON):
        application = prepare(cast)
        run = run_application(application, by=mel)
        work(str(run.id))
        assert not mails() and ask_due_requests(by=SYSTEM) == 0
        assert who_is_asked(run) == "3 clients are asked, 2 are not: nobody there has an e-mail address."
    with clock.travel_to(dt.datetime(2026, 12, 1, 8, 59, tzinfo=dt.UTC)):
        assert ask_due_requests(by=SYSTEM) == 0
    with clock.travel_to(dt.datetime(2026, 12, 1, 9, tzinfo=dt.UTC)):
        assert ask_due_requests(by=SYSTEM) == 3
    assert len(mails("requests.request")) == 3
    assert session.scalar(sa.select(sa.func.count()).where(ClientRequest.unreachable_at.is_not(None))) == 2


def test_a_period_that_is_over_is_asked_about_at_once_and_at_night_in_the_morning(cast: Cast) -> None:
    with clock.travel_to(AFTERNOON):
        application = prepare(cast, mute=0, period_on=dt.date(2026, 10, 15))
        assert "; 3 mails at once." in outlook(application, seen_by=cast.actor(cast.mel)).sentence
    with clock.travel_to(AFTERNOON.replace(hour=22)):
        assert "; 3 mails tomorrow at 07:00" in outlook(application, seen_by=cast.actor(cast.mel)).sentence


def test_held_requests_are_told_as_held(cast: Cast) -> None:
    with clock.travel_to(AFTERNOON):
        application = prepare(cast, mute=0, send_requests=False)
        assert "; 3 requests held until you let them go." in outlook(application, seen_by=cast.actor(cast.mel)).sentence
        run = run_application(application, by=cast.actor(cast.mel))
        work(str(run.id))
        assert who_is_asked(run) == "The requests to 3 clients are held until somebody lets them go."


def test_nothing_of_a_walled_client_is_counted(cast: Cast) -> None:
    with clock.travel_to(AFTERNOON):
        _service, template = make_service()
        mel, chosen = cast.actor(cast.mel), ApplicationValues(Cadence.MONTH, NOVEMBER)
        made = prepare_application(new_id(), template, chosen, [cast.acme.id, cast.rival.id], by=mel)
        application = get_application(made.id, seen_by=mel)
        walled = replace(mel, walled_clients=frozenset({cast.rival.id}))
        assert outlook(application, seen_by=walled).jobs == 1
        assert outlook(application, seen_by=mel).jobs == 2


def test_whoever_prepares_does_not_review_where_somebody_else_is_on_the_team(cast: Cast) -> None:
    with clock.travel_to(AFTERNOON):
        roles = {"preparer": str(cast.sam.id), "reviewer": str(cast.sam.id)}
        application = prepare(cast, reachable=1, mute=0, roles=roles)
        client_id = preview(application, seen_by=SYSTEM)[0].row.client_id
        cast_client = db.session.get_one(Client, client_id)
        cast_client.manager_id = cast.mel.id
        (planned,) = preview(application, seen_by=SYSTEM)
        assert [task.assignee_id for task in planned.plan.tasks] == [cast.sam.id, cast.sam.id, cast.mel.id]
        assert planned.plan.own_reviews == ()
        assert "reviewed by whoever" not in outlook(application, seen_by=SYSTEM).sentence
        cast_client.manager_id = None
        (planned,) = preview(application, seen_by=SYSTEM)
        assert planned.plan.tasks[2].assignee_id == cast.sam.id and planned.plan.own_reviews == ("Review",)
        assert "1 job reviewed by whoever prepares, as nobody else is on the team" in outlook(
            application, seen_by=SYSTEM
        ).sentence


def test_dates_that_make_no_sense_are_said_for_these_very_jobs(cast: Cast) -> None:
    with clock.travel_to(AFTERNOON):
        application = prepare(cast, reachable=1, mute=0, starts_on=dt.date(2027, 2, 1))
        assert "The job is due 33 days before it starts." in outlook(application, seen_by=SYSTEM).doubts
