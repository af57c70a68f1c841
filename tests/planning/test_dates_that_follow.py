"""A step that is due some days after another one follows it: finished, moved or opened again."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.activity.sentences import told
from app.catalogue.queries import get_blueprint
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.jobs.calendars import calendar_of
from app.jobs.commands.plan import plan
from app.jobs.commands.steps import TaskChange, edit_task
from app.jobs.commands.tasks import complete_task, reopen_task
from app.jobs.models import Job, Task
from app.planning.commands.create import create_planned_job
from app.planning.facts import client_facts, staffing
from app.planning.periods import PeriodKind, PeriodPattern
from app.planning.plans import Wish, plan_job
from tests.make import Cast
from tests.planning.make_planning import make_service


@pytest.fixture
def steps(session: Session, cast: Cast) -> dict[str, Task]:
    """A job whose "Post" is due five working days after "Collect" is done."""
    service, template = make_service(request=False)
    facts = client_facts([cast.acme.id], service.id, seen_by=SYSTEM)[cast.acme.id]
    wish = Wish(PeriodPattern(PeriodKind.MONTH), clock.today() - dt.timedelta(days=60))
    planned = plan_job(facts, get_blueprint(template.id), service.name, wish, staffing(), origin="test:1")
    job_id, _ = create_planned_job(planned, by=SYSTEM)
    return {task.name: task for task in session.scalars(sa.select(Task).where(Task.job_id == job_id))}


def planned_again(task: Task) -> dt.date | None:
    with transaction():
        plan([task.job_id])
    db.session.expire_all()
    return task.due_on


def change(task: Task, due_on: dt.date | None) -> TaskChange:
    return TaskChange(
        name=task.name, instructions=task.instructions, estimate=task.estimate, due_on=due_on, priority=task.priority
    )


def test_finishing_late_moves_what_counts_from_it(steps: dict[str, Task], cast: Cast) -> None:
    post, calendar = steps["Post"], calendar_of(cast.acme.id)
    at_first, version = planned_again(post), post.version
    assert at_first is not None and at_first < clock.today()
    complete_task(steps["Collect"], by=cast.actor(cast.sam))
    assert planned_again(post) == calendar.add_working_days(clock.today(), 5)
    assert post.version == version + 1
    event = db.session.scalars(sa.select(Event).where(Event.kind == "jobs.task.redated")).one()
    assert "counts from an earlier step" in told(event.kind, {"name": "Post", "due_on": None})[0]
    reopen_task(steps["Collect"], by=cast.actor(cast.sam))
    assert planned_again(post) == at_first


def test_moving_a_step_by_hand_moves_what_counts_from_it(steps: dict[str, Task], cast: Cast) -> None:
    collect, post = steps["Collect"], steps["Post"]
    later = clock.today() + dt.timedelta(days=30)
    edit_task(collect, change(collect, later), version=collect.version, by=cast.actor(cast.mel))
    assert planned_again(post) == calendar_of(cast.acme.id).add_working_days(later, 5)


def test_a_day_set_by_hand_stays(steps: dict[str, Task], cast: Cast) -> None:
    post, mine = steps["Post"], clock.today() + dt.timedelta(days=3)
    edit_task(post, change(post, mine), version=post.version, by=cast.actor(cast.mel))
    complete_task(steps["Collect"], by=cast.actor(cast.sam))
    assert planned_again(post) == mine


def test_what_counts_from_no_step_stays_where_it_is(steps: dict[str, Task], cast: Cast, session: Session) -> None:
    review = steps["Review"]
    before = review.due_on
    complete_task(steps["Collect"], by=cast.actor(cast.sam))
    job = session.get_one(Job, review.job_id)
    assert planned_again(review) == before == job.due_on
