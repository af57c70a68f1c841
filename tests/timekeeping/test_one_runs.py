"""Many at once, in a database in which transactions really end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from app.clients.access import actor_for
from app.core.clock import today
from app.core.db import db
from app.core.ids import new_id
from app.people.models import Person
from app.timekeeping.commands.entries import EntryFacts, record_entry
from app.timekeeping.commands.timers import Target, pause_timer, start_timer, stop_timer
from app.timekeeping.models import TimeEntry, Timer
from tests.make import count, make_cast
from tests.timekeeping.make_time import make_rate, wip_of

pytestmark = pytest.mark.real
THREADS = 8


def at_once(app: Flask, work: Callable[[int], object]) -> None:
    """The same from eight threads, each with a connection of its own."""

    def one(number: int) -> None:
        with app.app_context():
            try:
                work(number)
            finally:
                db.session.remove()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(THREADS)))


def test_one_timer_runs_however_many_start_at_once(real_app: Flask) -> None:
    with real_app.app_context():
        cast = make_cast()
        db.session.commit()
        person_id, targets = cast.sam.id, (cast.acme_work.id, cast.rival_work.id)
    started: list[UUID] = []

    def start(number: int) -> None:
        by = actor_for(db.session.get_one(Person, person_id))
        started.append(start_timer(new_id(), Target(engagement_id=targets[number % 2]), by=by).id)

    at_once(real_app, start)
    with real_app.app_context():
        running = db.session.scalars(sa.select(Timer).where(Timer.running_since.is_not(None))).all()
        assert len(started) == THREADS and len(running) == 1 and count(Timer) == 2


def test_stop_pressed_eight_times_makes_one_entry(real_app: Flask) -> None:
    with real_app.app_context():
        cast = make_cast()
        make_rate("60")
        db.session.commit()
        by = cast.actor(cast.sam)
        timer_id = start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=by).id
        person_id, engagement = cast.sam.id, cast.acme_work
    made: list[UUID] = []

    def stop(number: int) -> None:
        by = actor_for(db.session.get_one(Person, person_id))
        timer = db.session.get(Timer, timer_id)
        if timer is None:
            return
        if number % 2:
            pause_timer(timer, by=by)
        made.extend(entry.id for entry in stop_timer(timer, by=by))

    at_once(real_app, stop)
    with real_app.app_context():
        assert len(set(made)) == 1 and count(TimeEntry) == 1 and count(Timer) == 0
        assert wip_of(engagement) == db.session.scalar(sa.select(TimeEntry.value))


def test_an_entry_sent_eight_times_at_once_is_one(real_app: Flask) -> None:
    with real_app.app_context():
        cast = make_cast()
        make_rate("60")
        db.session.commit()
        person_id, engagement = cast.sam.id, cast.acme_work
    entry_id = new_id()
    facts = EntryFacts(engagement_id=engagement.id, worked_on=today(), recorded=dt.timedelta(hours=1))
    at_once(real_app, lambda _: record_entry(entry_id, facts, by=actor_for(db.session.get_one(Person, person_id))))
    with real_app.app_context():
        assert count(TimeEntry) == 1 and wip_of(engagement) == 60
