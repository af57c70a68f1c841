"""Finishing, reopening and sending back steps."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from app.activity.models import Event
from app.catalogue.models import StepKind
from app.core.clock import now, today, travel_to
from app.core.db import db
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.ids import new_id
from app.jobs.commands.jobs import complete_job
from app.jobs.commands.lags import open_after_lags
from app.jobs.commands.reviews import return_task
from app.jobs.commands.stages import move_to_stage
from app.jobs.commands.steps import NewTask, add_task
from app.jobs.commands.tasks import (
    Later,
    approve_task,
    assign_task,
    complete_task,
    reopen_task,
    set_client_wait,
    snooze_task,
    start_task,
)
from app.jobs.models import Task, TaskState
from app.jobs.queries.tasks import get_task
from tests.jobs.make_jobs import make_chain, make_job, make_service, make_task, settle


def kinds(subject: Any) -> list[str]:
    db.session.flush()
    return list(db.session.scalars(sa.select(Event.kind).where(Event.subject_id == subject.id).order_by(Event.id)))


def test_finishing_a_step_readies_its_successors(cast: Any) -> None:
    job = make_job(cast.acme_work)
    bank, vat = make_chain(job, "Reconcile bank", "Prepare VAT", assignee_id=cast.sam.id)
    assert (bank.state, vat.state) == (TaskState.READY, TaskState.BLOCKED)
    finished = complete_task(bank, by=cast.actor(cast.sam))
    db.session.refresh(vat)
    assert vat.state is TaskState.READY and vat.ready_at is not None
    assert [m.id for m in finished.moved] == [vat.id]
    db.session.refresh(job)
    assert (job.tasks_done, job.tasks_total) == (1, 2)
    assert kinds(bank) == ["jobs.task.completed"]


def test_a_step_after_two_opens_with_the_second(cast: Any) -> None:
    job = make_job(cast.acme_work)
    one, two = make_task(job, "One"), make_task(job, "Two")
    last = make_task(job, "Last", after=(one, two))
    settle(job)
    complete_task(one, by=cast.actor(cast.sam))
    db.session.refresh(last)
    assert last.state is TaskState.BLOCKED
    complete_task(two, by=cast.actor(cast.sam))
    db.session.refresh(last)
    assert last.state is TaskState.READY


def test_finishing_twice_finishes_once(cast: Any) -> None:
    job = make_job(cast.acme_work)
    (task,) = make_chain(job, "Only")
    complete_task(task, by=cast.actor(cast.sam))
    assert not complete_task(task, by=cast.actor(cast.pat)).now_done
    assert task.done_by == cast.sam.id and kinds(task) == ["jobs.task.completed"]


def test_a_blocked_step_says_what_it_comes_after(cast: Any) -> None:
    _, second = make_chain(make_job(cast.acme_work), "Reconcile bank", "Prepare VAT")
    with pytest.raises(Refused, match="“Prepare VAT” comes after “Reconcile bank”"):
        complete_task(second, by=cast.actor(cast.sam))
    assert second.state is TaskState.BLOCKED


def test_a_lag_of_two_working_days_keeps_the_next_step_shut_until_then(cast: Any) -> None:
    friday = dt.datetime(2025, 11, 21, 12, tzinfo=dt.UTC)
    with travel_to(friday):
        job = make_job(cast.acme_work)
        first = make_task(job, "Post")
        later = make_task(job, "Check arrival", after=(first,), lag=2)
        settle(job)
        complete_task(first, by=cast.actor(cast.sam))
        db.session.refresh(later)
        assert (later.state, later.open_after) == (TaskState.BLOCKED, dt.date(2025, 11, 25))
        assert open_after_lags() == 0
    with travel_to(friday + dt.timedelta(days=4)):
        assert open_after_lags() == 1
        db.session.refresh(later)
        assert later.state is TaskState.READY and later.open_after is None


def test_reopening_asks_what_becomes_of_later_steps(cast: Any) -> None:
    by = cast.actor(cast.sam)
    first, second, third = make_chain(make_job(cast.acme_work), "First", "Second", "Third")
    complete_task(first, by=by)
    db.session.refresh(second)
    complete_task(second, by=by)
    db.session.refresh(third)
    start_task(third, by=by)
    with pytest.raises(Refused, match="“Second”, “Third”"):
        reopen_task(first, by=by)
    reopen_task(first, by=by, later=Later.KEEP)
    assert [t.state for t in (first, second, third)] == [TaskState.READY, TaskState.DONE, TaskState.IN_PROGRESS]
    complete_task(first, by=by)
    reopen_task(first, by=by, later=Later.RESET)
    assert [t.state for t in (first, second, third)] == [TaskState.READY, TaskState.BLOCKED, TaskState.BLOCKED]


def test_a_review_is_not_approved_by_who_prepared_it(cast: Any) -> None:
    job = make_job(cast.acme_work)
    work = make_task(job, "Prepare")
    review = make_task(job, "Review", after=(work,), kind=StepKind.REVIEW)
    settle(job)
    complete_task(work, by=cast.actor(cast.mel))
    db.session.refresh(review)
    with pytest.raises(NotAllowed):
        approve_task(review, by=cast.actor(cast.mel))
    approve_task(review, by=cast.actor(cast.sam))
    assert review.state is TaskState.DONE and kinds(review) == ["jobs.task.approved"]


def test_a_partner_may_approve_their_own_work(cast: Any) -> None:
    job = make_job(cast.acme_work)
    work = make_task(job, "Prepare")
    review = make_task(job, "Review", after=(work,), kind=StepKind.REVIEW)
    settle(job)
    complete_task(work, by=cast.actor(cast.pat))
    db.session.refresh(review)
    assert approve_task(review, by=cast.actor(cast.pat)).now_done


def test_a_review_sends_work_back_with_a_note_and_counts_it(cast: Any) -> None:
    job = make_job(cast.acme_work)
    work = make_task(job, "Prepare", assignee_id=cast.sam.id)
    review = make_task(job, "Review", after=(work,), kind=StepKind.REVIEW, assignee_id=cast.mel.id)
    settle(job)
    complete_task(work, by=cast.actor(cast.sam))
    db.session.refresh(review)
    start_task(review, by=cast.actor(cast.mel))
    assert review.state is TaskState.IN_REVIEW
    with pytest.raises(Refused, match="Say what"):
        return_task(review, note=" ", by=cast.actor(cast.mel))
    assert return_task(review, note="Bank is off by 10", by=cast.actor(cast.mel)) is work
    assert (work.state, work.return_note) == (TaskState.READY, "Bank is off by 10")
    assert (review.state, review.returns) == (TaskState.BLOCKED, 1)
    complete_task(work, by=cast.actor(cast.sam))
    db.session.refresh(review)
    assert review.state is TaskState.READY and work.return_note == ""


def test_a_step_waits_for_the_client_by_itself_and_leaves_by_itself(cast: Any) -> None:
    by = cast.actor(cast.sam)
    job = make_job(cast.acme_work)
    first, second = make_task(job, "First"), make_task(job, "Second", waits_for_client=True)
    settle(job)
    db.session.refresh(second)
    assert second.state is TaskState.WAITING
    with pytest.raises(Refused, match="waits for the client"):
        complete_task(second, by=by)
    start_task(first, by=by)
    set_client_wait(first.id, True, by=by)
    assert first.state is TaskState.WAITING
    set_client_wait(first.id, False, by=by)
    set_client_wait(second.id, False, by=by)
    db.session.refresh(second)
    assert (first.state, second.state) == (TaskState.IN_PROGRESS, TaskState.READY)


def test_a_job_moves_on_by_itself_when_all_required_in_its_stage_is_done(cast: Any) -> None:
    by = cast.actor(cast.sam)
    service = make_service()
    db.session.refresh(service, ["stages"])
    prepare, review, file = service.stages
    job = make_job(cast.acme_work, service_id=service.id, stage_id=prepare.id)
    one, two = make_task(job, "One", stage_id=prepare.id), make_task(job, "Two", stage_id=prepare.id)
    make_task(job, "Nice to have", stage_id=prepare.id, required=False)
    last = make_task(job, "File it", stage_id=file.id)
    settle(job)
    complete_task(one, by=by)
    assert job.stage_id == prepare.id
    complete_task(two, by=by)
    assert job.stage_id == review.id, "the last stage is entered once everything required is done, not for its own step"
    complete_task(last, by=by)
    assert job.stage_id == file.id, "nothing is required in Review, so the job goes past it"
    reopen_task(two, by=by)
    assert job.stage_id == prepare.id


def test_a_job_is_in_its_last_stage_only_while_nothing_required_is_open(cast: Any) -> None:
    by, service = cast.actor(cast.mel), make_service()
    db.session.refresh(service, ["stages"])
    prepare, review, file = service.stages
    job = make_job(cast.acme_work, service_id=service.id, stage_id=review.id)
    step = make_task(job, "File it", stage_id=file.id)
    settle(job)
    with pytest.raises(Refused, match="“File” is the last stage.* Still to do: “File it”"):
        move_to_stage(job, file, by=by)
    assert job.stage_id == review.id
    complete_task(step, by=by)
    assert job.stage_id == file.id
    reopen_task(step, by=by)
    assert job.stage_id == review.id, "also for a step that lies in the last stage"
    complete_task(step, by=by)
    move_to_stage(job, prepare, by=by)
    move_to_stage(job, file, by=by)
    add_task(job, NewTask(id=new_id(), name="Nice to have", required=False), by=by)
    assert job.stage_id == file.id
    added = add_task(job, NewTask(id=new_id(), name="One more"), by=by)
    assert (job.stage_id, added.stage_id) == (review.id, file.id)
    complete_task(added, by=by)
    assert job.stage_id == file.id


def test_work_of_another_job_that_is_sent_back_takes_that_job_back(cast: Any) -> None:
    ours, theirs = make_service(), make_service("Payroll")
    for service in (ours, theirs):
        db.session.refresh(service, ["stages"])
    prepare, _, last = (stage.id for stage in ours.stages)
    at = theirs.stages[1].id
    job = make_job(cast.acme_work, service_id=ours.id, stage_id=prepare)
    other = make_job(cast.acme_work, service_id=theirs.id, stage_id=at)
    work = make_task(job, "Prepare", assignee_id=cast.sam.id, stage_id=prepare)
    review = make_task(other, "Look", after=(work,), kind=StepKind.REVIEW, stage_id=at)
    settle(job)
    settle(other)
    complete_task(work, by=cast.actor(cast.sam))
    assert job.stage_id == last
    db.session.refresh(review)
    return_task(review, note="Off by ten", by=cast.actor(cast.mel))
    assert (job.stage_id, other.stage_id) == (prepare, at)


def test_no_step_is_opened_again_in_another_job_that_is_over(cast: Any) -> None:
    by, job, over = cast.actor(cast.mel), make_job(cast.acme_work), make_job(cast.acme_work, "Tax return")
    first = make_task(job, "First")
    later = make_task(over, "Later", after=(first,))
    review = make_task(job, "Look", after=(later,), kind=StepKind.REVIEW)
    for each in (job, over):
        settle(each)
    for step in (first, later):
        complete_task(db.session.get_one(Task, step.id, populate_existing=True), by=cast.actor(cast.sam))
    complete_job(over, by=by)
    db.session.refresh(review)
    for act in (
        lambda: reopen_task(first, later=Later.RESET, by=by), lambda: return_task(review, note="Off by ten", by=by),
    ):
        with pytest.raises(Refused, match="The job of “Later” is completed; reopen that job first"):
            act()
    assert (first.state, later.state, review.state) == (TaskState.DONE, TaskState.DONE, TaskState.READY)
    reopen_task(first, later=Later.KEEP, by=by)
    assert (first.state, later.state) == (TaskState.READY, TaskState.DONE)


def test_nobody_is_given_work_behind_their_wall(cast: Any) -> None:
    (task,) = make_chain(make_job(cast.rival_work), "Secret")
    with pytest.raises(Refused, match="cannot be given"):
        assign_task(task, to=cast.wes, by=cast.actor(cast.mel))
    with pytest.raises(NotFound):
        get_task(task.id, seen_by=cast.actor(cast.wes))
    for contact in (cast.otto, cast.cleo):
        with pytest.raises(NotFound):
            get_task(task.id, seen_by=cast.contact(contact))
    with pytest.raises(NotAllowed):
        complete_task(task, by=cast.actor(cast.wes))


def test_a_snooze_ends_after_today(cast: Any) -> None:
    (task,) = make_chain(make_job(cast.acme_work), "Call")
    with pytest.raises(Refused, match="after today"):
        snooze_task(task, until=today(), by=cast.actor(cast.sam))
    snooze_task(task, until=today() + dt.timedelta(days=1), by=cast.actor(cast.sam))
    assert db.session.get_one(Task, task.id).snoozed_until is not None


def test_finishing_asks_the_database_little_however_long_the_job(cast: Any, max_queries: Any) -> None:
    job = make_job(cast.acme_work)
    names = [f"Step {number}" for number in range(60)]
    first, second = make_chain(job, *names)[:2]
    by, first = cast.actor(cast.sam), get_task(first.id, seen_by=cast.actor(cast.sam))
    with max_queries(3):
        complete_task(first, by=by)
    db.session.refresh(second)
    assert second.state is TaskState.READY and first.done_at is not None and first.done_at <= now()
