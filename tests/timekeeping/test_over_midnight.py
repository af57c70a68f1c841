"""Time belongs to the day on which it was worked, and a day has only so much of it."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core import clock
from app.core.clock import today
from app.core.db import db
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.rounding import RoundingRule, RoundMode, RoundPer
from app.people.commands.people import deactivate_person
from app.timekeeping.commands.entries import record_entry
from app.timekeeping.commands.timers import (
    FORGOTTEN_AFTER,
    Target,
    is_forgotten,
    pause_timer,
    resume_timer,
    start_timer,
    stop_timer,
    worked_days,
)
from app.timekeeping.commands.valuing import EntryFacts
from app.timekeeping.models import TimeEntry, Timer
from app.timekeeping.too_much import day_note, too_much
from tests.billing.make_billing import make_rate
from tests.make import Cast, sign_in

EVENING = dt.datetime(2026, 11, 19, 22, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
THURSDAY, FRIDAY = dt.date(2026, 11, 19), dt.date(2026, 11, 20)


def _start(cast: Cast, at: dt.datetime = EVENING) -> Timer:
    with clock.travel_to(at):
        return start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=cast.actor(cast.sam))


def _stop(timer: Timer, cast: Cast, at: dt.datetime, **more: Any) -> list[tuple[dt.date, dt.timedelta]]:
    with clock.travel_to(at):
        return [(entry.worked_on, entry.recorded) for entry in stop_timer(timer, by=cast.actor(cast.sam), **more)]


def test_a_timer_that_runs_over_midnight_becomes_an_entry_on_either_day(cast: Cast) -> None:
    timer = _start(cast)
    assert _stop(timer, cast, EVENING + 3.5 * HOUR) == [(THURSDAY, 2 * HOUR), (FRIDAY, 1.5 * HOUR)]
    rows = db.session.execute(sa.select(TimeEntry.worked_on, TimeEntry.narrative, TimeEntry.engagement_id)).all()
    assert {row[1:] for row in rows} == {("", cast.acme_work.id)} and len(rows) == 2


def test_either_day_of_it_is_rounded_as_one(cast: Cast) -> None:
    cast.acme_work.rounding = RoundingRule(15, RoundMode.UP, 0, RoundPer.DAY_AND_JOB).to_json()
    make_rate("100")
    timer = _start(cast)
    _stop(timer, cast, EVENING + 4 * HOUR - 2 * MINUTE)
    charged = db.session.execute(sa.select(TimeEntry.worked_on, TimeEntry.charged).order_by(TimeEntry.worked_on))
    assert [tuple(row) for row in charged] == [(THURSDAY, 2 * HOUR), (FRIDAY, 2 * HOUR)]


def test_stopping_it_again_makes_nothing_more(cast: Cast) -> None:
    timer = _start(cast)
    first = _stop(timer, cast, EVENING + 3 * HOUR)
    assert _stop(timer, cast, EVENING + 4 * HOUR) == first[:1]
    assert len(db.session.scalars(sa.select(TimeEntry)).all()) == 2


def test_what_was_gathered_before_a_pause_stays_on_its_day(cast: Cast) -> None:
    timer, sam = _start(cast), cast.actor(cast.sam)
    with clock.travel_to(EVENING + HOUR):
        pause_timer(timer, by=sam)
    with clock.travel_to(EVENING + 12 * HOUR):
        resume_timer(timer, by=sam)
    assert _stop(timer, cast, EVENING + 12.5 * HOUR) == [(THURSDAY, HOUR), (FRIDAY, 0.5 * HOUR)]


def test_a_timer_held_by_starting_another_keeps_its_days_too(cast: Cast) -> None:
    timer, sam = _start(cast), cast.actor(cast.sam)
    with clock.travel_to(EVENING + 3 * HOUR):
        start_timer(new_id(), Target(engagement_id=cast.rival_work.id), by=sam)
        db.session.expire_all()
    assert _stop(timer, cast, EVENING + 4 * HOUR) == [(THURSDAY, 2 * HOUR), (FRIDAY, HOUR)]


def test_seconds_on_the_other_side_of_midnight_go_with_the_rest(cast: Cast) -> None:
    timer = _start(cast, EVENING + 2 * HOUR - 40 * dt.timedelta(seconds=1))
    assert _stop(timer, cast, EVENING + 3 * HOUR) == [(FRIDAY, HOUR + dt.timedelta(seconds=40))]


@pytest.mark.parametrize(
    ("started", "hours", "asks"),
    [(22, 3.5, False), (22, 6.9, False), (22, 7.1, True), (18, 9.9, False), (18, 10.1, True), (9, 10.5, True)],
)
def test_only_what_ran_through_the_night_or_too_long_is_asked_about(
    cast: Cast, started: int, hours: float, asks: bool
) -> None:
    at = EVENING.replace(hour=started)
    timer = _start(cast, at)
    with clock.travel_to(at + hours * HOUR):
        assert is_forgotten(timer) is asks


def test_what_is_said_of_a_forgotten_timer_is_counted_from_its_start(cast: Cast) -> None:
    timer = _start(cast)
    assert _stop(timer, cast, EVENING + 11 * HOUR, recorded=3 * HOUR) == [(THURSDAY, 2 * HOUR), (FRIDAY, HOUR)]


def test_no_more_is_recorded_of_a_timer_than_it_ran(cast: Cast) -> None:
    timer = _start(cast)
    with pytest.raises(Refused, match=r"It ran for 11:00; no more"):
        _stop(timer, cast, EVENING + 11 * HOUR, recorded=12 * HOUR)
    assert db.session.get(Timer, timer.id) is not None


def test_the_clock_goes_back_in_the_night_and_the_hour_is_counted(cast: Cast) -> None:
    """In London, 25 October 2026 has 25 hours: midnight comes at 23:00 UTC, the second one o'clock at 01:00 UTC."""
    clock.set_zone("Europe/London")
    try:
        timer = _start(cast, dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC))
        stopped = _stop(timer, cast, dt.datetime(2026, 10, 25, 2, tzinfo=dt.UTC))
        assert stopped == [(dt.date(2026, 10, 24), HOUR), (dt.date(2026, 10, 25), 3 * HOUR)]
    finally:
        clock.set_zone("UTC")


