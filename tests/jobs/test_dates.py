"""The dates of a job are one computation: each cause shows old → new for every date that follows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.activity.models import Event, EventPayload
from app.catalogue.commands import (
    DeadlineValues,
    ServiceValues,
    StepValues,
    add_deadline,
    add_step,
    create_service,
    edit_template,
    publish_template,
)
from app.catalogue.due_rules import DueRule, days, working_days
from app.catalogue.models import Cadence, JobTemplate
from app.catalogue.queries import get_blueprint, get_service
from app.core.actors import SYSTEM
from app.core.clock import travel_to
from app.core.db import db
from app.core.errors import NotAllowed, Refused, Stale
from app.core.ids import new_id
from app.firm.calendars import calendar_for
from app.firm.commands.entities import add_closure
from app.jobs.commands import deadline_dates
from app.jobs.commands.dates import Answer, follow_rules, preview, set_named_date, unlock_date
from app.jobs.commands.deadline_dates import DeadlineChange, NewDeadline, change_deadline, extend_deadline
from app.jobs.commands.jobs import JobChange, causes_of_edit, edit_job
from app.jobs.commands.steps import NewTask, TaskChange, add_task, edit_task
from app.jobs.commands.tasks import complete_task
from app.jobs.dates import (
    AnchorsMoved,
    DeadlineDate,
    DeadlineMoved,
    DueMoved,
    JobDates,
    Move,
    StepDate,
    TriggerMoved,
    difference,
    drifted,
    follow,
)
from app.jobs.models import Deadline, DeadlineState, Job, Task
from app.jobs.queries.dates import dates_of_job, digest_of_moves
from app.jobs.sentences import WORDS
from app.planning.commands.create import create_planned_job
from app.planning.facts import client_facts, staffing
from app.planning.plans import Wish, plan_job
from tests.jobs.make_jobs import make_chain, make_job
from tests.make import sign_in

RULE = "US-FRCP12-ANSWER"
MONDAY = dt.datetime(2025, 11, 3, 12, tzinfo=dt.UTC)
SERVED = dt.date(2025, 11, 3)
ANSWER_BY = dt.date(2025, 11, 24)


@dataclass
class Suit:
    """A lawsuit: an answer is due 21 days after service; a draft five working days before that, a check three days
    after the draft, a brief ten days before the hearing, a note with the job, due on the day before the answer."""

    job: Job
    answer: Deadline
    steps: dict[str, Task]

    def days(self) -> dict[str, dt.date | None]:
        db.session.expire_all()
        return {name: task.due_on for name, task in self.steps.items()}


@pytest.fixture
def suit(cast: Any) -> Any:
    with travel_to(MONDAY):
        made = create_service(new_id(), ServiceValues(name="Lawsuit", cadence=Cadence.ONCE), by=SYSTEM)
        service = get_service(made.id, seen_by=SYSTEM)
        draft = db.session.scalars(sa.select(JobTemplate).where(JobTemplate.service_id == service.id)).one()
        edit_template(draft, title_pattern="{client} suit", priority=0, fee=None, by=SYSTEM,
                      due_rule=DueRule(f"deadline:{RULE}", (days(-1),)))
        for name, rule in (
            ("Draft", DueRule(f"deadline:{RULE}", (working_days(-5),))), ("Check", DueRule("step:draft", (days(3),))),
            ("Brief", DueRule("named:hearing", (days(-10),))), ("Note", DueRule("job_due")),
        ):
            add_step(draft, new_id(), StepValues(name, service.stages[0].id, due_rule=rule), by=SYSTEM)
        add_deadline(draft, DeadlineValues(RULE, trigger=DueRule("job_start")), by=SYSTEM)
        publish_template(draft, by=SYSTEM)
        facts = client_facts([cast.acme.id], service.id, seen_by=SYSTEM)[cast.acme.id]
        planned = plan_job(facts, get_blueprint(draft.id), "Lawsuit", Wish(None, SERVED, starts_on=SERVED), staffing(),
                           origin="suit")
        job_id, _ = create_planned_job(planned, by=SYSTEM)
        job = db.session.get_one(Job, job_id)
        tasks = db.session.scalars(sa.select(Task).where(Task.job_id == job_id)).all()
        answer = db.session.scalars(sa.select(Deadline).where(Deadline.job_id == job_id)).one()
        yield Suit(job, answer, {task.name: task for task in tasks})


def said(moves: list[Move]) -> dict[str, tuple[dt.date | None, dt.date | None]]:
    return {move.name: (move.before, move.after) for move in moves if not move.is_locked}


def apply(moves: list[Move]) -> Answer:
    return Answer(True, digest_of_moves(moves))


def test_a_wrong_day_of_service_put_right_moves_the_courts_date_and_all_that_hangs_on_it(suit: Suit, cast: Any) -> None:
    by = cast.actor(cast.sam)
    assert suit.answer.effective_on == ANSWER_BY and suit.days() == {
        "Draft": dt.date(2025, 11, 17), "Check": dt.date(2025, 11, 20), "Brief": None, "Note": dt.date(2025, 11, 23)}
    right = dt.date(2025, 11, 10)
    moves = preview(suit.job, TriggerMoved(suit.answer.id, right))
    assert said(moves) == {
        "Answer a complaint": (ANSWER_BY, dt.date(2025, 12, 1)),
        "The job": (dt.date(2025, 11, 23), dt.date(2025, 11, 30)),
        "Draft": (dt.date(2025, 11, 17), dt.date(2025, 11, 24)),
        "Check": (dt.date(2025, 11, 20), dt.date(2025, 11, 27)),
        "Note": (dt.date(2025, 11, 23), dt.date(2025, 11, 30)),
    }
    change = DeadlineChange(name=suit.answer.name, due_on=ANSWER_BY, trigger_on=right)
    with pytest.raises(Refused, match="Say why"):
        change_deadline(suit.answer, change, version=None, by=by, answer=apply(moves))
    said_why = replace(change, because="Served a week later")
    change_deadline(suit.answer, said_why, version=None, by=by, answer=apply(moves))
    db.session.expire_all()
    assert (suit.answer.trigger_on, suit.answer.effective_on) == (right, dt.date(2025, 12, 1))
    assert suit.answer.statutory_on == dt.date(2025, 12, 1) and suit.answer.state is DeadlineState.OPEN
    assert suit.job.due_on == dt.date(2025, 11, 30) and suit.job.deadline_on == dt.date(2025, 12, 1)
    assert suit.days()["Check"] == dt.date(2025, 11, 27)
    assert preview(suit.job, AnchorsMoved({"job_start": dt.date(2025, 11, 5)})) == [], "a day set by hand stays"


def test_a_trigger_given_as_wrong_as_before_moves_nothing_and_keep_keeps(suit: Suit, cast: Any) -> None:
    by, before = cast.actor(cast.sam), suit.days()
    same = DeadlineChange(name="Answer", due_on=ANSWER_BY, trigger_on=SERVED)
    assert change_deadline(suit.answer, same, version=None, by=by) == [] and suit.answer.name == "Answer"
    moved = replace(same, trigger_on=SERVED + dt.timedelta(days=1), because="A day later")
    change_deadline(suit.answer, moved, version=None, by=by, answer=Answer(False))
    assert suit.days() == before and suit.answer.effective_on == ANSWER_BY
    assert {move.name for move in drifted(dates_of_job(suit.job))} >= {"Answer", "Draft"}, "and it is in sight"


def test_an_extension_keeps_the_laws_own_date_and_moves_what_follows(suit: Suit, cast: Any) -> None:
    by, to = cast.actor(cast.sam), dt.date(2025, 12, 8)
    moves = preview(suit.job, DeadlineMoved(suit.answer.id, to))
    assert said(moves).keys() == {"The job", "Draft", "Check", "Note"}
    extend_deadline(suit.answer, to=to, because="Stipulated", reference="Dkt 12", by=by, answer=apply(moves))
    db.session.expire_all()
    assert (suit.answer.statutory_on, suit.answer.effective_on) == (ANSWER_BY, to)
    assert suit.answer.state is DeadlineState.EXTENDED and suit.days()["Draft"] == dt.date(2025, 12, 1)
    kinds = list(db.session.scalars(sa.select(Event.kind).where(Event.subject_id == suit.answer.id)))
    assert extend_deadline(suit.answer, to=to, because="Stipulated", by=by) == []
    assert list(db.session.scalars(sa.select(Event.kind).where(Event.subject_id == suit.answer.id))) == kinds
    with pytest.raises(Refused, match="later than 08 Dec 2025"):
        extend_deadline(suit.answer, to=ANSWER_BY, because="No", by=by)
    assert preview(suit.job, TriggerMoved(suit.answer.id, SERVED)) != [], "the trigger put right undoes it, in sight"


def test_what_was_shown_and_has_changed_since_is_not_applied(suit: Suit, cast: Any) -> None:
    by, to = cast.actor(cast.sam), dt.date(2025, 12, 8)
    moves = preview(suit.job, DeadlineMoved(suit.answer.id, to))
    complete_task(suit.steps["Draft"], by=by)
    with pytest.raises(Refused, match="Look at them once more"):
        extend_deadline(suit.answer, to=to, because="Stipulated", by=by, answer=apply(moves))
    db.session.expire_all()
    assert suit.answer.effective_on == ANSWER_BY
    again = preview(suit.job, DeadlineMoved(suit.answer.id, to))
    assert "Draft" not in said(again) and "Check" not in said(again), "a finished step is the day it was finished"


def test_a_date_set_by_hand_stays_is_shown_and_can_be_let_go(suit: Suit, cast: Any) -> None:
    by, task = cast.actor(cast.sam), suit.steps["Draft"]
    mine = TaskChange(name="Draft", instructions="", estimate=None, due_on=dt.date(2025, 11, 12), priority=0)
    edit_task(task, mine, version=None, by=by)
    moves = preview(suit.job, DeadlineMoved(suit.answer.id, dt.date(2025, 12, 8)))
    (locked,) = [move for move in moves if move.is_locked]
    assert (locked.name, locked.before, locked.after) == ("Draft", mine.due_on, dt.date(2025, 12, 1))
    assert "Check" not in said(moves), "it counts from the day that was set"
    extend_deadline(suit.answer, to=dt.date(2025, 12, 8), because="Stipulated", by=by, answer=apply(moves))
    assert suit.days()["Draft"] == mine.due_on
    unlock_date(task, by=by)
    unlock_date(task, by=by)
    follow_rules(suit.job, seen=digest_of_moves(drifted(dates_of_job(suit.job))), by=by)
    assert suit.days()["Draft"] == dt.date(2025, 12, 1) and drifted(dates_of_job(suit.job)) == []


def test_a_jobs_due_date_moved_moves_the_steps_that_hang_on_it(cast: Any) -> None:
    by = cast.actor(cast.mel)
    job = make_job(cast.acme_work)
    (plain,) = make_chain(job, "With the job")
    own = add_task(job, NewTask(id=new_id(), name="Own day", due_on=job.due_on), by=by)
    to = job.due_on + dt.timedelta(days=14)
    change = JobChange(title=job.title, starts_on=job.starts_on, due_on=to)
    moves = preview(job, *causes_of_edit(job, change))
    assert said(moves) == {"With the job": (job.due_on, to)}
    edit_job(job, change, version=job.version, by=by, answer=apply(moves))
    db.session.expire_all()
    assert (plain.due_on, own.due_on) == (to, to - dt.timedelta(days=14)) and job.due_locked
    with pytest.raises(Stale):
        edit_job(job, change, version=1, by=by)


def test_a_date_that_the_template_names_gives_its_steps_their_day(suit: Suit, cast: Any) -> None:
    by, hearing = cast.actor(cast.sam), dt.date(2026, 1, 20)
    moves = preview(suit.job, AnchorsMoved({"named:hearing": hearing}))
    assert said(moves) == {"Brief": (None, dt.date(2026, 1, 10))}
    set_named_date(suit.job, "hearing", hearing, version=suit.job.version, by=by, answer=apply(moves))
    assert suit.days()["Brief"] == dt.date(2026, 1, 10) and suit.job.named_dates == {"hearing": "2026-01-20"}
    with pytest.raises(Refused, match="names no such date"):
        set_named_date(suit.job, "trial", hearing, version=None, by=by)


def test_days_off_added_later_are_shown_and_move_what_they_touch_when_asked(suit: Suit, cast: Any) -> None:
    add_closure(new_id(), closed_on=dt.date(2025, 11, 18), name="Moving", by=cast.actor(cast.pat))
    assert suit.days()["Draft"] == dt.date(2025, 11, 17), "nothing moves silently"
    moves = drifted(dates_of_job(suit.job))
    assert said(moves) == {"Draft": (dt.date(2025, 11, 17), dt.date(2025, 11, 14)),
                           "Check": (dt.date(2025, 11, 20), dt.date(2025, 11, 17))}
    with pytest.raises(Refused, match="once more"):
        follow_rules(suit.job, seen="something else", by=cast.actor(cast.sam))
    follow_rules(suit.job, seen=digest_of_moves(moves), by=cast.actor(cast.sam))
    assert suit.days()["Draft"] == dt.date(2025, 11, 14)


def test_deadlines_by_hand_stand_beside_the_templates(suit: Suit, cast: Any) -> None:
    by = cast.actor(cast.sam)
    new = NewDeadline(id=new_id(), name="Hearing", due_on=dt.date(2025, 11, 14), met_by=suit.steps["Brief"],
                      basis="Order of 3 November")
    hearing = deadline_dates.add_deadline(suit.job, new, by=by)
    assert deadline_dates.add_deadline(suit.job, new, by=by) is hearing
    db.session.refresh(suit.job)
    assert (suit.job.deadline_name, hearing.met_by_task_id) == ("Hearing", suit.steps["Brief"].id)
    change_deadline(hearing, DeadlineChange(name="Hearing", due_on=dt.date(2025, 12, 3), because="Adjourned"),
                    version=hearing.version, by=by)
    db.session.refresh(suit.job)
    assert suit.job.deadline_on == ANSWER_BY
    for someone in (cast.contact(cast.cleo), cast.contact(cast.otto)):
        for command in (
            lambda by: deadline_dates.add_deadline(suit.job, replace(new, id=new_id()), by=by),
            lambda by: change_deadline(hearing, DeadlineChange(name="X", due_on=ANSWER_BY), version=None, by=by),
            lambda by: extend_deadline(hearing, to=ANSWER_BY, because="x", by=by),
            lambda by: set_named_date(suit.job, "hearing", None, version=None, by=by),
            lambda by: follow_rules(suit.job, seen="", by=by), lambda by: unlock_date(suit.job, by=by),
        ):
            with pytest.raises(NotAllowed):
                command(someone)


def test_a_deadline_by_hand_says_where_it_comes_from(client: FlaskClient, suit: Suit, cast: Any) -> None:
    sign_in(client, cast.sam)
    typed = {"id": str(new_id()), "name": "Trial", "due_on": "2025-11-20", "basis": " "}
    page = client.post(f"/deadlines/new/{suit.job.id}", data=typed)
    assert page.status_code == 422 and "Say where the date comes from" in page.text and 'value="Trial"' in page.text
    new = NewDeadline(id=new_id(), name="Trial", due_on=dt.date(2025, 11, 20), basis=" ")
    with pytest.raises(Refused, match="Say where the date comes from"):
        deadline_dates.add_deadline(suit.job, new, by=cast.actor(cast.sam))
    added = client.post(f"/deadlines/new/{suit.job.id}", data={**typed, "basis": "Order of 3 November"})
    assert added.status_code == 303
    told = sa.select(EventPayload.data).where(EventPayload.event_id == Event.id, Event.kind == "jobs.deadline.added")
    assert WORDS["jobs.deadline.added"](db.session.scalars(told).one()).endswith(": Order of 3 November")


def test_the_page_asks_before_other_dates_move_and_carries_what_was_typed(
    client: FlaskClient, suit: Suit, cast: Any
) -> None:
    sign_in(client, cast.sam)
    page = client.get(f"/jobs/{suit.job.id}/dates")
    assert "Hearing" in page.text and "5 working days before" in page.text
    to = dt.date(2025, 11, 20)
    typed = {"version": str(suit.job.version), "title": "Renamed", "starts_on": SERVED.isoformat(), "priority": "0",
             "due_on": to.isoformat()}
    asked = client.post(f"/jobs/{suit.job.id}/edit", data=typed)
    assert asked.status_code == 200 and "These dates follow" in asked.text and 'value="Renamed"' in asked.text
    db.session.expire_all()
    assert suit.job.title != "Renamed"
    seen = digest_of_moves(preview(suit.job, DueMoved(to)))
    stale = client.post(f"/jobs/{suit.job.id}/edit", data={**typed, "dates": "apply", "seen": "wrong"})
    assert stale.status_code == 422 and "once more" in stale.text
    done = client.post(f"/jobs/{suit.job.id}/edit", data={**typed, "dates": "apply", "seen": seen})
    assert done.status_code == 303 and suit.days()["Note"] == to
    history = client.get(f"/deadlines/{suit.answer.id}/edit")
    assert "Counts from" in history.text
    refused = client.post(f"/deadlines/{suit.answer.id}/edit", data={
        "version": str(suit.answer.version), "name": "Answer", "due_on": ANSWER_BY.isoformat(),
        "trigger_on": "2025-11-10", "because": ""})
    assert refused.status_code == 422 and "Say why" in refused.text and 'value="2025-11-10"' in refused.text


def test_why_a_deadline_is_that_day_is_said_anew_when_it_moves(suit: Suit, cast: Any) -> None:
    assert "Saturday" not in suit.answer.basis
    trigger = dt.date(2025, 11, 8)
    moves = preview(suit.job, TriggerMoved(suit.answer.id, trigger))
    change = DeadlineChange(name=suit.answer.name, due_on=ANSWER_BY, trigger_on=trigger, because="Served later")
    change_deadline(suit.answer, change, version=None, by=cast.actor(cast.sam), answer=apply(moves))
    db.session.expire_all()
    assert suit.answer.effective_on == dt.date(2025, 12, 1)
    assert "Saturday 29 November 2025 is not a working day" in suit.answer.basis


def test_each_cause_of_the_pure_computation_moves_what_it_should_and_nothing_else() -> None:
    calendar = calendar_for("GB-ENG")
    step = StepDate(new_id(), "a", "A", dt.date(2025, 11, 28), DueRule("period_end", (working_days(-1),)))
    other = StepDate(new_id(), "b", "B", dt.date(2025, 11, 3), DueRule("job_start", (days(2),)))
    filed = DeadlineDate(new_id(), "UK-VAT", "VAT", dt.date(2026, 1, 7), "UK-VAT", DueRule("period_end"),
                         dt.date(2025, 11, 30))
    dates = JobDates(new_id(), {"period_end": dt.date(2025, 11, 30), "job_start": dt.date(2025, 11, 1)}, calendar,
                     steps=[step, other], deadlines=[filed])
    year_end = AnchorsMoved({"period_end": dt.date(2025, 12, 31)})
    assert {m.name for m in follow(dates, year_end)} == {"A", "VAT"}
    closed = calendar_for("GB-ENG", closures=[dt.date(2025, 11, 28)])
    (moved,) = difference(dates, replace(dates, calendar=closed))
    assert (moved.name, moved.before, moved.after) == ("A", dt.date(2025, 11, 28), dt.date(2025, 11, 27))
    rules = replace(dates, steps=[step, replace(other, rule=DueRule("job_start", (days(5),)))])
    assert [(m.name, m.after) for m in difference(dates, rules)] == [("B", dt.date(2025, 11, 6))]
    assert follow(dates, AnchorsMoved({})) == [] and follow(dates) == []
    gone = replace(dates, deadlines=[replace(filed, is_fixed=True)])
    assert {m.name for m in follow(gone, year_end)} == {"A"}, "what is met stays where it was"

