"""A closure names the open jobs whose dates it would move, old → new, and moves what was confirmed, job by job."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.catalogue.queries import get_blueprint
from app.clients.models import Client, Wall
from app.core.actors import SYSTEM
from app.core.clock import now, travel_to
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.firm.commands.entities import add_closure, remove_closure
from app.firm.days_off import ClosureChange, digest_of_moved, moved_by
from app.firm.models import Closure
from app.firm.views import places
from app.jobs.commands.shifts import follow_day_off
from app.jobs.commands.steps import TaskChange, edit_task
from app.jobs.dates import DayOff, drifted
from app.jobs.models import Job, Task
from app.jobs.queries.dates import dates_of_job
from app.jobs.shifts import shifts_of
from app.planning.commands.create import create_planned_job
from app.planning.facts import client_facts, staffing
from app.planning.periods import PeriodKind, PeriodPattern
from app.planning.plans import Wish, plan_job
from app.runs.commands import work_run
from app.runs.models import Run, RunItem
from tests.make import Cast, count, keep, make_client, sign_in
from tests.planning.make_planning import make_service

NOW = dt.datetime(2026, 6, 1, 9, tzinfo=dt.UTC)
CLOSED, COLLECT, LATER = dt.date(2026, 6, 3), dt.date(2026, 6, 3), dt.date(2026, 6, 4)


class Firm:
    """Two jobs about May: papers are collected three working days after it, and posted five after that."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        service, template = make_service()
        self.blueprint, self.service = get_blueprint(template.id), service
        self.acme, self.rival = self.make(cast.acme), self.make(cast.rival)

    def make(self, client: Client) -> Job:
        facts = client_facts([client.id], self.service.id, seen_by=SYSTEM)[client.id]
        wish = Wish(PeriodPattern(PeriodKind.MONTH), dt.date(2026, 5, 15))
        plan = plan_job(facts, self.blueprint, "Bookkeeping", wish, staffing(), origin=f"test:{client.id}")
        return db.session.get_one(Job, create_planned_job(plan, by=SYSTEM)[0])


def due(job: Job, step: str = "Collect") -> dt.date | None:
    found: dt.date | None = db.session.scalar(
        sa.select(Task.due_on).where(Task.job_id == job.id, Task.name == step)
    )
    return found


@pytest.fixture
def firm(cast: Cast) -> Any:
    with travel_to(NOW):
        yield Firm(cast)


def confirmed(cast: Cast, by: Any, office_id: Any = None) -> Closure:
    seen = digest_of_moved(moved_by(ClosureChange(CLOSED, office_id), seen_by=by))
    return add_closure(new_id(), closed_on=CLOSED, name="Strike", office_id=office_id, by=by, seen=seen)


def work(run_id: Any, by: Any) -> None:
    work_run(run_id, lambda _: by)
    db.session.expire_all()


