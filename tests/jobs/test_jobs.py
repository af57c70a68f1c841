"""Jobs as a whole: risk, team, hold, end, hand-over, deadlines."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from app.catalogue.models import WorkRole
from app.core.clock import travel_to
from app.core.db import db
from app.core.errors import Refused, Stale
from app.core.ids import new_id
from app.jobs.commands import jobs as commands_of_jobs
from app.jobs.commands import plan as planning_of_jobs
from app.jobs.commands.deadlines import reopen_deadline, satisfy_deadline, waive_deadline
from app.jobs.commands.jobs import (
    JobChange,
    NewJob,
    cancel_job,
    complete_job,
    create_job,
    edit_job,
    hold_job,
    resume_job,
    set_job_role,
)
from app.jobs.commands.plan import plan_stale_jobs, wake_up
from app.jobs.commands.steps import TaskChange, edit_task
from app.jobs.commands.tasks import complete_task
from app.jobs.models import Deadline, DeadlineState, JobStatus, Task, TaskState
from app.jobs.proofs import prove_plans
from app.jobs.queries.work import Tab, list_work
from app.people.commands.handing import NeedsAnother, hand_over
from tests.jobs.make_jobs import make_chain, make_job, make_task, settle
from tests.make import keep

MONDAY = dt.datetime(2025, 11, 17, 9, tzinfo=dt.UTC)
FRIDAY = dt.date(2025, 11, 21)


def hours(number: float) -> dt.timedelta:
    return dt.timedelta(hours=number)


def test_a_job_is_at_risk_when_its_critical_path_should_have_started(cast: Any) -> None:
    with travel_to(MONDAY):
        job = make_job(cast.acme_work, due_on=FRIDAY, starts_on=dt.date(2025, 11, 3))
        first, last = make_task(job, "Prepare", estimate=hours(22)), None
        last = make_task(job, "Review", after=(first,), estimate=hours(7))
        settle(job)
        plan_stale_jobs()
        db.session.expire_all()
        assert job.at_risk_because == "" and not job.plan_stale
        assert (first.latest_start_on, last.latest_start_on) == (dt.date(2025, 11, 18), FRIDAY)
    with travel_to(MONDAY + dt.timedelta(days=2)):
        assert wake_up() == 1 and plan_stale_jobs() == 1
        db.session.expire_all()
        assert job.at_risk_because == "“Prepare” should have started by yesterday"
        complete_task(first, by=cast.actor(cast.sam))
        assert plan_stale_jobs() == 1
        db.session.expire_all()
        assert job.at_risk_because == ""


def test_which_of_equal_steps_is_critical_and_named_does_not_change_with_the_order_of_rows(
    cast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with travel_to(MONDAY):
        job = make_job(cast.acme_work, due_on=FRIDAY, starts_on=dt.date(2025, 11, 3))
        for number in (1, 2):
            post = make_task(job, f"Post {number}", estimate=hours(22))
            make_task(job, f"Check {number}", after=(post,))
        settle(job)
    with travel_to(MONDAY + dt.timedelta(days=3)):
        wake_up()
        plan_stale_jobs()
        db.session.expire_all()
        assert job.at_risk_because.startswith("“Post 1” should have started")
        for name in ("_open_tasks", "_edges"):
            monkeypatch.setattr(planning_of_jobs, name, backwards(getattr(planning_of_jobs, name)))
        assert [finding.message for finding in prove_plans() if not finding.note] == []


def backwards(read: Any) -> Any:
    return lambda ids: {job_id: rows[::-1] for job_id, rows in read(ids).items()}


def test_a_job_that_cannot_be_planned_holds_up_no_other(cast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_job = planning_of_jobs.plan_job

    def breaks(tasks: Any, *others: Any) -> Any:
        if any(task.name == "Broken" for task in tasks):
            raise LookupError("no plan for this one")
        return plan_job(tasks, *others)

    with travel_to(MONDAY):
        jobs = [make_job(cast.acme_work, due_on=FRIDAY, starts_on=dt.date(2025, 11, 3)) for _ in range(5)]
        for number, job in enumerate(jobs):
            make_task(job, "Broken" if number in (0, 1, 3) else "Sound", estimate=hours(60))
            settle(job)
        monkeypatch.setattr(planning_of_jobs, "plan_job", breaks)
        for _ in range(2):  # the second sweep meets the broken ones alone
            with pytest.raises(LookupError):
                plan_stale_jobs(limit=2)
            db.session.expire_all()
            assert [job.plan_stale for job in jobs] == [True, True, False, True, False]
        monkeypatch.undo()
        while plan_stale_jobs(limit=2):
            pass
        db.session.expire_all()
        assert not any(job.plan_stale for job in jobs) and all(job.at_risk_because for job in jobs)


def test_a_job_is_at_risk_when_its_owner_has_too_few_hours_free(cast: Any) -> None:
    with travel_to(MONDAY):
        job, other = (make_job(cast.acme_work, due_on=FRIDAY, starts_on=dt.date(2025, 11, 3)) for _ in range(2))
        make_task(job, "One", estimate=hours(15), assignee_id=cast.sam.id)
        make_task(other, "Promised", estimate=hours(24), due_on=dt.date(2025, 11, 20), assignee_id=cast.sam.id)
        make_task(other, "Somebody else's", estimate=hours(2), assignee_id=cast.mel.id)
        settle(job)
        settle(other)
        plan_stale_jobs()
        db.session.expire_all()
        assert job.at_risk_because == "Sam has 13:30 h free until Fri 21 Nov; 15:00 h of work is left"


def test_changing_who_holds_a_role_moves_the_open_steps_only(cast: Any) -> None:
    job = make_job(cast.acme_work)
    role = {"work_role": WorkRole.REVIEWER, "assignee_id": cast.mel.id}
    done, still_open = make_task(job, "Done", **role), make_task(job, "Open", **role)
    other = make_task(job, "Preparer's", work_role=WorkRole.PREPARER, assignee_id=cast.sam.id)
    settle(job)
    complete_task(done, by=cast.actor(cast.sam))
    assert set_job_role(job, WorkRole.REVIEWER, person=cast.pat, by=cast.actor(cast.mel)) == 1
    db.session.expire_all()
    assert [t.assignee_id for t in (done, still_open, other)] == [cast.mel.id, cast.pat.id, cast.sam.id]
    set_job_role(job, WorkRole.REVIEWER, person=None, by=cast.actor(cast.pat))
    db.session.expire_all()
    assert still_open.assignee_id == cast.mel.id, "the client's manager reviews when the job says nothing"


def test_a_held_job_leaves_my_work_and_comes_back(cast: Any) -> None:
    by = cast.actor(cast.sam)
    job = make_job(cast.acme_work)
    make_chain(job, "One", assignee_id=cast.sam.id)
    hold_job(job, because="Client abroad", by=by)
    assert list_work(Tab.TODAY, of=cast.sam.id, seen_by=by)[0] == [] and job.held_because == "Client abroad"
    resume_job(job, by=by)
    assert [row.name for row in list_work(Tab.TODAY, of=cast.sam.id, seen_by=by)[0]] == ["One"]


def test_a_job_is_ended_by_what_its_steps_are_once_it_is_locked(cast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever held the job before may have opened a step again, after it was looked at."""
    by = cast.actor(cast.sam)
    job = make_job(cast.acme_work)
    (must,) = make_chain(job, "Must")
    complete_task(must, by=by)

    def opened_meanwhile(jobs: Any, keep: Any = commands_of_jobs.hold_jobs) -> Any:
        held = keep(jobs)
        db.session.execute(
            sa.update(Task).where(Task.id == must.id).values(state=TaskState.READY, done_at=None, done_by=None)
            .execution_options(synchronize_session=False)
        )
        return held

    with monkeypatch.context() as patch:
        patch.setattr(commands_of_jobs, "hold_jobs", opened_meanwhile)
        with pytest.raises(Refused, match="Still to do: “Must”"):
            complete_job(job, by=by)
        assert must.state is TaskState.DONE, "read before the step was opened again"
        cancel_job(job, because="", by=by)
    db.session.refresh(must)
    assert (job.status, must.state, must.fell_away) == (JobStatus.CANCELLED, TaskState.CANCELLED, True)


