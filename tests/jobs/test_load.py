"""What is left to do has one definition; at risk goes by it, and by everybody's other work, hours and leave."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.core.clock import travel_to
from app.core.db import db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.firm.commands.entities import add_closure
from app.jobs.commands.plan import plan_stale_jobs, spread_load_changes
from app.jobs.commands.steps import TaskChange, edit_task
from app.jobs.commands.tasks import assign_task, complete_task, say_remaining
from app.jobs.commands.usual import count_usual_times
from app.jobs.models import Job, LoadChange, Task, UsualTime
from app.jobs.proofs import prove_plans
from app.jobs.queries.load import LEFT, due_by
from app.people.commands.leave import NewLeave, add_leave, cancel_leave
from app.people.commands.people import set_hours
from app.people.models import Leave, LeaveKind
from tests.jobs.make_jobs import make_chain, make_job, make_service, make_task, settle
from tests.make import sign_in
from tests.timekeeping.make_time import make_entry

MONDAY = dt.datetime(2025, 11, 17, 9, tzinfo=dt.UTC)
FRIDAY = dt.date(2025, 11, 21)


def hours(number: float) -> dt.timedelta:
    return dt.timedelta(hours=number)


def left_of(task: Task) -> dt.timedelta:
    db.session.flush()
    found = db.session.scalar(sa.select(LEFT).select_from(Task).join(Job).where(Task.id == task.id))
    return dt.timedelta(seconds=int(found))


def plan_all() -> None:
    spread_load_changes()
    while plan_stale_jobs():
        pass
    db.session.expire_all()


def faults() -> list[str]:
    return [finding.message for finding in prove_plans() if not finding.note]


def test_left_is_what_was_said_else_the_estimate_else_the_usual_time_less_what_was_recorded(cast: Any) -> None:
    with travel_to(MONDAY):
        service = make_service()
        job = make_job(cast.acme_work, service_id=service.id)
        estimated = make_task(job, "Estimated", estimate=hours(5), spent=hours(2))
        bare, other = make_task(job, "Bare", step_key="bank"), make_task(job, "Other")
        assert [left_of(task) for task in (estimated, bare, other)] == [hours(3), hours(1), hours(1)]
        for number, spent in enumerate((2, 3, 7)):
            past = make_job(cast.acme_work, f"Past {number}", service_id=service.id)
            done = make_task(past, "Bare", step_key="bank", spent=hours(spent))
            make_task(past, "Long", spent=hours(20))
            settle(past)
            complete_task(db.session.get_one(Task, done.id), by=cast.actor(cast.sam))
        assert count_usual_times() == 3 and count_usual_times() == 0
        assert (left_of(bare), left_of(other)) == (hours(3), hours(3)), "of this step, of the service"
        elsewhere = make_task(make_job(cast.acme_work, "No service"), "Advice")
        assert left_of(elsewhere) == hours(3), "of the firm"
        settle(job)
        say_remaining(estimated, hours(8), by=cast.actor(cast.sam))
        assert left_of(estimated) == hours(8)
        estimated.spent += hours(1)
        assert left_of(estimated) == hours(7), "what is recorded after it was said counts against it"
        estimated.spent += hours(30)
        assert left_of(estimated) == hours(0)
        say_remaining(estimated, None, by=cast.actor(cast.sam))
        assert estimated.remaining_on is None and left_of(estimated) == hours(0)
        assert db.session.scalar(sa.select(sa.func.count()).select_from(UsualTime)) == 3


def test_what_is_left_can_be_said_by_whoever_works_and_by_nobody_else(client: FlaskClient, cast: Any) -> None:
    job = make_job(cast.rival_work)
    (task,) = make_chain(job, "Prepare", estimate=hours(5))
    for someone in (cast.actor(cast.wes), cast.contact(cast.otto)):
        with pytest.raises(NotAllowed):
            say_remaining(task, hours(2), by=someone)
    sign_in(client, cast.sam)
    assert client.post(f"/tasks/{task.id}/remaining", data={"left": "2:30"}).status_code == 303
    db.session.expire_all()
    assert db.session.get_one(Task, task.id).remaining == hours(2.5)
    assert ">2:30<" in client.get(f"/tasks/{task.id}").text
    assert client.post(f"/tasks/{task.id}/remaining", data={"left": "soon"}).status_code == 422
    task = db.session.get_one(Task, task.id)
    complete_task(task, by=cast.actor(cast.sam))
    with pytest.raises(Refused, match="nothing is left"):
        say_remaining(task, hours(1), by=cast.actor(cast.sam))


def test_what_is_said_to_be_left_has_its_job_planned_anew_unless_nothing_changes(two: Any, cast: Any) -> None:
    (job, _other), (task, _another) = two
    sam = cast.actor(cast.sam)

    def is_stale() -> bool:
        return bool(db.session.scalar(sa.select(Job.plan_stale).where(Job.id == job.id)))

    for left, stale in ((hours(20), True), (hours(20), False), (None, True), (None, False)):
        with transaction():
            db.session.execute(sa.update(Job).values(plan_stale=False))
        say_remaining(task, left, by=sam)
        assert is_stale() is stale, left


@pytest.fixture
def two(cast: Any) -> Any:
    """Two planned jobs of Sam's, due on Friday: 30 of his 37:30 hours are taken."""
    with travel_to(MONDAY), transaction():
        jobs = [make_job(cast.acme_work, f"Job {n}", due_on=FRIDAY, starts_on=dt.date(2025, 11, 3)) for n in range(2)]
        tasks = [make_task(job, f"Step of {job.title}", estimate=hours(15), assignee_id=cast.sam.id) for job in jobs]
    with travel_to(MONDAY):
        for job in jobs:
            settle(job)
        plan_all()
        assert [job.at_risk_because for job in jobs] == ["", ""] and faults() == []
        yield jobs, tasks


