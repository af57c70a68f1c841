"""The order of steps: cycles are refused by name, from two sides at once too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from app.clients.access import actor_for
from app.core.db import db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.proofs import Finding
from app.jobs.commands.dependencies import add_dependency, remove_dependency
from app.jobs.commands.tasks import complete_task
from app.jobs.models import Dependency, Task, TaskState
from app.jobs.proofs import prove_counts, prove_readiness
from tests.jobs.make_jobs import make_chain, make_job, make_task, settle
from tests.make import make_cast


def proven() -> list[Finding]:
    return [*prove_readiness(), *prove_counts()]


def test_a_cycle_is_refused_with_its_path_by_name(cast: Any) -> None:
    first, _, third = make_chain(make_job(cast.acme_work), "Bookkeeping", "Review", "File")
    with pytest.raises(Refused, match="File → Bookkeeping → Review → File"):
        add_dependency(first, after=third, by=cast.actor(cast.mel))
    with pytest.raises(Refused, match="cannot come after itself"):
        add_dependency(first, after=first, by=cast.actor(cast.mel))


def test_adding_blocks_and_removing_readies(cast: Any) -> None:
    by = cast.actor(cast.mel)
    job, other = make_job(cast.acme_work), make_job(cast.acme_work, "Other")
    first, second = make_task(job, "First"), make_task(other, "Second in another job")
    settle(job)
    settle(other)
    dependency = add_dependency(second, after=first, by=by)
    db.session.refresh(second)
    assert second.state is TaskState.BLOCKED and proven() == []
    remove_dependency(dependency, second, by=by)
    db.session.refresh(second)
    assert second.state is TaskState.READY and proven() == []


def test_a_step_of_another_job_opens_too(cast: Any) -> None:
    by = cast.actor(cast.mel)
    job, other = make_job(cast.acme_work), make_job(cast.acme_work, "Other")
    first, second = make_task(job, "First"), make_task(other, "Second")
    settle(job)
    settle(other)
    add_dependency(second, after=first, by=by)
    complete_task(first, by=by)
    db.session.refresh(second)
    assert second.state is TaskState.READY and proven() == []


def test_the_proof_finds_a_copy_that_is_wrong(cast: Any) -> None:
    job = make_job(cast.acme_work)
    _, second = make_chain(job, "First", "Second")
    assert proven() == []
    db.session.execute(sa.update(Task).where(Task.id == second.id).values(state=TaskState.READY))
    job.tasks_done = 1
    db.session.flush()
    assert [finding.message for finding in proven()] == [
        "“Second” is kept as ready, the graph says blocked", "keeps 1 of 2 done, has 0 of 2",
    ]


def test_nobody_ties_steps_that_they_may_not_see(cast: Any) -> None:
    (secret,) = make_chain(make_job(cast.rival_work), "Secret")
    (mine,) = make_chain(make_job(cast.acme_work), "Mine")
    for task, after in ((mine, secret), (secret, mine)):
        with pytest.raises(NotAllowed):
            add_dependency(task, after=after, by=cast.actor(cast.wes))


def together(app: Flask, *acts: Callable[[], Any]) -> list[str]:
    """Run the acts in threads that start at once; what was refused, in words."""
    gate, refused = threading.Barrier(len(acts)), []

    def run(act: Callable[[], Any]) -> None:
        with app.app_context():
            gate.wait()
            try:
                act()
            except Refused as refusal:
                refused.append(refusal.message)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return refused


def task(task_id: UUID) -> Task:
    return db.session.get_one(Task, task_id)


@pytest.mark.real
def test_two_who_finish_two_steps_at_once_open_the_next_once(real_app: Flask) -> None:
    with real_app.app_context():
        with transaction():
            cast = make_cast()
            by = actor_for(cast.sam)
            trios = []
            for number in range(12):
                job, other = make_job(cast.acme_work, f"Job {number}"), make_job(cast.acme_work, f"Other {number}")
                one, two = make_task(job, "One"), make_task(other if number % 2 else job, "Two")
                last = make_task(job, "Last", after=(one, two))
                trios.append((job, other, one.id, two.id, last.id))
        for job, other, *_ in trios:
            settle(job)
            settle(other)
        opened = []
        for _, _, one_id, two_id, last_id in trios:
            moved: list[Any] = []

            def act(task_id: UUID, moved: list[Any] = moved) -> Callable[[], None]:
                return lambda: moved.extend(complete_task(task(task_id), by=by).moved)

            assert together(real_app, act(one_id), act(two_id)) == []
            db.session.expire_all()
            opened.append((task(last_id).state, [m.id for m in moved] == [last_id]))
        assert opened == [(TaskState.READY, True)] * len(trios)
        assert proven() == []


@pytest.mark.real
def test_a_cycle_closed_from_two_sides_at_once_is_refused_to_one(real_app: Flask) -> None:
    with real_app.app_context():
        with transaction():
            cast = make_cast()
            by = actor_for(cast.mel)
            pairs = []
            for number in range(10):
                job, other = make_job(cast.acme_work, f"Job {number}"), make_job(cast.acme_work, f"Other {number}")
                one, two = make_task(job, "One"), make_task(job if number % 2 else other, "Two")
                pairs.append((one.id, two.id))
        for one, two in pairs:
            def tie(task_id: UUID, after: UUID) -> Callable[[], Any]:
                return lambda: add_dependency(task(task_id), after=task(after), by=by)

            refused = together(real_app, tie(one, two), tie(two, one))
            assert len(refused) == 1 and "circle" in refused[0]
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Dependency)) == len(pairs)
