"""Whatever is stored as a copy of something else follows each of its inputs, and its proof sees when it does not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.core import proofs
from app.core.clock import travel_to
from app.core.copies import Copy, kept_copies
from app.core.db import db, transaction
from app.core.ids import new_id
from app.factory import WORKS
from app.firm.commands.entities import add_closure
from app.jobs.commands.deadline_dates import NewDeadline, add_deadline, extend_deadline
from app.jobs.commands.deadlines import reopen_deadline, satisfy_deadline, waive_deadline
from app.jobs.commands.dependencies import add_dependency, remove_dependency
from app.jobs.commands.lags import open_after_lags, recount_lags
from app.jobs.commands.plan import plan_stale_jobs, spread_load_changes
from app.jobs.commands.steps import NewTask, TaskChange, add_task, edit_task
from app.jobs.commands.tasks import (
    assign_task,
    cancel_task,
    complete_task,
    reopen_task,
    say_remaining,
)
from app.jobs.models import Deadline, Dependency, Job, Task
from app.people.commands.leave import NewLeave, add_leave
from app.people.commands.people import set_hours
from app.people.models import LeaveKind
from app.timekeeping.commands.entries import EntryFacts, delete_entry, edit_entry
from tests.jobs.make_jobs import make_job, make_task, settle
from tests.kept_stories import STORIES, Story
from tests.requests.make_requests import make_request
from tests.timekeeping.make_time import make_entry, make_rate

# The register is whole once all that registers has been imported, whichever tests ran before.
for module in WORKS:
    import_module(module)

MONDAY = dt.datetime(2025, 11, 17, 9, tzinfo=dt.UTC)
FRIDAY = dt.date(2025, 11, 21)


@dataclass
class World:
    """Post, then two working days later Check; in another job of Sam's Report comes after Post. All are his."""

    cast: Any
    job: Job
    other: Job
    post: Task
    check: Task
    free: Task
    report: Task
    early: Task
    late: Task
    deadline: Deadline

    @property
    def sam(self) -> Any:
        return self.cast.actor(self.cast.sam)

    @property
    def mel(self) -> Any:
        return self.cast.actor(self.cast.mel)


@pytest.fixture
def world(cast: Any) -> Iterator[World]:
    with travel_to(MONDAY):
        with transaction():
            make_rate()
            job, other = make_job(cast.acme_work, due_on=FRIDAY), make_job(cast.acme_work, "Report", due_on=FRIDAY)
            held = {"assignee_id": cast.sam.id, "estimate": dt.timedelta(hours=5)}
            post = make_task(job, "Post", **held)
            check = make_task(job, "Check", after=(post,), lag=2, **held)
            free, report = make_task(job, "Free", **held), make_task(other, "Report", after=(post,), **held)
            third, pat = make_job(cast.acme_work, "Third", due_on=dt.date(2026, 3, 2)), {"assignee_id": cast.pat.id}
            early = make_task(third, "Early", **pat)
            late = make_task(third, "Late", after=(early,), **pat)
        settle(job)
        settle(other)
        settle(third)
        new = NewDeadline(id=new_id(), name="Return", due_on=FRIDAY, basis="Law")
        deadline = add_deadline(job, new, by=cast.actor(cast.sam))
        made = World(cast, job, other, post, check, free, report, early, late, deadline)
        settle_everything()
        assert faults() == {}
        yield made


def settle_everything() -> None:
    """What follows soon: the background's work, as it comes round within a minute."""
    recount_lags(None)
    open_after_lags()
    spread_load_changes()
    while plan_stale_jobs():
        pass
    db.session.expire_all()


def faults(*names: str) -> dict[str, list[str]]:
    db.session.flush()
    wanted = names or tuple({copy.proof for copy in kept_copies()})
    found = {name: [f.message for f in proofs._proofs[name]() if not f.note] for name in wanted}
    return {name: messages for name, messages in found.items() if messages}