def test_a_job_is_complete_when_what_is_required_is_done(cast: Any) -> None:
    by = cast.actor(cast.sam)
    job = make_job(cast.acme_work)
    must, may = make_task(job, "Must"), make_task(job, "May", required=False)
    settle(job)
    with pytest.raises(Refused, match="Still to do: “Must”"):
        complete_job(job, by=by)
    complete_task(must, by=by)
    complete_job(job, by=by)
    db.session.refresh(may)
    assert (job.status, may.state) == (JobStatus.COMPLETED, TaskState.CANCELLED)
    resume_job(job, by=by)
    db.session.refresh(may)
    assert (job.completed_at, may.state) == (None, TaskState.READY)
    cancel_job(job, because="", by=by)
    with pytest.raises(Refused, match="cancelled cannot become on hold"):
        hold_job(job, because="", by=by)


def test_a_stale_form_is_refused(cast: Any) -> None:
    by = cast.actor(cast.mel)
    job = create_job(NewJob(id=new_id(), engagement=cast.acme_work, title="Advice"), by=by)
    change = JobChange(title="Tax advice", due_on=None, starts_on=job.starts_on, owner=cast.mel)
    edit_job(job, change, version=1, by=by)
    with pytest.raises(Stale):
        edit_job(job, change, version=1, by=by)
    (task,) = make_chain(job, "Call")
    moved = TaskChange(name="Call", instructions="", estimate=None, due_on=FRIDAY, priority=1)
    edit_task(task, moved, version=1, by=by)
    assert task.due_locked, "a date set by hand stays when deadlines move"


