"""Whatever is done to steps and their order, each act twice, over days and jobs: a plain model says the same."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

import app.jobs.proofs as jobs_proofs
from app.core.clock import today, travel_to
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.firm.commands.entities import add_closure
from app.jobs.calendars import calendar_of
from app.jobs.commands.dependencies import add_dependency, remove_dependency
from app.jobs.commands.lags import open_after_lags, recount_lags
from app.jobs.commands.plan import plan_stale_jobs, spread_load_changes
from app.jobs.commands.tasks import (
    Later,
    assign_task,
    cancel_task,
    complete_task,
    reopen_task,
    set_client_wait,
    start_task,
)
from app.jobs.models import Dependency, Task, TaskState
from app.people.commands.leave import NewLeave, add_leave
from app.people.models import LeaveKind
from tests.histories import batches, examples
from tests.jobs.make_jobs import make_job, make_task, settle

START = dt.date(2026, 1, 12)
EXAMPLES = examples("graph")
ACTS_A_HISTORY = 14


@dataclass
class Step:
    """A step as a person would keep it on paper."""

    is_started: bool = False
    done_on: dt.date | None = None
    is_cancelled: bool = False
    waits: bool = False

    @property
    def is_open(self) -> bool:
        return self.done_on is None and not self.is_cancelled


@dataclass
class Paper:
    """The plain model: steps, what comes after what with which lag, days off, today."""

    today: dt.date = START
    steps: dict[UUID, Step] = field(default_factory=dict)
    after: dict[tuple[UUID, UUID], int] = field(default_factory=dict)
    closed: set[dt.date] = field(default_factory=set)

    def opens_on(self, done_on: dt.date, lag: int) -> dt.date:
        day = done_on
        while lag:
            day += dt.timedelta(days=1)
            lag -= day.weekday() < 5 and day not in self.closed
        return day

    def state(self, key: UUID) -> str:
        step = self.steps[key]
        if step.done_on is not None:
            return "done"
        if step.is_cancelled:
            return "cancelled"
        if step.is_started:
            return "waiting" if step.waits else "in_progress"
        for (before, after), lag in self.after.items():
            if after == key:
                first = self.steps[before]
                if first.is_open or (first.done_on and self.opens_on(first.done_on, lag) > self.today):
                    return "blocked"
        return "waiting" if step.waits else "ready"

    def later(self, key: UUID) -> set[UUID]:
        found: set[UUID] = set()
        more = {key}
        while more:
            more = {after for before, after in self.after if before in more} - found
            found |= more
        return found


class History:
    """One random history: what is done to the product is done on paper, and what is refused there is refused here."""

    def __init__(self, cast: Any, dice: random.Random) -> None:
        self.cast, self.dice, self.paper = cast, dice, Paper()
        self.by, self.partner = cast.actor(cast.mel), cast.actor(cast.pat)
        with transaction():
            jobs = [make_job(cast.acme_work, f"Job {n}", starts_on=START) for n in range(2)]
            for n in range(6):
                task = make_task(jobs[n % 2], f"Step {n}", assignee_id=cast.sam.id, estimate=dt.timedelta(hours=3))
                self.paper.steps[task.id] = Step()
        for job in jobs:
            settle(job)
        self.told: list[str] = []

    def task(self, key: UUID) -> Task:
        return db.session.get_one(Task, key)

    def play(self) -> None:
        acts: list[Callable[[], None]] = [
            self.start, self.complete, self.complete, self.complete, self.press_again, self.reopen, self.cancel,
            self.order, self.order, self.order, self.disorder, self.wait, self.days, self.days, self.closure,
            self.leave, self.assign,
        ]
        for _ in range(ACTS_A_HISTORY):
            self.dice.choice(acts)()
            self.compare()
        self.prove()

    def twice(self, said: str, act: Callable[[], Any], is_refused: bool = False) -> None:
        """The same again changes nothing, and is no more allowed than before."""
        self.told.append(f"{self.paper.today} {said}{' (refused)' if is_refused else ''}")
        for _ in range(2):
            if is_refused:
                with pytest.raises(Refused):
                    act()
            else:
                act()
            self.compare()

    def any(self) -> UUID:
        return self.dice.choice(list(self.paper.steps))

    def name(self, key: UUID) -> str:
        return self.task(key).name

    def start(self) -> None:
        key = self.any()
        step, state = self.paper.steps[key], self.paper.state(key)
        refused = state not in ("ready", "in_progress")
        if not refused:
            step.is_started = True
        self.twice(f"start {self.name(key)}", lambda: start_task(self.task(key), by=self.by), refused)

    def complete(self) -> None:
        key = self.any()
        step, state = self.paper.steps[key], self.paper.state(key)
        refused = state not in ("ready", "in_progress", "done")
        if state in ("ready", "in_progress"):
            step.is_started, step.done_on = True, self.paper.today
        self.twice(f"complete {self.name(key)}", lambda: complete_task(self.task(key), by=self.by), refused)

    def press_again(self) -> None:
        """Done, on a later day, on a step that was finished: where a lag after it runs, if there is one."""
        finished = [key for key, step in self.paper.steps.items() if step.done_on is not None]
        lagged = [before for (before, after), lag in self.paper.after.items()
                  if lag and before in finished and self.paper.state(after) in ("blocked", "ready", "waiting")]
        if not finished:
            return
        key = self.dice.choice(lagged or finished)
        self.days()
        self.twice(f"complete {self.name(key)} again", lambda: complete_task(self.task(key), by=self.by))

    def reopen(self) -> None:
        key, later = self.any(), self.dice.choice(list(Later))
        step = self.paper.steps[key]
        if not step.is_open:
            started = {other for other in self.paper.later(key)
                       if self.paper.steps[other].is_started and not self.paper.steps[other].is_cancelled}
            for back in {key} | (started if later is Later.RESET else set()):
                self.paper.steps[back].is_started = self.paper.steps[back].is_cancelled = False
                self.paper.steps[back].done_on = None
        self.twice(f"reopen {self.name(key)} {later}", lambda: reopen_task(self.task(key), later=later, by=self.by))

    def cancel(self) -> None:
        key = self.any()
        step = self.paper.steps[key]
        refused = step.done_on is not None
        if not refused:
            step.is_cancelled = True
        self.twice(f"cancel {self.name(key)}", lambda: cancel_task(self.task(key), by=self.by), refused)

    def order(self) -> None:
        before, after = self.dice.sample(list(self.paper.steps), 2)
        lag = self.dice.choice((0, 0, 1, 2, 5))
        refused = before in self.paper.later(after)
        if not refused:
            self.paper.after[before, after] = lag
        self.twice(
            f"{self.name(after)} after {self.name(before)} lag {lag}",
            lambda: add_dependency(self.task(after), after=self.task(before), lag_days=lag, by=self.by), refused)

    def disorder(self) -> None:
        if not self.paper.after:
            return
        before, after = self.dice.choice(list(self.paper.after))
        link = db.session.scalars(
            sa.select(Dependency).where(Dependency.task_id == after, Dependency.on_id == before)
        ).one()
        del self.paper.after[before, after]
        self.twice(f"{self.name(after)} not after {self.name(before)}",
                   lambda: remove_dependency(link, self.task(after), by=self.by))

    def wait(self) -> None:
        key, waits = self.any(), self.dice.random() < 0.5
        self.paper.steps[key].waits = waits
        self.twice(f"wait {self.name(key)} {waits}", lambda: set_client_wait(key, waits, by=self.by))

    def days(self) -> None:
        self.paper.today += dt.timedelta(days=self.dice.randint(1, 4))
        self.clock(open_after_lags)

    def closure(self) -> None:
        day = self.paper.today + dt.timedelta(days=self.dice.randint(0, 6))
        if day in self.paper.closed:
            return
        self.paper.closed.add(day)
        self.told.append(f"{self.paper.today} closed on {day}")
        closure_id = new_id()
        for _ in range(2):
            add_closure(closure_id, closed_on=day, name="Closed", by=self.partner)
            recount_lags(None)
        self.clock(open_after_lags)

    def leave(self) -> None:
        from_on = self.paper.today + dt.timedelta(days=self.dice.randint(0, 9))
        new = NewLeave(id=new_id(), kind=LeaveKind.HOLIDAY, from_on=from_on, to_on=from_on)
        for _ in range(2):
            try:
                add_leave(self.cast.sam, new, by=self.cast.actor(self.cast.sam))
            except Refused:
                db.session.rollback()

    def assign(self) -> None:
        key, to = self.any(), self.dice.choice((self.cast.sam, self.cast.mel, None))
        self.twice(f"assign {self.name(key)}", lambda: assign_task(self.task(key), to=to, by=self.by))

    def clock(self, then: Callable[[], Any]) -> None:
        with travel_to(noon(self.paper.today)):
            then()

    def compare(self) -> None:
        db.session.expire_all()
        kept = {row.id: row.state.value for row in db.session.execute(
            sa.select(Task.id, Task.state).where(Task.id.in_(self.paper.steps)))}
        wanted = {key: self.paper.state(key) for key in self.paper.steps}
        assert kept == wanted, "\n".join([
            *self.told, *(f"{self.name(key)}: {kept[key]}, should be {wanted[key]}" for key in kept
                          if kept[key] != wanted[key])])

    def prove(self) -> None:
        with travel_to(noon(self.paper.today)):
            spread_load_changes()
            while plan_stale_jobs():
                pass
            db.session.expire_all()
            found = [
                finding.message
                for check in (jobs_proofs.prove_readiness, jobs_proofs.prove_counts, jobs_proofs.prove_waited_on,
                              jobs_proofs.prove_lags, jobs_proofs.prove_plans)
                for finding in check() if not finding.note
            ]
            assert found == [], "\n".join([*self.told, *found])


def noon(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(12), dt.UTC)


def play(cast: Any, seed: int) -> None:
    """One history, taken back afterwards."""
    connection: Any = db.engines[None]
    db.session.commit()
    known = set(db.session.identity_map.keys())
    connection.exec_driver_sql("SAVEPOINT history")
    try:
        with travel_to(noon(START)):
            history = Travelling(cast, random.Random(seed))
            history.play()
    finally:
        db.session.rollback()
        for row in [row for key, row in db.session.identity_map.items() if key not in known]:
            db.session.expunge(row)
        db.session.expire_all()
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT history")


class Travelling(History):
    """Each act happens on the paper's day."""

    def twice(self, said: str, act: Callable[[], Any], is_refused: bool = False) -> None:
        with travel_to(noon(self.paper.today)):
            super().twice(said, act, is_refused)


