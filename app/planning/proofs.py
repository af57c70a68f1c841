"""Proof that the stored forecasts are what their definition says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.core.copies import Copy, keeps
from app.core.db import db
from app.core.proofs import Finding, proof
from app.planning.commands.forecasting import BATCH, KEPT_FIELDS, define, set_by_hand, settled_periods
from app.planning.forecast import Forecast
from app.planning.models import Occurrence, OccurrenceState, Series, SeriesState
from app.planning.redating import waits

FORECASTS = keeps(Copy(
    "occurrence.due_on", "each period to come of a series: when its job is made, starts and is due, and its title",
    ("a client's year end", "a client's VAT quarters", "a client's payroll", "a client's name",
     "a new version of a service", "a series changed", "a period changed by hand", "a period skipped",
     "a period taken back", "a calendar", "months gone by", "a series ended"),
    "app.planning.commands.forecasting.refresh_forecasts", "planning.forecasts", True,
))


@proof("planning.forecasts")
def forecasts_equal_their_definition() -> Iterator[Finding]:
    """Every series has exactly the periods of its rule, and what is still forecast says what the rule says.

    What a changed calendar or service has not come to yet is being worked out, and no fault.
    """
    ids = db.session.scalars(
        sa.select(Series.id).where(Series.forecast_until.is_not(None)).order_by(Series.id)
    ).all()
    for start in range(0, len(ids), BATCH):
        yield from _batch(ids[start : start + BATCH])
    ended = sa.select(sa.func.count()).select_from(Occurrence).join(Series, Series.id == Occurrence.series_id).where(
        Series.state == SeriesState.ENDED, Occurrence.state == OccurrenceState.FORECAST
    )
    for series_id in db.session.scalars(
        sa.select(Series.id).where(Series.is_stuck, Series.state != SeriesState.ENDED).order_by(Series.id)
    ):
        yield Finding(f"series {series_id}", "Its dates could not be worked out after a change.")
    left = db.session.scalar(ended)
    if left:
        yield Finding("series", f"{left} forecasts of ended series are still there.")


def _batch(ids: Sequence[UUID]) -> Iterator[Finding]:
    rows = db.session.scalars(
        sa.select(Series).where(Series.id.in_(ids), Series.state != SeriesState.ENDED, ~Series.is_stuck, ~waits())
        .options(joinedload(Series.service, innerjoin=True))
    ).all()
    stored: dict[UUID, list[Occurrence]] = {}
    for occurrence in db.session.scalars(sa.select(Occurrence).where(Occurrence.series_id.in_(ids))):
        stored.setdefault(occurrence.series_id, []).append(occurrence)
    ends = {series.forecast_until for series in rows if series.forecast_until}
    for end in sorted(ends):
        those = [series for series in rows if series.forecast_until == end]
        settled = {series.id: settled_periods(stored.get(series.id, [])) for series in those}
        by_hand = {series.id: set_by_hand(stored.get(series.id, [])) for series in those}
        for series, wanted in define(those, end, settled, by_hand=by_hand):
            yield from _compare(series, wanted, stored.get(series.id, []))


def _compare(series: Series, wanted: list[Forecast], stored: list[Occurrence]) -> Iterator[Finding]:
    by_start = {forecast.period_start: forecast for forecast in wanted}
    in_order = sorted(stored, key=lambda occurrence: occurrence.period_start)
    for one, two in pairwise(in_order):
        if two.period_start <= one.period_end:
            yield Finding(f"series {series.id}", f"{one.title} and {two.title} are about the same days.")
    for occurrence in stored:
        forecast = by_start.pop(occurrence.period_start, None)
        if occurrence.state is not OccurrenceState.FORECAST:
            continue
        if forecast is None:
            yield Finding(f"series {series.id}", f"{occurrence.title} is forecast and should not be.")
            continue
        for name in KEPT_FIELDS:
            if getattr(occurrence, name) != getattr(forecast, name):
                yield Finding(f"series {series.id}", f"{occurrence.title}: {name} is not what the rule gives.")
    for start in by_start:
        yield Finding(f"series {series.id}", f"The period from {start} has no occurrence.")
