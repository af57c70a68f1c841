"""Timers: one runs, the others wait, none is lost."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.clock import now
from app.core.db import db
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.timekeeping.commands.timers import (
    Target,
    discard_timer,
    elapsed,
    is_forgotten,
    pause_timer,
    restore_timer,
    resume_timer,
    start_timer,
    stop_timer,
)
from app.timekeeping.models import Timer
from app.timekeeping.queries import get_timer, list_timers
from tests.jobs.make_jobs import make_job, make_task
from tests.make import Cast, count

NOON = dt.datetime(2026, 11, 19, 12, tzinfo=dt.UTC)
MINUTES = dt.timedelta(minutes=1)


def test_starting_another_pauses_the_first_with_its_time(cast: Cast) -> None:
    sam = cast.actor(cast.sam)
    with clock.travel_to(NOON):
        first = start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=sam)
    with clock.travel_to(NOON + 30 * MINUTES):
        second = start_timer(new_id(), Target(engagement_id=cast.rival_work.id), by=sam)
    with clock.travel_to(NOON + 50 * MINUTES):
        assert (elapsed(first), elapsed(second)) == (30 * MINUTES, 20 * MINUTES)
        resume_timer(first, by=sam)
    with clock.travel_to(NOON + 60 * MINUTES):
        assert (elapsed(first), elapsed(second)) == (40 * MINUTES, 20 * MINUTES)
        assert [timer.id for timer in list_timers(seen_by=sam)] == [first.id, second.id]


def test_starting_on_the_same_work_again_goes_on_with_its_timer(cast: Cast) -> None:
    sam, target = cast.actor(cast.sam), Target(task_id=make_task(make_job(cast.acme_work)).id)
    timer = start_timer(new_id(), target, by=sam)
    assert start_timer(new_id(), target, by=sam).id == timer.id
    pause_timer(timer, by=sam)
    assert start_timer(new_id(), target, by=sam).id == timer.id and timer.running_since and count(Timer) == 1


def test_a_forgotten_timer_asks_also_after_it_was_paused_by_another(cast: Cast) -> None:
    sam = cast.actor(cast.sam)
    with clock.travel_to(NOON):
        timer = start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=sam)
    with clock.travel_to(NOON + dt.timedelta(hours=20)):
        assert is_forgotten(timer)
        start_timer(new_id(), Target(engagement_id=cast.rival_work.id), by=sam)
        assert is_forgotten(timer) and timer.running_since is None
        for press in (lambda: stop_timer(timer, by=sam), lambda: resume_timer(timer, by=sam)):
            with pytest.raises(Refused, match="overnight"):
                press()
        (entry,) = stop_timer(timer, by=sam, recorded=90 * MINUTES)
    assert (entry.recorded, entry.worked_on) == (90 * MINUTES, NOON.date())


def test_a_discarded_timer_can_be_taken_back_with_its_time(cast: Cast) -> None:
    sam = cast.actor(cast.sam)
    with clock.travel_to(NOON):
        timer = start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=sam)
    with clock.travel_to(NOON + 25 * MINUTES):
        discard_timer(timer, by=sam)
        assert not list_timers(seen_by=sam)
    with clock.travel_to(NOON + 30 * MINUTES):
        restore_timer(timer, by=sam)
        assert [elapsed(each) for each in list_timers(seen_by=sam)] == [25 * MINUTES]


def test_the_timer_of_another_is_not_there(cast: Cast) -> None:
    timer = start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=cast.actor(cast.sam))
    for other in (cast.actor(cast.mel), cast.contact(cast.cleo)):
        with pytest.raises(NotFound):
            get_timer(timer.id, seen_by=other)
    with pytest.raises(NotFound):
        start_timer(new_id(), Target(engagement_id=cast.rival_work.id), by=cast.actor(cast.wes))


def test_the_database_itself_lets_only_one_run(cast: Cast) -> None:
    sam = cast.actor(cast.sam)
    start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=sam)
    other = start_timer(new_id(), Target(engagement_id=cast.rival_work.id), by=sam)
    with pytest.raises(sa.exc.IntegrityError), db.session.begin_nested():
        db.session.execute(sa.update(Timer).where(Timer.id != other.id).values(running_since=now()))
