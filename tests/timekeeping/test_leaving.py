"""What is left on the clock of whoever leaves."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.core.clock import now, travel_to
from app.core.db import db
from app.core.ids import new_id
from app.people.commands.people import deactivate_person
from app.people.models import PersonState
from app.timekeeping.commands.timers import start_timer
from app.timekeeping.models import TimeEntry, Timer
from app.timekeeping.targets import Target
from tests.make import Cast, count


def test_the_timer_of_whoever_leaves_becomes_their_entry(cast: Cast) -> None:
    with travel_to(now() - dt.timedelta(minutes=90)):
        start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=cast.actor(cast.sam), note="Reconciling")
    deactivate_person(cast.sam, by=cast.actor(cast.ada), to=cast.mel)
    entry = db.session.scalars(sa.select(TimeEntry)).one()
    assert entry.person_id == cast.sam.id and entry.narrative == "Reconciling"
    assert dt.timedelta(minutes=90) <= entry.recorded < dt.timedelta(minutes=92)
    assert count(Timer) == 0


def test_a_forgotten_timer_keeps_nobody_and_counts_ten_hours_at_most(cast: Cast) -> None:
    with travel_to(now() - dt.timedelta(days=3)):
        start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=cast.actor(cast.sam))
    deactivate_person(cast.sam, by=cast.actor(cast.pat))
    assert cast.sam.state is PersonState.DEACTIVATED
    assert db.session.scalars(sa.select(TimeEntry)).one().recorded == dt.timedelta(hours=10)