def _task(task: Task) -> Task:
    return db.session.get_one(Task, task.id)


def _estimate(task: Task, hours: float, by: Any, due_on: dt.date | None = None) -> None:
    task = _task(task)
    edit_task(task, TaskChange(
        name=task.name, instructions="", estimate=dt.timedelta(hours=hours), due_on=due_on or task.due_on, priority=0,
    ), version=None, by=by)


def _order(world: World, task: Task, after: Task) -> Dependency:
    return add_dependency(_task(task), after=_task(after), by=world.mel)


def _closure(world: World) -> None:
    add_closure(new_id(), closed_on=dt.date(2025, 11, 19), name="Closed", by=world.cast.actor(world.cast.pat))


def _done(world: World) -> None:
    complete_task(_task(world.post), by=world.sam)


def _reopened(world: World) -> None:
    _done(world)
    settle_everything()
    reopen_task(_task(world.post), by=world.sam)


def _order_taken_away(world: World) -> None:
    link = db.session.scalars(sa.select(Dependency).where(Dependency.task_id == world.report.id)).one()
    remove_dependency(link, _task(world.report), by=world.mel)


def _three_days_later(world: World) -> None:
    _done(world)


def _time(world: World) -> Any:
    return make_entry(world.cast, task_id=world.report.id, recorded=dt.timedelta(hours=2))


def _time_moved(world: World) -> None:
    entry = _time(world)
    facts = EntryFacts(worked_on=entry.worked_on, recorded=entry.recorded, task_id=world.free.id)
    edit_entry(entry, facts, by=world.sam)


def _deadline(world: World) -> Deadline:
    return db.session.get_one(Deadline, world.deadline.id)


def _reopened_deadline(world: World) -> None:
    satisfy_deadline(_deadline(world), by=world.sam)
    reopen_deadline(_deadline(world), by=world.sam)


ACTS: dict[str, Callable[[World], Any]] = {
    "a step before it": _done, "a step done": _done, "a step opened again": _reopened,
    "an order of steps": lambda w: _order(w, w.free, w.report), "a lag that ends": _three_days_later,
    "an order across jobs taken away": _order_taken_away, "a calendar": lambda w: (_done(w), _closure(w)),
    "what the client owes": lambda w: make_request(w.cast, job_id=w.job.id, task_id=w.free.id),
    "a step added": lambda w: add_task(w.job, NewTask(id=new_id(), name="More", after=[w.post.id]), by=w.mel),
    "a step taken out": lambda w: cancel_task(_task(w.post), by=w.mel),
    "a deadline added": lambda w: add_deadline(
        w.job, NewDeadline(id=new_id(), name="Hearing", due_on=dt.date(2025, 11, 18), basis="Order"), by=w.sam),
    "a deadline met": lambda w: satisfy_deadline(_deadline(w), by=w.sam),
    "a deadline waived": lambda w: waive_deadline(_deadline(w), because="Dormant", by=w.sam),
    "a deadline opened again": _reopened_deadline,
    "a deadline extended": lambda w: extend_deadline(
        _deadline(w), to=dt.date(2025, 12, 1), because="Asked for", by=w.sam),
    "a due date": lambda w: _estimate(w.free, 5, w.mel, dt.date(2025, 11, 17)),
    "the estimate of a step that another job waits for": lambda w: _estimate(w.post, 60, w.mel),
    "the estimate of a step two jobs ahead": lambda w: (_order(w, w.report, w.late), _estimate(w.early, 60, w.mel)),
    "a step of another job to wait for": lambda w: _order(w, w.free, w.late),
    "an estimate in another job": lambda w: _estimate(w.report, 30, w.mel),
    "what is left in another job": lambda w: say_remaining(_task(w.report), dt.timedelta(hours=30), by=w.sam),
    "leave": lambda w: add_leave(w.cast.sam, NewLeave(
        id=new_id(), kind=LeaveKind.HOLIDAY, from_on=dt.date(2025, 11, 18), to_on=FRIDAY), by=w.sam),
    "hours": lambda w: set_hours(
        w.cast.sam, MONDAY.date(), [60] * 5 + [0, 0], by=w.cast.actor(w.cast.pat)),
    "who has a step in another job": lambda w: assign_task(_task(w.report), to=w.cast.mel, by=w.mel),
    "time recorded": _time, "time moved to another step": _time_moved,
    "time taken back": lambda w: delete_entry(_time(w), by=w.sam),
}