def test_who_leaves_hands_over_but_not_across_a_wall(cast: Any) -> None:
    acme, rival = make_job(cast.acme_work, owner_id=cast.sam.id), make_job(cast.rival_work, owner_id=cast.sam.id)
    done, open_task = make_chain(acme, "Done", "Open", assignee_id=cast.sam.id)
    (secret,) = make_chain(rival, "Secret", assignee_id=cast.sam.id)
    complete_task(done, by=cast.actor(cast.sam))
    by = cast.actor(cast.ada)
    with pytest.raises(NeedsAnother, match="Wes must not see all of it") as refusal:
        hand_over(cast.sam, to=cast.wes, by=by)
    assert {held.client for held in refusal.value.held} == {"Rival plc"}
    hand_over(cast.sam, to=cast.wes, instead={cast.rival.id: None}, by=by)
    db.session.expire_all()
    assert (done.assignee_id, open_task.assignee_id, secret.assignee_id) == (cast.sam.id, cast.wes.id, None)
    assert (acme.owner_id, rival.owner_id) == (cast.wes.id, None)


def test_a_deadline_is_met_waived_with_a_reason_or_taken_back(cast: Any) -> None:
    by = cast.actor(cast.sam)
    job = make_job(cast.acme_work)
    deadline = keep(Deadline(job_id=job.id, client_id=job.client_id, engagement_id=job.engagement_id, code="filing",
                             name="VAT return", statutory_on=FRIDAY, effective_on=FRIDAY))
    with pytest.raises(Refused, match="Say why"):
        waive_deadline(deadline, because=" ", by=by)
    satisfy_deadline(deadline, by=by)
    with pytest.raises(Refused, match="is satisfied"):
        waive_deadline(deadline, because="Dormant", by=by)
    reopen_deadline(deadline, by=by)
    assert deadline.state is DeadlineState.OPEN and deadline.decided_by is None
