"""Two inner acts upon a job: dates that follow a change, and deadlines that a step meets."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from app.core.clock import today, travel_to
from app.core.db import db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.permissions import Permission
from app.jobs.commands.dates import KEEP, Answer, hold_dates, move_with, preview
from app.jobs.commands.deadlines import Filed, reopen_deadline, reopen_met_by, satisfy_by_task, satisfy_deadline
from app.jobs.commands.tasks import snooze_task
from app.jobs.dates import DueMoved
from app.jobs.models import DeadlineState
from app.jobs.queries.dates import digest_of_moves
from tests.jobs.make_jobs import make_job, make_task, settle
from tests.jobs.test_dates import ANSWER_BY, MONDAY, Suit, suit
from tests.jobs.test_deadlines import make_deadline
from tests.make import Cast, kept_from, not_for
from tests.test_small_commands import told, twice

__all__ = ["suit"]


def test_what_follows_is_moved_as_it_was_shown_and_not_otherwise(cast: Cast, suit: Suit) -> None:
    mel, cause = cast.actor(cast.mel), DueMoved(ANSWER_BY + dt.timedelta(days=6))
    seen = digest_of_moves(preview(suit.job, cause))

    def move(answer: Answer, by: Any = mel) -> int:
        with transaction():
            return len(move_with(suit.job, hold_dates(suit.job), [cause], answer, by=by, because="Agreed"))

    with travel_to(MONDAY):
        before = suit.days()
        assert move(KEEP) == 0 and suit.days() == before and told("jobs.job.redated") == 0
        with pytest.raises(Refused, match="Look at them once more"):
            move(Answer(True, "what was shown on another day"))
        plain = replace(mel, permissions=mel.permissions - {Permission.JOB_EDIT})
        for by in (cast.contact(cast.cleo), plain, replace(mel, walled_clients=frozenset({cast.acme.id}))):
            for answer in (KEEP, Answer(True, seen)):
                with pytest.raises(NotAllowed):
                    move(answer, by)
        assert suit.days() == before
        assert move(Answer(True, seen)) > 0
        assert suit.days()["Note"] == ANSWER_BY + dt.timedelta(days=6) and told("jobs.job.redated") == 1


def test_a_step_meets_deadlines_of_its_own_job_once(cast: Cast) -> None:
    job, other = make_job(cast.acme_work), make_job(cast.acme_work)
    task, sam = make_task(job), cast.actor(cast.sam)
    settle(job)
    with transaction():
        mine = make_deadline(job, on=today() + dt.timedelta(days=5))
        theirs = make_deadline(other, "Of another job", on=today())
    filed = Filed([mine.id, theirs.id], today(), " HMRC 7 ")
    for by in (cast.contact(cast.cleo), replace(sam, walled_clients=frozenset({cast.acme.id}))):
        with pytest.raises(NotAllowed):
            satisfy_by_task(task, filed, by=by)
    with pytest.raises(Refused) as refusal:
        satisfy_by_task(task, replace(filed, on=today() + dt.timedelta(days=2)), by=sam)
    assert refusal.value.field == "on"
    db.session.refresh(mine)
    assert mine.state is DeadlineState.OPEN and mine.met_by_task_id is None
    twice(lambda: satisfy_by_task(task, filed, by=sam), "jobs.deadline.satisfied")
    db.session.refresh(mine)
    db.session.refresh(theirs)
    assert (mine.state, mine.met_by_task_id, mine.met_on) == (DeadlineState.SATISFIED, task.id, today())
    assert (mine.reference, mine.decided_by) == ("HMRC 7", sam.id)
    assert theirs.state is DeadlineState.OPEN and theirs.met_by_task_id is None


def test_what_was_met_by_hand_is_not_said_to_be_met_by_the_step(cast: Cast) -> None:
    job = make_job(cast.acme_work)
    task, mel = make_task(job), cast.actor(cast.mel)
    settle(job)
    deadline = make_deadline(job, on=today())
    satisfy_deadline(deadline, by=mel, reference="By post")
    satisfy_by_task(task, Filed([deadline.id]), by=mel)
    db.session.refresh(deadline)
    assert (deadline.met_by_task_id, deadline.reference) == (None, "By post")
    reopen_deadline(deadline, by=mel)
    satisfy_by_task(task, Filed([deadline.id]), by=mel)
    db.session.refresh(deadline)
    assert (deadline.met_by_task_id, deadline.met_on) == (task.id, today())


def test_steps_that_are_opened_again_open_what_they_met_once(cast: Cast) -> None:
    job = make_job(cast.acme_work)
    task, other, sam = make_task(job), make_task(job), cast.actor(cast.sam)
    settle(job)
    deadline = make_deadline(job, on=today())
    satisfy_by_task(task, Filed([deadline.id], today(), "HMRC 7"), by=sam)
    with transaction():
        reopen_met_by([other], by=sam)
    assert told("jobs.deadline.reopened") == 0
    for _twice in range(2):
        with transaction():
            reopen_met_by([task, other], by=sam)
    db.session.refresh(deadline)
    assert (deadline.state, deadline.met_on, deadline.reference) == (DeadlineState.OPEN, None, "")
    assert told("jobs.deadline.reopened") == 1


def test_a_step_is_put_off_by_whoever_works_on_it_and_told_of(cast: Cast) -> None:
    job = make_job(cast.acme_work)
    task, sam, later = make_task(job), cast.actor(cast.sam), today() + dt.timedelta(days=3)
    settle(job)
    not_for((cast.contact(cast.cleo), kept_from(sam, cast.acme)), lambda by: snooze_task(task, until=later, by=by))
    snooze_task(task, until=later, by=sam)
    assert task.snoozed_until == later and told("jobs.task.snoozed") == 1