Act = Callable[[Any, Task], Any]
ACTS: dict[str, Act] = {
    "another job's estimate": lambda cast, task: edit_task(
        task, TaskChange(name=task.name, instructions="", estimate=hours(30), due_on=task.due_on, priority=0),
        version=None, by=cast.actor(cast.mel)),
    "what is said to be left of another job": lambda cast, task: say_remaining(
        task, hours(29), by=cast.actor(cast.sam)),
    "leave": lambda cast, task: add_leave(
        cast.sam, NewLeave(id=new_id(), kind=LeaveKind.HOLIDAY, from_on=dt.date(2025, 11, 19), to_on=FRIDAY),
        by=cast.actor(cast.sam)),
    "fewer hours": lambda cast, task: set_hours(
        cast.sam, dt.date(2025, 11, 17), [120] * 5 + [0, 0], by=cast.actor(cast.pat)),
    "a closure": lambda cast, task: [
        add_closure(new_id(), closed_on=dt.date(2025, 11, day), name="Closed", by=cast.actor(cast.pat))
        for day in (19, 20)],
}


@pytest.mark.parametrize("what", ACTS)
def test_a_job_is_at_risk_through_what_changes_outside_it(two: Any, cast: Any, what: str) -> None:
    jobs, tasks = two
    ACTS[what](cast, tasks[1])
    db.session.flush()
    assert faults() == [], "what is marked is being worked out, and no fault"
    assert any(finding.note for finding in prove_plans())
    plan_all()
    assert "Sam has" in jobs[0].at_risk_because, what
    assert faults() == []


def test_a_job_is_out_of_risk_when_the_other_work_goes_away(two: Any, cast: Any) -> None:
    jobs, tasks = two
    leave = ACTS["leave"](cast, tasks[1])
    plan_all()
    assert jobs[0].at_risk_because
    cancel_leave(db.session.get_one(Leave, leave.id), by=cast.actor(cast.sam))
    plan_all()
    assert jobs[0].at_risk_because == ""
    ACTS["another job's estimate"](cast, tasks[1])
    plan_all()
    assert jobs[0].at_risk_because
    assign_task(db.session.get_one(Task, tasks[1].id), to=cast.mel, by=cast.actor(cast.mel))
    plan_all()
    assert jobs[0].at_risk_because == "" and faults() == []
    assert db.session.scalar(sa.select(sa.func.count()).select_from(LoadChange)) == 0


LATE = FRIDAY + dt.timedelta(days=14)
NARROW: dict[str, Act] = {
    "another job's estimate": ACTS["another job's estimate"],
    "time recorded on another job": lambda cast, task: make_entry(cast, task_id=task.id, worked_on=MONDAY.date()),
    "leave": lambda cast, task: add_leave(
        cast.sam, NewLeave(id=new_id(), kind=LeaveKind.HOLIDAY, from_on=LATE, to_on=LATE), by=cast.actor(cast.sam)),
    "a closure": lambda cast, task: add_closure(
        new_id(), closed_on=LATE, name="Closed", by=cast.actor(cast.pat)),
    "another job's step that is due on no day": lambda cast, task: edit_task(
        db.session.scalars(sa.select(Task).where(Task.name == "Undated")).one(),
        TaskChange(name="Undated", instructions="", estimate=hours(30), due_on=None, priority=0),
        version=None, by=cast.actor(cast.mel)),
}


@pytest.mark.parametrize("what", NARROW)
def test_what_changes_after_a_job_must_be_done_does_not_have_it_planned_again(
    two: Any, cast: Any, what: str
) -> None:
    """The first job is due on Friday; the other one, and whatever changes, two weeks after that."""
    jobs, tasks = two
    by = cast.actor(cast.mel)
    make_task(jobs[1], "Undated", assignee_id=cast.sam.id, estimate=hours(1), due_on=None)
    jobs[1].due_on = LATE
    edit_task(tasks[1], TaskChange(name=tasks[1].name, instructions="", estimate=tasks[1].estimate, due_on=LATE,
                                   priority=0), version=None, by=by)
    settle(jobs[1])
    plan_all()
    NARROW[what](cast, db.session.get_one(Task, tasks[1].id))
    db.session.flush()
    spread_load_changes()
    db.session.expire_all()
    assert (jobs[0].plan_stale, jobs[1].plan_stale) == (False, True), what
    plan_all()
    assert faults() == []


def test_what_nobody_has_and_what_has_no_estimate_is_in_the_weeks_load(cast: Any) -> None:
    with travel_to(MONDAY):
        job, rival = make_job(cast.acme_work, due_on=FRIDAY), make_job(cast.rival_work, due_on=FRIDAY)
        make_task(job, "Nobody's", estimate=hours(4))
        make_task(job, "No estimate", assignee_id=cast.sam.id)
        make_task(rival, "Secret", estimate=hours(2))
        make_task(job, "Later", due_on=FRIDAY + dt.timedelta(days=20), estimate=hours(9))
        sunday = FRIDAY + dt.timedelta(days=2)
        assert due_by(sunday, seen_by=cast.actor(cast.pat)) == {None: hours(6), cast.sam.id: hours(1)}
        assert due_by(sunday, seen_by=cast.actor(cast.wes)) == {None: hours(4), cast.sam.id: hours(1)}
        assert due_by(sunday, seen_by=cast.contact(cast.otto)) == {}
