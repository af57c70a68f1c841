"""What several entries of one person need is held before the first of them; where time goes is said by the work."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from app.clients.models import EngagementStatus
from app.core.actors import SYSTEM
from app.core.clock import now, today, travel_to
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.timekeeping.commands.entries import hold_for
from app.timekeeping.commands.timers import hold_for_timers, start_timer
from app.timekeeping.commands.valuing import EntryFacts, setting_for
from app.timekeeping.models import TimeEntry, Timer
from app.timekeeping.targets import Target
from tests.jobs.make_jobs import make_job, make_task
from tests.make import Cast, count, kept_from
from tests.timekeeping.make_time import make_rate

HOUR = dt.timedelta(hours=1)


@contextmanager
def watched() -> Iterator[list[str]]:
    """The tables whose rows are locked, in their order."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        said = " ".join(statement.split())
        if said.startswith("INSERT INTO client_balance"):
            seen.append("client_balance")
        elif " FOR " in said and ("UPDATE" in said or "SHARE" in said):
            seen.append(said.partition(" FROM ")[2].split()[0])

    connection = db.session.connection()
    event.listen(connection, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(connection, "before_cursor_execute", note)


def two_tasks(cast: Cast) -> list[EntryFacts]:
    """An hour each on a task of Acme's and of Rival's."""
    make_rate()
    tasks = [make_task(make_job(work)) for work in (cast.acme_work, cast.rival_work)]
    return [EntryFacts(worked_on=today(), recorded=HOUR, task_id=task.id) for task in tasks]


def held(act: Callable[[], None]) -> set[str]:
    with transaction(), watched() as seen:
        act()
    return set(seen)


def test_tasks_days_and_balances_of_several_entries_are_held_before_the_first(cast: Cast) -> None:
    facts, sam = two_tasks(cast), cast.actor(cast.sam)
    assert {"task", "client_balance"} <= held(lambda: hold_for(facts, cast.sam.id, by=sam))
    assert count(TimeEntry) == 0


def test_what_cannot_be_recorded_holds_nothing(cast: Cast) -> None:
    facts, sam = two_tasks(cast), cast.actor(cast.sam)
    nothing = [replace(each, recorded=-HOUR) for each in facts]
    assert not {"task", "client_balance"} & held(lambda: hold_for(nothing, cast.sam.id, by=sam))


def test_timers_that_are_stopped_together_hold_what_their_entries_need(cast: Cast) -> None:
    sam = cast.actor(cast.sam)
    for facts in two_tasks(cast):
        start_timer(new_id(), Target(task_id=facts.task_id), by=sam)
    timers = db.session.scalars(sa.select(Timer)).all()
    with travel_to(now() + 2 * HOUR):
        ran = {timer: dt.timedelta(minutes=1) for timer in timers}
        assert {"task", "client_balance"} <= held(lambda: hold_for_timers(ran, by=SYSTEM))
    assert held(lambda: hold_for_timers({}, by=SYSTEM)) == set()
    assert count(TimeEntry) == 0 and count(Timer) == len(timers)


def test_the_work_says_where_its_time_goes_to_whoever_sees_it(cast: Cast) -> None:
    sam, facts = cast.actor(cast.sam), two_tasks(cast)[0]
    filled, setting = setting_for(facts, cast.sam, by=sam)
    assert (filled.engagement_id, setting.engagement.id) == (cast.acme_work.id, cast.acme_work.id)
    assert filled.job_id is not None and setting.books.currency == "GBP" and len(setting.cards) == 1
    for by in (kept_from(sam, cast.acme), cast.contact(cast.otto)):
        with pytest.raises(NotFound):
            setting_for(facts, cast.sam, by=by)
    cast.acme_work.status = EngagementStatus.CLOSED
    db.session.flush()
    with pytest.raises(Refused, match="is closed") as refusal:
        setting_for(facts, cast.sam, by=sam)
    assert refusal.value.field == "work"