@settings(max_examples=60, deadline=None)
@given(
    start=st.datetimes(dt.datetime(2026, 3, 27), dt.datetime(2026, 3, 31)),
    stretches=st.lists(st.tuples(st.integers(1, 700), st.integers(0, 1000)), max_size=4),
    zone=st.sampled_from(["UTC", "Europe/London", "America/New_York", "Pacific/Auckland"]),
)
def test_the_days_of_a_timer_add_up_to_what_it_ran(
    start: dt.datetime, stretches: list[tuple[int, int]], zone: str
) -> None:
    """Against a slow definition: each minute is asked for its own day on the wall clock."""
    at, wall = start.replace(second=0, microsecond=0, tzinfo=dt.UTC), ZoneInfo(zone)
    expected: dict[dt.date, int] = {}
    timer = Timer(gathered=dt.timedelta(), by_day={}, started_at=at, running_since=None)
    clock.set_zone(zone)
    try:
        for runs, waits in stretches:
            for minute in range(runs):
                day = (at + minute * MINUTE).astimezone(wall).date()
                expected[day] = expected.get(day, 0) + 1
            timer.running_since = at
            with clock.travel_to(at + runs * MINUTE):
                days = worked_days(timer)
            timer.gathered += runs * MINUTE
            timer.by_day = {day.isoformat(): int(taken.total_seconds()) for day, taken in days.items()}
            timer.running_since, at = None, at + (runs + waits) * MINUTE
        found = {day: taken / MINUTE for day, taken in worked_days(timer).items() if taken}
    finally:
        clock.set_zone("UTC")
    assert found == expected


def test_whoever_leaves_in_the_night_leaves_an_entry_on_either_day(cast: Cast) -> None:
    _start(cast)
    with clock.travel_to(EVENING + 14 * HOUR):
        deactivate_person(cast.sam, by=cast.actor(cast.pat))
    rows = db.session.execute(sa.select(TimeEntry.worked_on, TimeEntry.recorded).order_by(TimeEntry.worked_on)).all()
    assert [tuple(row) for row in rows] == [(THURSDAY, 2 * HOUR), (FRIDAY, FORGOTTEN_AFTER - 2 * HOUR)]


def _record(cast: Cast, hours: float, on: dt.date = THURSDAY) -> TimeEntry:
    facts = EntryFacts(engagement_id=cast.acme_work.id, worked_on=on, recorded=hours * HOUR, narrative="")
    return record_entry(new_id(), facts, by=cast.actor(cast.sam))


def test_more_than_a_day_has_is_said_and_kept(cast: Cast) -> None:
    sam = cast.actor(cast.sam)
    with clock.travel_to(EVENING + 48 * HOUR):
        _record(cast, 20)
        assert day_note([_record(cast, 4)], seen_by=sam) == ""
        assert day_note([_record(cast, 1.5)], seen_by=sam) == "25:30 on 19 November: a day has 24 hours"


def test_more_than_today_has_had_so_far_is_asked_about(cast: Cast) -> None:
    with clock.travel_to(EVENING.replace(hour=9)):
        assert too_much(THURSDAY, 9 * HOUR) == ""
        assert too_much(THURSDAY, 9.5 * HOUR) == "9:30 today, of which 9:00 have passed: does some of it overlap?"
        assert too_much(THURSDAY - dt.timedelta(days=1), 20 * HOUR) == ""


def test_the_sheet_and_the_message_say_it(cast: Cast, client: FlaskClient) -> None:
    sam = sign_in(client, cast.sam)
    entry = [_record(cast, 20, today() - dt.timedelta(days=1)) for _ in range(2)][0]
    assert "40:00 on" in sam.get(f"/time?on={entry.worked_on}").text
    form = {
        "version": entry.version, "worked_on": entry.worked_on, "work": f"engagement:{cast.acme_work.id}",
        "recorded": "21:00", "billable": "y",
    }  # fmt: skip
    answer = sam.post(f"/time/{entry.id}", data=form, headers={"HX-Request": "true"})
    assert "Saved. 41:00 on" in answer.headers["HX-Trigger"]


def test_the_message_names_both_days_of_a_timer_that_ran_over_midnight(cast: Cast, client: FlaskClient) -> None:
    timer = _start(cast)
    sam = sign_in(client, cast.sam)
    with clock.travel_to(EVENING + 3 * HOUR):
        answer = sam.post(f"/timers/{timer.id}/stop", headers={"HX-Request": "true"})
    assert "2:00 for 19 November and 1:00 for 20 November recorded" in answer.headers["HX-Trigger"]
