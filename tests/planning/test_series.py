"""Series: forecasts, creating ahead, skipping, pausing, ending."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.activity.commands import run_reader, seal_events
from app.catalogue.commands import StepValues, draft_next_version, edit_step, edit_template, publish_template
from app.clients.commands import archive_client, close_engagement, reopen_engagement, restore_client
from app.clients.models import Engagement
from app.core.actors import SYSTEM
from app.core.clock import travel_to
from app.core.errors import NotAllowed
from app.jobs.models import Job
from app.planning.background import create_due, recur
from app.planning.commands.occurrences import create_now, restore_occurrence, skip_occurrence
from app.planning.commands.series import SeriesValues, edit_series, end_series, pause_series, resume_series
from app.planning.models import Occurrence, OccurrenceState, Series
from app.planning.proofs import forecasts_equal_their_definition
from app.planning.queries import get_series, held_back_because
from tests.make import Cast, count
from tests.planning.make_planning import make_series, make_service

JUNE = dt.date(2026, 6, 10)


def at(year: int, month: int, day: int) -> dt.datetime:
    return dt.datetime(year, month, day, 9, tzinfo=dt.UTC)


def occurrences(series: Series, session: Session) -> Sequence[Occurrence]:
    return session.scalars(
        sa.select(Occurrence)
        .where(Occurrence.series_id == series.id)
        .order_by(Occurrence.period_start)
        .execution_options(populate_existing=True)
    ).all()


def begin(cast: Cast, **values: object) -> Series:
    service, _template = make_service(request=False)
    return make_series(cast.acme, service, JUNE, **values)  # type: ignore[arg-type]


def test_a_new_series_is_forecast_at_least_twelve_months_ahead(cast: Cast, session: Session) -> None:
    with travel_to(at(2026, 6, 10)):
        rows = occurrences(begin(cast), session)
    assert rows[0].period_start == dt.date(2026, 6, 1) and rows[-1].period_start == dt.date(2027, 6, 1)
    assert rows[0].title == "Acme Ltd Bookkeeping Jun 2026"
    assert (rows[0].create_on, rows[0].starts_on) == (dt.date(2026, 6, 17), dt.date(2026, 7, 1))
    assert rows[0].due_on == dt.date(2026, 7, 30)


def test_the_sweep_creates_what_is_due_once_and_lengthens_the_forecast(cast: Cast, session: Session) -> None:
    with travel_to(at(2026, 6, 10)):
        series = begin(cast)
        recur()
        assert count(Job) == 0
    with travel_to(at(2026, 7, 20)):
        recur()
        recur()
    rows = occurrences(series, session)
    assert [row.state for row in rows[:3]] == [
        OccurrenceState.CREATED,
        OccurrenceState.CREATED,
        OccurrenceState.FORECAST,
    ]
    assert rows[-1].period_start == dt.date(2027, 7, 1)
    jobs = session.scalars(sa.select(Job).order_by(Job.period_start)).all()
    assert [job.title for job in jobs] == ["Acme Ltd Bookkeeping Jun 2026", "Acme Ltd Bookkeeping Jul 2026"]
    assert jobs[0].starts_on == dt.date(2026, 7, 1), "an outage does not move the dates"
    assert list(forecasts_equal_their_definition()) == []


def test_a_skipped_occurrence_is_passed_over_and_can_be_taken_back(cast: Cast, session: Session) -> None:
    with travel_to(at(2026, 6, 10)):
        series = begin(cast)
        first = occurrences(series, session)[0]
        skip_occurrence(first, by=cast.actor(cast.mel))
    with travel_to(at(2026, 6, 20)):
        assert create_due() == 0
        restore_occurrence(first, by=cast.actor(cast.mel))
        assert create_due() == 1


def test_creating_ahead_by_hand_makes_one_job(cast: Cast, session: Session) -> None:
    with travel_to(at(2026, 6, 10)):
        series = begin(cast)
        second = occurrences(series, session)[1]
        job = create_now(second, by=cast.actor(cast.mel))
        assert create_now(second, by=cast.actor(cast.mel)) == job and count(Job) == 1


def test_a_paused_series_creates_nothing_and_resumes_without_the_missed_ones(cast: Cast, session: Session) -> None:
    mel = cast.actor(cast.mel)
    with travel_to(at(2026, 6, 10)):
        series = begin(cast)
        pause_series(series, by=mel)
    with travel_to(at(2026, 7, 20)):
        recur()
        assert count(Job) == 0
        resume_series(series, by=mel)
        recur()
        assert count(Job) == 0
    states = [row.state for row in occurrences(series, session)[:3]]
    assert states == [OccurrenceState.SKIPPED, OccurrenceState.SKIPPED, OccurrenceState.FORECAST]


def test_editing_a_series_moves_what_is_not_created_yet(cast: Cast, session: Session) -> None:
    with travel_to(at(2026, 6, 20)):
        series = begin(cast)
        recur()
        edit_series(
            series, SeriesValues(ahead_days=0, offset_days=5, ends_on=dt.date(2026, 9, 15)), by=cast.actor(cast.mel)
        )
        rows = occurrences(series, session)
    assert rows[0].starts_on == dt.date(2026, 7, 1) and rows[0].state is OccurrenceState.CREATED
    assert [row.period_start.month for row in rows] == [6, 7, 8, 9]
    assert (rows[1].starts_on, rows[1].create_on) == (dt.date(2026, 8, 6), dt.date(2026, 8, 6))


def test_ending_a_series_leaves_its_jobs_and_no_forecast(cast: Cast, session: Session) -> None:
    with travel_to(at(2026, 6, 20)):
        series = begin(cast)
        recur()
        end_series(series, by=cast.actor(cast.mel))
        assert [row.state for row in occurrences(series, session)] == [OccurrenceState.CREATED]
        assert list(forecasts_equal_their_definition()) == []


def test_the_proof_finds_a_forecast_that_was_tampered_with(cast: Cast, session: Session) -> None:
    with travel_to(at(2026, 6, 10)):
        series = begin(cast)
        session.execute(sa.update(Occurrence).where(Occurrence.series_id == series.id).values(title="Something else"))
        session.expire_all()
        assert len(list(forecasts_equal_their_definition())) == 13


def test_otto_and_a_preparer_may_not_decide_what_recurs(cast: Cast, session: Session) -> None:
    with travel_to(at(2026, 6, 10)):
        series = begin(cast)
    for actor in (cast.contact(cast.otto), cast.actor(cast.sam)):
        with pytest.raises(NotAllowed):
            end_series(series, by=actor)
    assert SYSTEM.is_system


def test_a_new_version_or_name_changes_the_forecast_and_not_what_is_created(cast: Cast, session: Session) -> None:
    mel = cast.actor(cast.mel)
    with travel_to(at(2026, 6, 20)):
        service, _template = make_service(request=False)
        series = make_series(cast.acme, service, JUNE)
        recur()
        draft = draft_next_version(service, by=mel)
        edit_template(draft, title_pattern="Books of {client}, {month}", due_rule=None, priority=0, fee=None, by=mel)
        edit_step(draft, "review", StepValues("Review", service.stages[2].id), by=mel)
        publish_template(draft, by=mel)
        follow_events()
        rows = occurrences(series, session)
        assert [row.title for row in rows[:2]] == ["Acme Ltd Bookkeeping Jun 2026", "Books of Acme Ltd, July"]
        assert rows[1].due_on is None and list(forecasts_equal_their_definition()) == []


def follow_events() -> None:
    while seal_events():
        pass
    while run_reader("planning.forecasts"):
        pass


def test_nothing_is_created_for_an_archived_client_or_under_a_closed_engagement(cast: Cast, session: Session) -> None:
    with travel_to(at(2026, 6, 20)):
        series = begin(cast)
        engagement = session.get_one(Engagement, series.engagement_id)
        close_engagement(engagement, by=SYSTEM)
        assert create_due() == 0
        assert "is closed" in held_back_because(get_series(series.id, seen_by=SYSTEM), seen_by=SYSTEM)
        reopen_engagement(engagement, by=SYSTEM)
        archive_client(cast.acme, by=SYSTEM)
        assert create_due() == 0
        restore_client(cast.acme, by=SYSTEM)
        assert create_due() == 1
