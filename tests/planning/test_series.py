"""Series: forecasts, creating ahead, skipping, pausing, ending."""

from __future__ import annotations

import datetime as dt
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.activity.commands import run_reader, seal_events
from app.catalogue.commands import StepValues, draft_next_version, edit_step, edit_template, publish_template
from app.catalogue.models import Cadence
from app.clients.changes import digest_of_effects, effects_of
from app.clients.commands import archive_client, close_engagement, reopen_engagement, restore_client
from app.clients.commands.clients import change_of, facts_of, update_client
from app.clients.models import Engagement, PayrollFrequency
from app.core.actors import SYSTEM
from app.core.clock import travel_to
from app.core.errors import NotAllowed, Refused
from app.jobs.models import Job
from app.planning.background import create_due, recur, redate
from app.planning.commands.occurrences import create_now, restore_occurrence, skip_occurrence
from app.planning.commands.series import SeriesValues, edit_series, end_series, pause_series, resume_series
from app.planning.forecast import periods_of
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
    redate()


@pytest.mark.parametrize("cadence", [cadence for cadence in Cadence if cadence is not Cadence.ONCE])
def test_no_period_is_lost_or_doubled_whatever_the_day_on_which_a_year_ends(cadence: Cadence) -> None:
    """All 366 year ends, for five years: checked day by day against what a period's end is by its very words."""
    start, until = dt.date(2023, 1, 1), dt.date(2028, 1, 1)
    for n in range(366):
        year_end = dt.date(2024, 1, 1) + dt.timedelta(days=n)
        client = SimpleNamespace(
            year_end_month=year_end.month, year_end_day=year_end.day, vat_stagger=1 + n % 3,
            payroll_frequency=[None, *PayrollFrequency][n % 5], first_pay_day=year_end,
        )
        series = Series(cadence=cadence, anchor_on=start, ends_on=None)
        found = periods_of(series, client, until)
        ends = [start + dt.timedelta(days=d) for d in range((until - start).days) if is_end(cadence, client, start, d)]
        assert [period.last_day for period in found if period.last_day < until] == ends, year_end
        assert found[0].start == start and all(one.end == two.start for one, two in pairwise(found))


PAY_EVERY = {PayrollFrequency.WEEKLY: 7, PayrollFrequency.FORTNIGHTLY: 14, PayrollFrequency.FOUR_WEEKLY: 28}


def is_end(cadence: Cadence, client: Any, start: dt.date, n: int) -> bool:
    """Whether a day is the last of a period: the slow way, from the calendar alone."""
    day = start + dt.timedelta(days=n)
    tomorrow = day + dt.timedelta(days=1)
    last_of_month = tomorrow.day == 1
    match cadence:
        case Cadence.MONTH:
            return last_of_month
        case Cadence.QUARTER:
            return last_of_month and day.month % 3 == 0
        case Cadence.VAT_QUARTER:
            return last_of_month and day.month % 3 == (client.vat_stagger + 2) % 3
        case Cadence.CALENDAR_YEAR:
            return (day.month, day.day) == (12, 31)
        case Cadence.TAX_YEAR:
            return (day.month, day.day) == (4, 5)
    month, wanted = client.year_end_month, client.year_end_day
    if cadence is Cadence.PAYROLL and client.payroll_frequency in PAY_EVERY:
        return (day - client.first_pay_day).days % PAY_EVERY[client.payroll_frequency] == 0
    if cadence is Cadence.PAYROLL:
        first = client.first_pay_day
        by_the_month = client.payroll_frequency is None or (first + dt.timedelta(days=1)).day == 1
        return last_of_month if by_the_month else day.day == first.day or (last_of_month and day.day < first.day)
    months = {month} if cadence is Cadence.YEAR else {month, (month + 5) % 12 + 1}
    if day.month not in months:
        return False
    ends_with_month = wanted >= monthrange(2023, month)[1]
    return last_of_month if ends_with_month else day.day == wanted or (last_of_month and day.day < wanted)


