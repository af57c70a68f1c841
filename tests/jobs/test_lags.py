"""Working days between two steps: counted once, on one calendar, and again when that calendar changes."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.activity.models import Event, EventPayload
from app.clients.access import actor_for
from app.clients.commands.clients import facts_of, update_client
from app.core.actors import SYSTEM
from app.core.clock import travel_to
from app.core.db import db, transaction
from app.core.ids import new_id
from app.firm.commands.entities import OfficeFacts, add_closure, remove_closure, update_office
from app.firm.models import Closure, Office
from app.jobs.background import count_anew
from app.jobs.commands.dependencies import add_dependency, remove_dependency
from app.jobs.commands.lags import open_after_lags, recount_lags
from app.jobs.commands.tasks import complete_task, reopen_task, start_task
from app.jobs.models import Dependency, Job, Task, TaskState
from app.jobs.proofs import prove_counts, prove_lags, prove_readiness, prove_waited_on
from app.people.models import Person
from tests.jobs.make_jobs import make_job, make_task, settle
from tests.make import make_cast

MONDAY = dt.datetime(2025, 11, 3, 12, tzinfo=dt.UTC)


def pair(cast: Any, lag: int = 2) -> tuple[Task, Task]:
    job = make_job(cast.acme_work)
    first = make_task(job, "Post")
    later = make_task(job, "Check arrival", after=(first,), lag=lag)
    settle(job)
    return first, later


def events(*tasks: Task) -> int:
    db.session.flush()
    return int(db.session.scalar(sa.select(sa.func.count()).where(Event.subject_id.in_([t.id for t in tasks]))) or 0)


def test_done_pressed_again_days_later_leaves_the_step_that_waited_as_it_is(cast: Any) -> None:
    with travel_to(MONDAY):
        first, later = pair(cast)
        complete_task(first, by=cast.actor(cast.sam))
    with travel_to(MONDAY + dt.timedelta(days=3)):
        open_after_lags()
        db.session.refresh(later)
        assert later.state is TaskState.READY
        before = events(first, later)
        assert not complete_task(first, by=cast.actor(cast.sam)).now_done
        settle(db.session.get_one(Job, first.job_id))
        db.session.refresh(later)
        assert later.state is TaskState.READY and later.open_after is None and events(first, later) == before


def test_a_closure_added_while_a_lag_runs_opens_the_step_a_day_later(cast: Any) -> None:
    with travel_to(MONDAY):
        first, later = pair(cast)
        complete_task(first, by=cast.actor(cast.sam))
        db.session.refresh(later)
        assert later.open_after == dt.date(2025, 11, 5)
        closure = add_closure(new_id(), by=cast.actor(cast.pat), closed_on=dt.date(2025, 11, 4), name="Moving house")
        assert recount_lags(None) == 1 and recount_lags(None) == 0
        db.session.refresh(later)
        assert later.open_after == dt.date(2025, 11, 6) and not [*prove_readiness()]
        remove_closure(db.session.get_one(Closure, closure.id), by=cast.actor(cast.pat))
        assert recount_lags(None) == 1
        db.session.refresh(later)
        assert later.open_after == dt.date(2025, 11, 5) and not [*prove_readiness()]


def tell_readers(kind: str) -> Event:
    """What jobs do once the last event of a kind is sealed; that event."""
    event = db.session.scalars(sa.select(Event).where(Event.kind == kind).order_by(Event.id.desc()).limit(1)).one()
    count_anew(event, db.session.get_one(EventPayload, event.id).data or {})
    return event


def test_another_calendar_of_the_office_while_a_lag_runs_opens_the_step_on_its_days(cast: Any) -> None:
    with travel_to(MONDAY + dt.timedelta(days=7)):
        first, later = pair(cast)
        complete_task(first, by=cast.actor(cast.sam))
        facts = OfficeFacts(name=cast.office.name, entity_id=cast.entity.id, zone="Europe/London", calendar="US-DC")
        update_office(cast.office, facts, by=cast.actor(cast.ada))
        tell_readers("firm.office.update")
        db.session.refresh(later)
        assert later.open_after == dt.date(2025, 11, 13)  # the 11th is Veterans Day
        assert not [*prove_readiness(), *prove_lags()]
        update_office(cast.office, replace(facts, name="Washington"), by=cast.actor(cast.ada))
        job = db.session.get_one(Job, later.job_id)
        job.plan_stale = False
        db.session.flush()
        tell_readers("firm.office.update")
        db.session.refresh(job)
        assert not job.plan_stale
        count_anew(tell_readers("firm.office.update"), {})  # erased meanwhile: it may have been the calendar
        db.session.refresh(job)
        assert job.plan_stale


def test_a_client_who_goes_to_another_office_is_worked_for_on_its_days(cast: Any) -> None:
    with travel_to(dt.datetime(2025, 3, 14, 12, tzinfo=dt.UTC)):
        first, later = pair(cast)
        complete_task(first, by=cast.actor(cast.sam))
        db.session.refresh(later)
        assert later.open_after == dt.date(2025, 3, 18)
        dublin = db.session.scalars(sa.select(Office).where(Office.calendar == "IE")).one()
        update_client(cast.acme, replace(facts_of(cast.acme), office_id=dublin.id), by=SYSTEM)
        tell_readers("clients.client.update")
        db.session.refresh(later)
        assert later.open_after == dt.date(2025, 3, 19)  # Saint Patrick's Day
        assert not [*prove_readiness(), *prove_lags()]


def test_a_closure_added_while_a_step_was_under_way_counts_once_it_waits_again(cast: Any) -> None:
    by = cast.actor(cast.sam)
    with travel_to(MONDAY):
        first, later = pair(cast, lag=2)
        complete_task(first, by=by)
    with travel_to(MONDAY + dt.timedelta(days=2)):
        open_after_lags()
        db.session.refresh(later)
        complete_task(later, by=by)
        add_closure(new_id(), by=cast.actor(cast.pat), closed_on=dt.date(2025, 11, 5), name="Strike")
        recount_lags(None)
        reopen_task(later, by=by)
        db.session.refresh(later)
        assert later.state is TaskState.BLOCKED and later.open_after == dt.date(2025, 11, 6)
        assert not [*prove_readiness(), *prove_lags()]


def test_what_is_put_before_a_step_under_way_is_waited_for_by_nobody_once_that_is_done(cast: Any) -> None:
    job = make_job(cast.acme_work)
    first, later = make_task(job, "First", assignee_id=cast.sam.id), make_task(job, "Later", assignee_id=cast.sam.id)
    settle(job)
    by = cast.actor(cast.mel)
    start_task(db.session.get_one(Task, later.id), by=by)
    add_dependency(db.session.get_one(Task, later.id), after=db.session.get_one(Task, first.id), by=by)
    db.session.expire_all()
    assert first.waited_on_by == 1
    complete_task(db.session.get_one(Task, later.id), by=by)
    db.session.expire_all()
    assert first.waited_on_by == 0 and list(prove_waited_on()) == []


def test_taking_away_an_order_across_jobs_leaves_nobody_waited_for(cast: Any) -> None:
    by = cast.actor(cast.mel)
    job, other = make_job(cast.acme_work), make_job(cast.acme_work, "Other")
    first, second = make_task(job, "First"), make_task(other, "Second")
    settle(job)
    settle(other)
    dependency = add_dependency(second, after=first, by=by)
    db.session.refresh(first)
    assert first.waited_on_by == 1
    remove_dependency(dependency, second, by=by)
    db.session.refresh(first)
    assert first.waited_on_by == 0
    before = events(second)
    remove_dependency(dependency, second, by=by)
    assert events(second) == before, "the second time nothing happens"


@pytest.mark.real
def test_a_step_finished_while_an_order_is_being_added_keeps_its_lag(real_app: Flask) -> None:
    with real_app.app_context():
        with transaction():
            cast = make_cast()
            job = make_job(cast.acme_work)
            first, second = make_task(job, "Post"), make_task(job, "Check arrival")
            settle(job)
        ids, sam, mel = (job.id, first.id, second.id), cast.sam.id, cast.mel.id
        db.session.remove()
    has_read, has_finished = Signal(), Signal()

    def add() -> None:
        with real_app.app_context():
            after, waiting = db.session.get_one(Task, ids[1]), db.session.get_one(Task, ids[2])
            by = actor_for(db.session.get_one(Person, mel))
            has_read.set()
            assert has_finished.wait(60)
            add_dependency(waiting, after=after, by=by, lag_days=3)
            db.session.remove()

    adding = Thread(target=add)
    adding.start()
    assert has_read.wait(60)
    with real_app.app_context():
        complete_task(db.session.get_one(Task, ids[1]), by=actor_for(db.session.get_one(Person, sam)))
        db.session.remove()
    has_finished.set()
    adding.join(60)
    with real_app.app_context():
        assert db.session.scalar(sa.select(Dependency.opens_on).where(Dependency.task_id == ids[2])) is not None
        assert db.session.get_one(Task, ids[2]).state is TaskState.BLOCKED
        assert not [*prove_readiness(), *prove_counts()]
        db.session.remove()