@pytest.mark.parametrize("what", ACTS)
def test_every_copy_follows_what_changes_it(world: World, what: str) -> None:
    concerned = [copy for copy in kept_copies() if what in copy.inputs]
    assert concerned, "an act that changes no copy is none of this register"
    ACTS[what](world)
    for copy in concerned:
        if copy.column == "job.at_risk_because" or not (copy.is_soon or what == "a calendar"):
            assert faults(copy.proof) == {}, "kept in the same transaction, or marked as being worked out"
    with travel_to(MONDAY + dt.timedelta(days=3 if what == "a lag that ends" else 0)):
        settle_everything()
        assert faults() == {}
        if what == "a lag that ends":
            assert _task(world.check).state == "ready"


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_copies_follow_each_act_of_a_story_and_their_proofs_see_them_spoiled(cast: Any, story: type[Story]) -> None:
    kept = [copy for copy in kept_copies() if copy.column in story.SPOILED]
    of_it = {copy.proof for copy in kept}
    with travel_to(MONDAY):
        told = story(cast)
        for name, act in story.ACTS.items():
            act(told)
            db.session.flush()
            assert faults(*of_it) == {}, name
        for copy in kept:
            with db.session.begin_nested() as spoiled:
                db.session.execute(sa.text(story.SPOILED[copy.column]))
                db.session.expire_all()
                assert faults(copy.proof), copy.column
                spoiled.rollback()
            assert set(copy.inputs) <= {*story.ACTS, *ACTS}, copy.column


def test_every_input_of_every_copy_has_an_act_and_every_act_changes_some() -> None:
    acts = set(ACTS) | {name for story in STORIES for name in story.ACTS}
    assert {what for copy in kept_copies() for what in copy.inputs} == acts


SPOILED = {
    "task.state": "UPDATE task SET state = 'ready' WHERE name = 'Check'",
    "job.tasks_done": "UPDATE job SET tasks_done = tasks_done + 1 WHERE title = 'Report'",
    "task.waited_on_by": "UPDATE task SET waited_on_by = 0 WHERE name = 'Post'",
    "dependency.opens_on": "UPDATE dependency SET opens_on = '2025-11-18' WHERE lag_days > 0",
    "job.deadline_on": "UPDATE job SET deadline_on = NULL",
    "job.at_risk_because": "UPDATE job SET at_risk_because = 'Nothing'",
    "task.spent": "UPDATE task SET spent = spent + 60 WHERE name = 'Free'",
}


@pytest.mark.parametrize(
    "copy", [copy for copy in kept_copies() if copy.column in SPOILED], ids=lambda copy: copy.column
)
def test_the_proof_of_a_copy_sees_that_it_was_spoiled(world: World, copy: Copy) -> None:
    if copy.column == "dependency.opens_on":
        _done(world)
        settle_everything()
    db.session.execute(sa.text(SPOILED[copy.column]))
    db.session.expire_all()
    assert faults(copy.proof)


def test_what_keeps_a_copy_and_what_proves_it_exist() -> None:
    copies = kept_copies()
    assert {copy.column for copy in copies} == set(SPOILED).union(*(story.SPOILED for story in STORIES))
    for copy in copies:
        assert copy.proof in proofs._proofs
        if copy.kept_by.endswith(".sql"):
            assert Path(copy.kept_by).is_file()
        else:
            module, _, name = copy.kept_by.rpartition(".")
            assert callable(getattr(import_module(module), name))
