"""What the forecast of a series is: its definition, from which the stored rows are a rebuildable copy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from app.catalogue.blueprints import Blueprint, start_of_job
from app.planning.cadences import Years, pattern_of
from app.planning.facts import ClientFacts
from app.planning.models import ByHand, Series, SeriesState
from app.planning.periods import Period, PeriodPattern
from app.planning.plans import due_on_of, title_of

MONTHS_AHEAD = 13


@dataclass(frozen=True)
class Forecast:
    """One period of a series as it stands to be created."""

    series_id: UUID
    client_id: UUID
    period_start: dt.date
    period_end: dt.date
    create_on: dt.date
    starts_on: dt.date
    due_on: dt.date | None
    title: str
    starts_by_hand: dt.date | None = None
    due_by_hand: dt.date | None = None
    roles_by_hand: dict[str, str] = field(default_factory=dict)
    title_by_hand: str = ""
    note: str = ""
    due_because: str = ""

    @property
    def by_hand(self) -> ByHand:
        return ByHand(
            self.starts_by_hand, self.due_by_hand, self.roles_by_hand, self.title_by_hand, self.note, self.due_because
        )

    def row(self) -> dict[str, Any]:
        return asdict(self)


def horizon(today: dt.date) -> dt.date:
    """Forecasts cover every period that begins before this day: at least twelve months from any day of this month."""
    index = today.year * 12 + today.month - 1 + MONTHS_AHEAD
    return dt.date(index // 12, index % 12 + 1, 1)


def pattern_of_series(series: Series, client: Years) -> PeriodPattern:
    """The periods of a series: its cadence over the client's own year, never a copy of it."""
    pattern = pattern_of(series.cadence, client)
    assert pattern is not None
    return pattern


def periods_of(series: Series, client: Years, until: dt.date, history: Sequence[Period] = ()) -> list[Period]:
    """The periods of a series that begin before a day and not after its end, and that `history` leaves open.

    `history` are the periods that are created, skipped or cancelled. What lies between them is divided at the ends of
    the client's periods, so that after a changed year end a shorter period leads over, with no gap and no overlap.
    """
    if series.ends_on is not None:
        until = min(until, series.ends_on + dt.timedelta(days=1))
    pattern = pattern_of_series(series, client)
    found: list[Period] = []
    day = series.anchor_on
    for done in [*sorted(history), None]:
        stop = min(done.start, until) if done else until
        while day < stop:
            end = pattern.containing(day).end
            period = Period(day, min(end, done.start) if done else end)
            found.append(period)
            day = period.end
        if done:
            day = max(day, done.end)
    return found


def forecasts_of(
    series: Series, blueprint: Blueprint, service_name: str, client: ClientFacts, until: dt.date,
    *, history: Sequence[Period] = (), since: dt.date | None = None, by_hand: Mapping[dt.date, ByHand] | None = None,
) -> list[Forecast]:
    """All of a series before `until`, or only those that begin on or after `since`. An ended series has none.

    `by_hand`: what was set for single ones, by the day on which their period begins. Where periods have changed, it
    goes to the one that has that day in it.
    """
    if series.state is SeriesState.ENDED:
        return []
    pattern = pattern_of_series(series, client)
    return [
        _forecast(series, blueprint, service_name, client, pattern, period, _set_for(period, by_hand or {}))
        for period in periods_of(series, client, until, history)
        if since is None or period.start >= since
    ]


def _set_for(period: Period, by_hand: Mapping[dt.date, ByHand]) -> ByHand:
    return next((by_hand[day] for day in sorted(by_hand) if day in period), ByHand())


def _forecast(
    series: Series, blueprint: Blueprint, service_name: str, client: ClientFacts, pattern: PeriodPattern,
    period: Period, own: ByHand,
) -> Forecast:
    first = start_of_job(blueprint, period.start, period.last_day, client.calendar)
    starts_on = own.starts_on or first + dt.timedelta(days=series.offset_days)
    return Forecast(
        series_id=series.id, client_id=series.client_id, period_start=period.start, period_end=period.last_day,
        create_on=starts_on - dt.timedelta(days=series.ahead_days), starts_on=starts_on,
        due_on=own.due_on or due_on_of(blueprint, period, starts_on, client),
        title=own.title or title_of(blueprint, client.name, service_name, period, pattern, starts_on),
        starts_by_hand=own.starts_on, due_by_hand=own.due_on, roles_by_hand=dict(own.roles), title_by_hand=own.title,
        note=own.note, due_because=own.because,
    )
