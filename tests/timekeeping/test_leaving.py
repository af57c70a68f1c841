"""What is left on the clock of whoever leaves or is walled off: several timers at once, in the one order of locks."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from app.clients.commands.engagements import close_engagement
from app.clients.commands.walls import raise_wall
from app.clients.models import Client, Engagement
from app.core.clock import travel_to
from app.core.db import db
from app.core.ids import new_id
from app.jobs.models import Task
from app.people.commands.people import deactivate_person
from app.people.models import PersonState
from app.timekeeping.commands.timers import start_timer
from app.timekeeping.models import TimeEntry, Timer
from app.timekeeping.targets import Target
from tests.billing.make_billing import make_rate
from tests.jobs.make_jobs import make_job, make_task
from tests.make import Cast, count

MORNING = dt.datetime(2026, 11, 19, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def test_the_timer_of_whoever_leaves_becomes_their_entry(cast: Cast) -> None:
    with travel_to(MORNING):
        start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=cast.actor(cast.sam), note="Reconciling")
    with travel_to(MORNING + dt.timedelta(minutes=90)):
        deactivate_person(cast.sam, by=cast.actor(cast.ada), to=cast.mel)
    entry = db.session.scalars(sa.select(TimeEntry)).one()
    assert entry.person_id == cast.sam.id and entry.narrative == "Reconciling"
    assert entry.recorded == dt.timedelta(minutes=90)
    assert count(Timer) == 0


def test_a_forgotten_timer_keeps_nobody_and_counts_ten_hours_at_most(cast: Cast) -> None:
    with travel_to(MORNING - dt.timedelta(days=3)):
        start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=cast.actor(cast.sam))
    deactivate_person(cast.sam, by=cast.actor(cast.pat))
    assert cast.sam.state is PersonState.DEACTIVATED
    assert db.session.scalars(sa.select(TimeEntry)).one().recorded == dt.timedelta(hours=10)


@pytest.fixture
def steps(cast: Cast) -> list[Task]:
    """A step for each of two clients, in the order of their ids; an hour costs 100."""
    make_rate("100")
    made = [make_task(make_job(work)) for work in (cast.acme_work, cast.rival_work)]
    return sorted(made, key=lambda step: step.id)


def _time(cast: Cast, steps: list[Task], at: dt.datetime = MORNING) -> None:
    """Sam's timers on these steps, the first of them first."""
    for number, step in enumerate(steps):
        with travel_to(at + number * HOUR):
            start_timer(new_id(), Target(task_id=step.id), by=cast.actor(cast.sam))


def _entries() -> list[tuple[object, dt.timedelta]]:
    rows = db.session.execute(sa.select(TimeEntry.task_id, TimeEntry.recorded).order_by(TimeEntry.task_id))
    return [tuple(row) for row in rows]  # type: ignore[misc]


@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
def test_all_timers_of_whoever_leaves_become_entries(cast: Cast, steps: list[Task], backwards: bool) -> None:
    _time(cast, steps[::-1] if backwards else steps)
    with travel_to(MORNING + 2 * HOUR):
        deactivate_person(cast.sam, by=cast.actor(cast.pat))
    db.session.expire_all()
    assert _entries() == [(step.id, HOUR) for step in steps]
    assert [step.spent for step in steps] == [HOUR, HOUR]
    assert not db.session.scalars(sa.select(Timer)).all()


def test_a_timer_on_an_earlier_step_than_those_that_are_handed_over_becomes_an_entry(
    cast: Cast, steps: list[Task]
) -> None:
    steps[1].assignee_id = cast.sam.id
    db.session.flush()
    _time(cast, steps[:1])
    with travel_to(MORNING + HOUR):
        deactivate_person(cast.sam, by=cast.actor(cast.pat), to=cast.mel)
    db.session.expire_all()
    assert _entries() == [(steps[0].id, HOUR)] and steps[1].assignee_id == cast.mel.id


@pytest.mark.parametrize("around", [Client, Engagement], ids=["a client", "an engagement"])
def test_timers_on_several_steps_behind_a_new_wall_become_entries(cast: Cast, around: type) -> None:
    make_rate("100")
    steps = sorted((make_task(make_job(cast.acme_work)) for _ in range(3)), key=lambda step: step.id)
    steps[1].assignee_id = cast.sam.id
    db.session.flush()
    _time(cast, [steps[2], steps[0]])
    with travel_to(MORNING + 2 * HOUR):
        raise_wall(new_id(), cast.sam, cast.acme if around is Client else cast.acme_work, "Family",
                   by=cast.actor(cast.ada), to=cast.mel)
    db.session.expire_all()
    assert _entries() == [(steps[0].id, HOUR), (steps[2].id, HOUR)]


def test_one_of_which_no_entry_can_be_made_keeps_no_other_back(cast: Cast, steps: list[Task]) -> None:
    _time(cast, steps)
    close_engagement(db.session.get_one(Engagement, steps[0].engagement_id), by=cast.actor(cast.pat))
    with travel_to(MORNING + 2 * HOUR):
        deactivate_person(cast.sam, by=cast.actor(cast.pat))
    db.session.expire_all()
    assert _entries() == [(steps[1].id, HOUR)]
    assert [timer.task_id for timer in db.session.scalars(sa.select(Timer))] == [steps[0].id]
