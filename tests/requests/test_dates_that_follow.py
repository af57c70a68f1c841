"""What is not asked yet follows the dates of its job; what the client has been told stays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.catalogue.commands import RequestValues, publish_template, save_request
from app.catalogue.due_rules import DueRule, working_days
from app.catalogue.models import TemplateRequest
from app.catalogue.queries import get_blueprint
from app.core import clock
from app.core.actors import SYSTEM
from app.core.errors import NotAllowed, Refused
from app.core.proofs import run_proofs
from app.jobs.commands.dates import KEEP, Answer, follow_rules, preview
from app.jobs.commands.jobs import JobChange, causes_of_edit, edit_job
from app.jobs.dates import DueMoved, Part, drifted
from app.jobs.models import Job
from app.jobs.queries.dates import dates_of_job, digest_of_moves
from app.planning.commands.create import create_planned_job
from app.planning.facts import client_facts, staffing
from app.planning.periods import PeriodKind, PeriodPattern
from app.planning.plans import Wish, plan_job
from app.requests.commands.asking import change_asking, unlock_days
from app.requests.commands.sending import send_request
from app.requests.commands.writing import NewRequest, specs_of, update_request
from app.requests.models import ClientRequest
from tests.make import Cast, sign_in
from tests.planning.make_planning import make_service
from tests.requests.make_requests import fresh

NOON = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)
DUE, LATER = dt.date(2026, 12, 30), dt.date(2027, 1, 13)


@pytest.fixture(autouse=True)
def in_november() -> Iterator[None]:
    with clock.travel_to(NOON):
        yield


@pytest.fixture
def asked(cast: Cast, session: Session) -> ClientRequest:
    """Asked twenty working days before the job is due, wanted by ten before."""
    service, template = make_service(publish=False)
    made = session.scalars(sa.select(TemplateRequest)).one()
    save_request(template, made.id, RequestValues(
        "Your papers", step_key="collect", items=tuple(made.items), send_rule=DueRule("job_due", (working_days(-20),)),
        due_rule=DueRule("job_due", (working_days(-10),)),
    ), by=SYSTEM)
    publish_template(template, by=SYSTEM)
    facts = client_facts([cast.acme.id], service.id, seen_by=SYSTEM)[cast.acme.id]
    wish = Wish(PeriodPattern(PeriodKind.MONTH), dt.date(2026, 11, 15))
    job_id, _ = create_planned_job(
        plan_job(facts, get_blueprint(template.id), service.name, wish, staffing(), origin="test"), by=SYSTEM
    )
    return session.scalars(sa.select(ClientRequest).where(ClientRequest.job_id == job_id)).one()


def job_of(session: Session, request: ClientRequest) -> Job:
    return session.get_one(Job, request.job_id, populate_existing=True)


def later(job: Job) -> JobChange:
    return JobChange(title=job.title, due_on=LATER, starts_on=job.starts_on, owner=None, priority=0, budget=job.budget,
                     notes=job.notes, because="The client asked for more time")


def test_when_it_is_asked_and_wanted_moves_with_the_jobs_due_date(
    asked: ClientRequest, cast: Cast, session: Session
) -> None:
    job, by = job_of(session, asked), cast.actor(cast.mel)
    assert (job.due_on, asked.send_on, asked.due_on) == (DUE, dt.date(2026, 11, 30), dt.date(2026, 12, 14))
    assert drifted(dates_of_job(job)) == []
    moves = preview(job, *causes_of_edit(job, later(job)))
    told = {move.name: (move.before, move.after) for move in moves if move.part in (Part.ASKING, Part.ANSWER)}
    assert told == {
        "“Your papers” is asked": (dt.date(2026, 11, 30), dt.date(2026, 12, 11)),
        "“Your papers” is wanted by": (dt.date(2026, 12, 14), dt.date(2026, 12, 29)),
    }
    with pytest.raises(NotAllowed):
        edit_job(job, later(job), version=None, by=cast.contact(cast.otto), answer=Answer(True, digest_of_moves(moves)))
    version = asked.version
    edit_job(job, later(job), version=None, by=by, answer=Answer(True, digest_of_moves(moves)))
    row = fresh(asked)
    assert (row.send_on, row.due_on, row.version) == (dt.date(2026, 12, 11), dt.date(2026, 12, 29), version + 1)
    edit_job(job, later(job), version=None, by=by, answer=KEEP)
    assert fresh(asked).version == version + 1, "the second time nothing moves"
    assert not [f for name, found in run_proofs() if name != "documents.objects" for f in found if not f.note]


def test_kept_it_stays_and_is_in_sight_and_can_be_moved_then(
    asked: ClientRequest, cast: Cast, session: Session
) -> None:
    job, by = job_of(session, asked), cast.actor(cast.mel)
    edit_job(job, later(job), version=None, by=by)
    assert fresh(asked).send_on == dt.date(2026, 11, 30)
    moves = drifted(dates_of_job(job_of(session, asked)))
    assert {move.part for move in moves} >= {Part.ASKING, Part.ANSWER}
    follow_rules(job, seen=digest_of_moves(moves), by=by)
    assert fresh(asked).send_on == dt.date(2026, 12, 11)
    (own,) = drifted(dates_of_job(job_of(session, asked)))
    assert own.part is Part.JOB and own.is_locked


def test_a_day_set_by_hand_stays(asked: ClientRequest, cast: Cast, session: Session) -> None:
    job, by = job_of(session, asked), cast.actor(cast.mel)
    change_asking(asked, send_on=dt.date(2026, 11, 20), send_time=dt.time(9), by=by)
    moves = preview(job, DueMoved(LATER))
    assert [(move.part, move.is_locked) for move in moves if move.id == asked.id] == [
        (Part.ASKING, True), (Part.ANSWER, False)]
    edit_job(job, later(job), version=None, by=by, answer=Answer(True, digest_of_moves(moves)))
    row = fresh(asked)
    assert (row.send_on, row.due_on) == (dt.date(2026, 11, 20), dt.date(2026, 12, 29))
    template = session.scalars(sa.select(TemplateRequest)).one()
    values = NewRequest(
        id=row.id, client_id=row.client_id, name=row.name, items=specs_of(template.items), send_on=row.send_on,
        due_on=dt.date(2026, 12, 18), task_id=row.task_id,
    )
    update_request(row, values, version=None, by=by)
    row = fresh(asked)
    assert row.due_locked and row.send_locked
    assert all(move.is_locked for move in drifted(dates_of_job(job_of(session, asked))) if move.id == asked.id)


def test_what_the_client_has_been_told_stays_and_who_was_shown_otherwise_looks_again(
    asked: ClientRequest, cast: Cast, session: Session
) -> None:
    job, by = job_of(session, asked), cast.actor(cast.mel)
    seen = digest_of_moves(preview(job, DueMoved(LATER)))
    send_request(asked, by=by)
    with pytest.raises(Refused, match="Look at them once more"):
        edit_job(job, later(job), version=None, by=by, answer=Answer(True, seen))
    moves = preview(job_of(session, asked), DueMoved(LATER))
    assert asked.id not in {move.id for move in moves}
    edit_job(job, later(job), version=None, by=by, answer=Answer(True, digest_of_moves(moves)))
    assert fresh(asked).due_on == dt.date(2026, 12, 14)


def test_a_day_set_by_hand_can_follow_again(
    asked: ClientRequest, cast: Cast, client: FlaskClient, session: Session
) -> None:
    job, by = job_of(session, asked), cast.actor(cast.mel)
    change_asking(asked, send_on=dt.date(2026, 11, 20), send_time=dt.time(9), by=by)
    for stranger in (cast.contact(cast.otto), replace(by, walled_clients=frozenset({cast.acme.id}))):
        with pytest.raises(NotAllowed):
            unlock_days(asked, by=stranger)
    mel = sign_in(client, cast.mel)
    assert f"/requests/{asked.id}/unlocking" in mel.get(f"/jobs/{job.id}/dates").text
    answer = mel.post(f"/requests/{asked.id}/unlocking")
    assert answer.status_code == 303 and answer.location.endswith(f"/jobs/{job.id}/dates")
    version = fresh(asked).version
    unlock_days(asked, by=by)
    assert fresh(asked).version == version, "the second time nothing happens"
    (moved,) = [move for move in drifted(dates_of_job(job_of(session, asked))) if move.id == asked.id]
    assert (moved.is_locked, moved.after) == (False, dt.date(2026, 11, 30))
    assert f"/requests/{asked.id}/unlocking" not in mel.get(f"/jobs/{job.id}/dates").text


def test_the_pages_say_it(asked: ClientRequest, cast: Cast, client: FlaskClient, session: Session) -> None:
    job = job_of(session, asked)
    mel = sign_in(client, cast.mel)
    page = mel.get(f"/jobs/{job.id}/dates").text
    assert "Requests not asked yet" in page and "“Your papers” is wanted by" in page
    data = {"title": job.title, "due_on": LATER.isoformat(), "starts_on": job.starts_on.isoformat(),
            "version": str(job.version), "priority": "0", "because": "More time"}
    asking = mel.post(f"/jobs/{job.id}/edit", data=data).text
    assert "“Your papers” is asked" in asking and "11 Dec" in asking