@pytest.mark.slow
@pytest.mark.histories("graph")
def test_a_plain_model_says_the_same_after_every_act_of_any_history(cast: Any) -> None:
    for seed in range(EXAMPLES):
        play(cast, seed)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.histories("graph")
@batches()
def test_a_plain_model_says_the_same_after_very_many_histories(cast: Any, seeds: range) -> None:
    for seed in seeds:
        play(cast, seed)


def test_the_histories_find_an_effect_before_the_check_that_makes_a_command_idempotent(
    cast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done pressed again on a finished step used to count the lag after it anew."""
    from app.jobs.commands import tasks

    again: list[bool] = []

    def ended_whether_open_or_not(task: Task) -> None:
        """As it was: right on the first press, and nothing asked on the second."""
        again.append(task.state is TaskState.DONE)
        lagged = sa.select(Dependency).where(Dependency.on_id == task.id, Dependency.lag_days > 0)
        for lag in db.session.scalars(lagged):
            waiting = db.session.get_one(Task, lag.task_id)
            lag.opens_on = calendar_of(waiting.client_id).add_working_days(today(), lag.lag_days)
        db.session.flush()

    monkeypatch.setattr(tasks, "end_lags", ended_whether_open_or_not)
    with pytest.raises(AssertionError, match="opens on .* as kept|should be"):
        for seed in range(60):
            play(cast, seed)
    assert any(again), "pressed again on a finished step"
