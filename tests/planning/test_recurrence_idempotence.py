"""Recurrence gives the same rows whether run once, daily, twice at once, or after an outage."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.catalogue.models import Cadence
from app.core.actors import SYSTEM
from app.core.clock import travel_to
from app.core.db import db, transaction
from app.planning.background import recur
from app.planning.commands.series import SeriesValues, begin_series
from app.planning.proofs import forecasts_equal_their_definition
from tests.make import Cast, make_cast, make_engagement
from tests.planning.make_planning import make_service

START, END = dt.date(2026, 1, 10), dt.date(2026, 12, 20)
CADENCES = (Cadence.MONTH, Cadence.QUARTER, Cadence.HALF_YEAR, Cadence.YEAR, Cadence.TAX_YEAR)
PLANS = st.lists(
    st.tuples(st.sampled_from(CADENCES), st.integers(0, 60), st.integers(-20, 20), st.booleans()),
    min_size=1,
    max_size=2,
)
DAYS = st.sets(st.integers(0, (END - START).days), max_size=12)
ROWS = """SELECT s.cadence, o.period_start, o.period_end, o.create_on, o.starts_on, o.due_on, o.title, o.state,
                 j.title, j.starts_on, j.due_on, j.origin IS NOT NULL, j.tasks_total
          FROM occurrence o JOIN series s ON s.id = o.series_id LEFT JOIN job j ON j.id = o.job_id
          ORDER BY s.cadence, s.ahead_days, s.offset_days, o.period_start, s.id"""


def on(day: dt.date) -> Any:
    return travel_to(dt.datetime.combine(day, dt.time(3), dt.UTC))


def begin(cast: Cast, plans: list[Any]) -> None:
    service, _template = make_service(request=False)
    for cadence, ahead, offset, ends in plans:
        engagement = make_engagement(cast.acme, cast.entity)
        begin_series(
            cast.acme,
            engagement.id,
            service.id,
            cadence,
            START,
            SeriesValues(ahead, offset, dt.date(2026, 9, 1) if ends else None),
            by=SYSTEM,
        )


def rows_after(cast: Cast, plans: list[Any], days: set[int]) -> list[Any]:
    """What stands at the end when the sweep ran on these days after the start, and on the last day; then undone."""
    db.session.commit()
    db.session.remove()
    connection: Any = db.engines[None]
    undo = connection.begin_nested()
    try:
        with on(START):
            begin(cast, plans)
        for day in sorted(days | {(END - START).days}):
            with on(START + dt.timedelta(days=day)):
                recur()
        assert list(forecasts_equal_their_definition()) == []
        return list(map(tuple, db.session.execute(sa.text(ROWS)).all()))
    finally:
        db.session.remove()
        undo.rollback()


@pytest.mark.slow
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans=PLANS, days=DAYS)
def test_it_does_not_matter_on_which_days_the_sweep_ran(
    cast: Cast, session: Session, plans: list[Any], days: set[int]
) -> None:
    once = rows_after(cast, plans, set())
    assert once and rows_after(cast, plans, days) == once


def test_an_outage_of_forty_days_changes_nothing(cast: Cast, session: Session) -> None:
    plans = [(CADENCES[0], 14, 0, False)]
    daily = set(range(0, (END - START).days, 3))
    outage = {day for day in daily if not 100 <= day < 140}
    assert rows_after(cast, plans, daily) == rows_after(cast, plans, outage)


@pytest.mark.real
def test_two_sweeps_at_once_create_each_job_once(real_app: Flask) -> None:
    with real_app.app_context():
        with transaction(), on(START):
            cast = make_cast()
            begin(cast, [(CADENCES[0], 14, 0, False), (CADENCES[1], 30, 0, False)])

        def sweep() -> None:
            with real_app.app_context(), on(END):
                recur()

        threads = [threading.Thread(target=sweep) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        created = db.session.execute(sa.text("SELECT count(*), count(DISTINCT origin) FROM job")).one()
        states = dict(db.session.execute(sa.text("SELECT state, count(*) FROM occurrence GROUP BY state")).all())
        assert tuple(created) == (states["created"], states["created"]) and states["created"] == 16
        with on(END):
            assert list(forecasts_equal_their_definition()) == []
