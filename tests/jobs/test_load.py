"""What is left to do has one definition; at risk goes by it, and by everybody's other work, hours and leave."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.catalogue.models import WorkRole
from app.core.clock import travel_to
from app.core.db import db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.firm.commands.entities import add_closure
from app.jobs.commands.dependencies import remove_dependency
from app.jobs.commands.plan import plan_stale_jobs, spread_load_changes
from app.jobs.commands.steps import TaskChange, edit_task
from app.jobs.commands.tasks import assign_task, complete_task, say_remaining
from app.jobs.commands.usual import count_usual_times
from app.jobs.models import Dependency, Job, JobStatus, LoadChange, Task, TaskState, UsualTime
from app.jobs.proofs import prove_plans
from app.jobs.queries.load import LEFT, NO_ROLE, Due, Load, LoadFilter, list_load, load_of
from app.people.commands.leave import NewLeave, add_leave, cancel_leave
from app.people.commands.people import set_hours
from app.people.models import Leave, LeaveKind, PersonState
from app.reports.dashboard import days_of_week, hours_of_week
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


def slowly(tasks: list[Task], active: set[Any], seen: set[Any]) -> dict[Any, list[dt.timedelta]]:
    """The same load told step by step: whose, and what is left of it by Sunday, later and on no day."""
    found: dict[Any, list[dt.timedelta]] = {}
    for task in tasks:
        if task.client_id not in seen or task.job_id not in active or task.state is TaskState.CANCELLED:
            continue
        if task.remaining is not None:
            assert task.remaining_spent is not None
            left = task.remaining - (task.spent - task.remaining_spent)
        else:
            left = (task.estimate if task.estimate is not None else hours(1)) - task.spent
        whose = task.assignee_id or (task.work_role.value if task.work_role else "no role")
        column = 2 if task.due_on is None else int(task.due_on > FRIDAY + dt.timedelta(days=2))
        found.setdefault(whose, [hours(0)] * 3)[column] += max(left, hours(0))
    return found


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_load_is_every_open_step_of_every_active_job_on_whoever_has_it_or_on_its_role(cast: Any, data: Any) -> None:
    """Held against the same rule told slowly, for who sees everything and for who is behind a wall."""
    half_hours = st.integers(0, 40).map(lambda number: hours(number / 2))
    with travel_to(MONDAY), db.session.begin_nested() as savepoint:
        tasks, active = [], set()
        for work in (cast.acme_work, cast.rival_work):
            job = make_job(work, "Job", status=data.draw(st.sampled_from([JobStatus.ACTIVE, JobStatus.ON_HOLD])))
            active |= {job.id} if job.status is JobStatus.ACTIVE else set()
            for number in range(data.draw(st.integers(1, 5))):
                days = data.draw(st.none() | st.integers(-20, 20))
                task = make_task(
                    job, f"Step {number}", estimate=data.draw(st.none() | half_hours), spent=data.draw(half_hours),
                    assignee_id=data.draw(st.sampled_from([None, None, cast.sam.id, cast.mel.id])),
                    work_role=data.draw(st.sampled_from([None, *WorkRole])),
                )
                task.due_on = None if days is None else FRIDAY + dt.timedelta(days=days)
                if data.draw(st.booleans()):
                    task.remaining, task.remaining_spent = data.draw(half_hours), task.spent
                    task.remaining_on = MONDAY.date()
                    task.spent += data.draw(half_hours)
                task.state = data.draw(st.sampled_from([TaskState.BLOCKED, TaskState.READY, TaskState.CANCELLED]))
                tasks.append(task)
        db.session.flush()
        for person, seen in ((cast.pat, {cast.acme.id, cast.rival.id}), (cast.wes, {cast.acme.id})):
            load = load_of(seen_by=cast.actor(person))
            assert {
                each.person_id or (each.role.value if each.role else "no role"): [each.week, each.later, each.undated]
                for each in load
            } == slowly(tasks, active, seen)
            for each in load:
                role = "" if each.person_id else each.role or NO_ROLE
                for due, left in ((Due.WEEK, each.week), (Due.LATER, each.later), (Due.UNDATED, each.undated)):
                    found = LoadFilter(person_id=each.person_id, role=role, due=due)
                    page = list_load(found, seen_by=cast.actor(person))
                    assert page.left == left == sum((row.left for row in page.rows), hours(0))
                guessed = LoadFilter(person_id=each.person_id, role=role, guessed=True)
                assert list_load(guessed, seen_by=cast.actor(person)).total == each.guessed
        savepoint.rollback()


def test_what_nobody_has_what_has_no_estimate_and_what_has_no_date_is_said_on_the_dashboard(
    client: FlaskClient, cast: Any
) -> None:
    with travel_to(MONDAY):
        job, rival = make_job(cast.acme_work, due_on=FRIDAY), make_job(cast.rival_work, due_on=FRIDAY)
        make_task(job, "Nobody's", estimate=hours(4), work_role=WorkRole.REVIEWER)
        make_task(job, "No estimate", assignee_id=cast.sam.id)
        make_task(rival, "Secret", estimate=hours(2))
        make_task(job, "Later", due_on=FRIDAY + dt.timedelta(days=20), estimate=hours(9))
        make_task(job, "Some day", estimate=hours(3), assignee_id=cast.sam.id).due_on = None
        db.session.flush()
        sam = Load(cast.sam.id, None, week=hours(1), undated=hours(3), guessed=1)
        reviewer, nobody = Load(None, WorkRole.REVIEWER, week=hours(4)), Load(None, None, hours(2), hours(9))
        assert load_of(seen_by=cast.actor(cast.pat)) == [sam, reviewer, nobody]
        assert load_of(seen_by=cast.actor(cast.wes)) == [sam, reviewer, Load(None, None, later=hours(9))]
        assert load_of(seen_by=cast.contact(cast.otto)) == []
        sign_in(client, cast.pat)
        page = " ".join(re.sub(r"<[^>]+>", " ", client.get("/dashboard").text).split())
        assert "Nobody reviewer 4:00 0:00 0:00 Nobody no role 2:00 9:00 0:00 All" in page
        assert "1 step of this has no estimate and counts by what such steps usually take." in page
        listed = client.get(f"/dashboard/load?person={cast.sam.id}").text
        assert ">no estimate<" in listed and ">no date<" in listed and "Nobody&#39;s" not in listed
        assert "Secret" in client.get("/dashboard/load?role=none").text
        sign_in(client, cast.sam)
        assert client.get("/dashboard/load").status_code == client.get("/dashboard/hours").status_code == 403


def test_work_of_somebody_who_has_left_stays_in_the_weeks_figures_without_hours(cast: Any) -> None:
    with travel_to(MONDAY):
        make_task(make_job(cast.acme_work, due_on=FRIDAY), "Left behind", estimate=hours(4), assignee_id=cast.sam.id)
        cast.sam.state = PersonState.DEACTIVATED
        db.session.flush()
        week = next(each for each in hours_of_week(seen_by=cast.actor(cast.pat)).people if each.id == cast.sam.id)
        assert (week.capacity, week.load.week) == (hours(0), hours(4))


def test_capacity_is_told_by_day_with_what_makes_it_less(client: FlaskClient, cast: Any) -> None:
    with travel_to(MONDAY):
        add_leave(cast.sam, NewLeave(id=new_id(), kind=LeaveKind.HOLIDAY, from_on=dt.date(2025, 11, 19),
                                     to_on=dt.date(2025, 11, 20), until_midday=True), by=cast.actor(cast.sam))
        add_closure(new_id(), closed_on=FRIDAY, name="Office moves", by=cast.actor(cast.pat))
        (row,) = days_of_week(seen_by=cast.actor(cast.pat), start=MONDAY.date(), person_id=cast.sam.id)
        assert [(worked, why) for _day, worked, why in row.days] == [
            (hours(7.5), ""), (hours(7.5), ""), (hours(0), "Away"), (hours(3.75), "Away half the day"),
            (hours(0), "Closed"), (hours(0), ""), (hours(0), ""),
        ]
        sign_in(client, cast.sam)
        assert "of 18:45 this week" in re.sub(r"<[^>]+>", "", client.get("/time").text), "the time sheet goes by it too"


def test_a_job_is_at_risk_by_what_it_waits_for_in_other_jobs_however_far(cast: Any) -> None:
    """Third waits for Second, which waits for First: First holds more work than there are days until Third is due."""
    with travel_to(MONDAY):
        with transaction():
            jobs = [make_job(cast.acme_work, name, due_on=due) for name, due in (
                ("First", dt.date(2026, 3, 2)), ("Second", dt.date(2026, 3, 2)), ("Third", FRIDAY))]
            first = make_task(jobs[0], "Dig", estimate=hours(10), assignee_id=cast.pat.id)
            second = make_task(jobs[1], "Build", after=(first,), estimate=hours(2), assignee_id=cast.mel.id)
            third = make_task(jobs[2], "Paint", after=(second,), estimate=hours(2), assignee_id=cast.sam.id)
        for job in jobs:
            settle(job)
        plan_all()
        assert [job.at_risk_because for job in jobs] == ["", "", ""] and faults() == []
        mel = cast.actor(cast.mel)
        longer = TaskChange(name="Dig", instructions="", estimate=hours(60), due_on=jobs[0].due_on, priority=0)
        edit_task(db.session.get_one(Task, first.id), longer, version=None, by=mel)
        assert faults() == [], "it is marked to be planned again"
        plan_all()
        assert jobs[2].at_risk_because.startswith("what “Paint” waits for in another job should have started by")
        assert [job.at_risk_because for job in jobs[:2]] == ["", ""] and faults() == []
        db.session.execute(sa.update(Job).where(Job.id == jobs[2].id).values(at_risk_because=""))
        db.session.expire_all()
        assert faults(), "and the proof sees it"
        link = db.session.scalars(sa.select(Dependency).where(Dependency.task_id == third.id)).one()
        remove_dependency(link, db.session.get_one(Task, third.id), by=mel)
        plan_all()
        assert jobs[2].at_risk_because == "" and faults() == []