def test_a_changed_year_end_leads_over_by_a_short_period_and_reaches_every_forecast(
    cast: Cast, session: Session
) -> None:
    mel = cast.actor(cast.mel)
    with travel_to(at(2026, 1, 20)):
        update_client(cast.acme, replace(facts_of(cast.acme), year_end_month=12, year_end_day=31), by=mel)
        service, _template = make_service(request=False)
        series = make_series(cast.acme, service, dt.date(2025, 6, 1), cadence=Cadence.YEAR)
        recur()
        assert [row.state for row in occurrences(series, session)][0] is OccurrenceState.CREATED
        update_client(cast.acme, replace(facts_of(cast.acme), year_end_month=3, year_end_day=31), by=mel)
        follow_events()
        rows = occurrences(series, session)
    assert [(row.period_start, row.period_end) for row in rows] == [
        (dt.date(2025, 1, 1), dt.date(2025, 12, 31)),
        (dt.date(2026, 1, 1), dt.date(2026, 3, 31)),
        (dt.date(2026, 4, 1), dt.date(2027, 3, 31)),
    ]
    with travel_to(at(2026, 4, 2)):
        recur()
        jobs = session.scalars(sa.select(Job).order_by(Job.period_start)).all()
        assert [(job.period_start, job.period_end) for job in jobs] == [
            (row.period_start, row.period_end) for row in rows[:2]
        ]
        assert list(forecasts_equal_their_definition()) == []


def test_a_changed_vat_stagger_reaches_the_quarters_to_come(cast: Cast, session: Session) -> None:
    mel = cast.actor(cast.mel)
    with travel_to(at(2026, 6, 10)):
        update_client(cast.acme, replace(facts_of(cast.acme), vat_stagger=1), by=mel)
        service, _template = make_service(request=False)
        series = make_series(cast.acme, service, dt.date(2026, 6, 1), cadence=Cadence.VAT_QUARTER)
        update_client(cast.acme, replace(facts_of(cast.acme), vat_stagger=2), by=mel)
        follow_events()
        rows = occurrences(series, session)
        assert [row.period_end for row in rows[:3]] == [
            dt.date(2026, 4, 30), dt.date(2026, 7, 31), dt.date(2026, 10, 31),
        ]
        assert list(forecasts_equal_their_definition()) == []


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
        assert create_due() == 0, "what came due meanwhile is skipped, not caught up"


def test_a_changed_payroll_is_told_from_what_to_what_and_reaches_the_pay_periods_to_come(
    cast: Cast, session: Session
) -> None:
    mel, friday = cast.actor(cast.mel), dt.date(2026, 6, 12)
    with travel_to(at(2026, 6, 10)):
        service, _template = make_service(request=False)
        series = make_series(cast.acme, service, dt.date(2026, 6, 1), cadence=Cadence.PAYROLL)
        assert [row.period_end for row in occurrences(series, session)[:2]] == [
            dt.date(2026, 6, 30), dt.date(2026, 7, 31),
        ], "by the month until it is said"
        weekly = replace(facts_of(cast.acme), payroll_frequency=PayrollFrequency.WEEKLY, first_pay_day=friday)
        told = effects_of(change_of(cast.acme, weekly), seen_by=mel)
        assert [(each.words, each.before, each.after) for each in told] == [(
            "Bookkeeping, next period", "Mon 1 Jun – Tue 30 Jun, due Thu 30 Jul",
            "Sat 6 Jun – Fri 12 Jun, due Sun 12 Jul",
        )]
        update_client(cast.acme, weekly, by=mel, foreseen=digest_of_effects(told))
        rows = occurrences(series, session)
        assert [row.period_end for row in rows[:3]] == [dt.date(2026, 6, 5), friday, dt.date(2026, 6, 19)]
        assert rows[-1].period_end >= dt.date(2027, 6, 30) and list(forecasts_equal_their_definition()) == []


@pytest.mark.parametrize("field", ["payroll_frequency", "first_pay_day"])
def test_a_payroll_without_frequency_or_pay_day_is_refused_at_its_field(cast: Cast, field: str) -> None:
    said = {"payroll_frequency": PayrollFrequency.MONTHLY, "first_pay_day": dt.date(2026, 1, 30), field: None}
    with pytest.raises(Refused) as refusal:
        update_client(cast.acme, replace(facts_of(cast.acme), **said), by=cast.actor(cast.mel))
    assert refusal.value.field == field