def test_the_page_names_whose_dates_would_move_and_saves_nothing_until_it_is_answered(
    client: FlaskClient, firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    pat = sign_in(client, firm.cast.pat)
    form = {"id": str(new_id()), "closed_on": CLOSED.isoformat(), "name": "Strike", "office_id": ""}
    page = pat.post("/settings/closures", data=form)
    assert page.status_code == 200 and not count(Closure) and not count(Run)
    for words in ("Acme Ltd", "Rival plc", "Collect", "Wed 3 Jun", "Thu 4 Jun", "move 2 jobs", "keep their dates"):
        assert words in page.text, words
    monkeypatch.setattr(places, "MOST_SHOWN", 1)
    assert "and 1 more job" in pat.post("/settings/closures", data=form).text
    seen = page.text.split('name="seen" value="')[1].split('"')[0]
    for _ in range(2):
        answered = pat.post("/settings/closures", data={**form, "dates": "apply", "seen": seen})
        assert answered.location == f"/runs/{form['id']}"
    assert count(Closure) == count(Run) == 1
    assert "the dates of 2 jobs" in pat.get(answered.location).text
    work(form["id"], firm.cast.actor(firm.cast.pat))
    assert due(firm.acme) == due(firm.rival) == LATER
    event = db.session.scalars(sa.select(Event).where(Event.kind == "jobs.job.redated")).first()
    assert event is not None and event.cause == f"run {form['id']}", "the history says what moved them"
    past = {**form, "id": str(new_id()), "closed_on": "2024-05-01"}
    assert pat.post("/settings/closures", data=past).status_code == 303, "a day that moves nothing is not asked about"


def test_kept_dates_stay_and_are_in_sight_and_what_changed_since_is_refused(firm: Firm) -> None:
    cast, pat = firm.cast, firm.cast.actor(firm.cast.pat)
    seen = digest_of_moved(moved_by(ClosureChange(CLOSED, None), seen_by=pat))
    collect = db.session.scalars(sa.select(Task).where(Task.job_id == firm.acme.id, Task.name == "Collect")).one()
    by_hand = TaskChange(name="Collect", instructions="", estimate=None, due_on=dt.date(2026, 6, 2), priority=0)
    edit_task(collect, by_hand, version=None, by=cast.actor(cast.mel))
    with pytest.raises(Refused, match="Look at them once more"):
        add_closure(new_id(), closed_on=CLOSED, name="Strike", by=pat, seen=seen)
    assert not count(Closure) and not count(Run)
    add_closure(new_id(), closed_on=CLOSED, name="Strike", by=pat)
    assert due(firm.rival) == COLLECT and not count(Run)
    assert ("Collect", LATER) in {(move.name, move.after) for move in drifted(dates_of_job(firm.rival))}


def test_a_day_set_by_hand_stays_and_a_job_that_changed_meanwhile_is_left_alone(firm: Firm) -> None:
    cast, pat = firm.cast, firm.cast.actor(firm.cast.pat)
    task = db.session.scalars(sa.select(Task).where(Task.job_id == firm.acme.id, Task.name == "Collect")).one()
    mine = TaskChange(name="Collect", instructions="", estimate=None, due_on=dt.date(2026, 6, 2), priority=0)
    edit_task(task, mine, version=None, by=pat)
    closure = confirmed(cast, pat)
    firm.rival.period_end = dt.date(2026, 6, 1)
    db.session.flush()
    work(closure.id, pat)
    assert due(firm.acme) == mine.due_on and due(firm.rival) == COLLECT
    passed = [item for item in db.session.scalars(sa.select(RunItem)) if item.label.startswith("Rival")]
    assert [item.state.value for item in passed] == ["skipped"] and "not as they were shown" in passed[0].message
    version = firm.acme.version
    assert follow_day_off(firm.acme, DayOff(CLOSED), [], by=pat) == [], "once is enough"
    assert firm.acme.version == version


def test_a_closure_taken_back_moves_them_back_and_one_office_leaves_the_other_alone(firm: Firm) -> None:
    cast, pat = firm.cast, firm.cast.actor(firm.cast.pat)
    dublin = firm.make(make_client("Elsewhere", cast.second_office))
    at_first = due(dublin)
    assert at_first == LATER, "the first Monday of June is a holiday in Ireland"
    closure = confirmed(cast, pat, cast.office.id)
    work(closure.id, pat)
    assert (due(firm.acme), due(dublin)) == (LATER, at_first)
    back = ClosureChange(CLOSED, cast.office.id, closed=False)
    run_id = remove_closure(closure, by=pat, seen=digest_of_moved(moved_by(back, seen_by=pat)))
    work(run_id, pat)
    assert due(firm.acme) == due(firm.rival) == COLLECT and due(dublin) == at_first
    assert not drifted(dates_of_job(firm.acme))


def test_nobody_moves_what_a_wall_hides_from_them_and_who_may_not_changes_nothing(
    client: FlaskClient, firm: Firm, session: Session
) -> None:
    cast = firm.cast
    keep(Wall(person_id=cast.pat.id, client_id=cast.rival.id, reason="Family", created_at=now()))
    pat = cast.actor(cast.pat)
    assert [each.of for each in moved_by(ClosureChange(CLOSED, None), seen_by=pat)] == ["Acme Ltd"]
    closure = confirmed(cast, pat)
    work(closure.id, pat)
    assert (due(firm.acme), due(firm.rival)) == (LATER, COLLECT)
    with pytest.raises(NotAllowed):
        follow_day_off(firm.rival, DayOff(CLOSED), [], by=pat)
    with pytest.raises(NotAllowed):
        add_closure(new_id(), closed_on=CLOSED, name="Strike", by=cast.actor(cast.sam), seen="")
    sam = sign_in(client, cast.sam)
    assert sam.post("/settings/closures", data={"closed_on": CLOSED.isoformat(), "name": "X"}).status_code == 403


def test_what_moves_in_many_jobs_is_asked_in_as_many_statements_as_in_one(firm: Firm, max_queries: Any) -> None:
    for n in range(6):
        firm.make(make_client(f"Client {n}", firm.cast.office))
    pat = firm.cast.actor(firm.cast.pat)
    db.session.expire_all()
    with max_queries(8):
        found = shifts_of([], DayOff(CLOSED), seen_by=pat)
    assert len(found) == 8 and all(each.moving for each in found)
