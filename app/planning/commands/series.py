"""Series: begin, edit, pause, resume, end."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.models import Cadence
from app.catalogue.queries import latest_published
from app.clients.models import Client
from app.clients.policy import can_see
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import check_version, db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.locking import take_turn, to_lock
from app.core.permissions import authorize
from app.jobs.overruns import check_reason
from app.planning.cadences import pattern_of
from app.planning.commands.forecasting import refresh_forecasts
from app.planning.models import Occurrence, OccurrenceState, Series, SeriesState, VersionPolicy
from app.planning.past_deadlines import overrun_of_series
from app.planning.periods import check_day
from app.planning.policy import can_edit_series

LONGEST_AHEAD, LONGEST_OFFSET = 400, 400


@dataclass(frozen=True)
class SeriesValues:
    """How a series runs; `roles` holds person ids by work role, and `owner`."""

    ahead_days: int = 14
    offset_days: int = 0
    ends_on: dt.date | None = None
    roles: dict[str, Any] = field(default_factory=dict)
    version_policy: VersionPolicy = VersionPolicy.LATEST


def begin_series(
    client: Client, engagement_id: UUID, service_id: UUID, cadence: Cadence, anchor_on: dt.date,
    values: SeriesValues, *, by: Actor, series_id: UUID | None = None,
) -> Series:
    """From the period around `anchor_on` on. The same client, engagement, service, cadence and anchor: the same."""
    authorize(by, can_edit_series)
    if not can_see(by, client.id, engagement_id):
        raise NotFound()
    _check(values)
    pattern = pattern_of(cadence, client)
    if pattern is None:
        raise Refused("What is done once does not recur.", field="cadence")
    start = pattern.containing(anchor_on).start
    with transaction() as session:
        same = sa.select(Series).where(
            Series.client_id == client.id, Series.engagement_id == engagement_id, Series.service_id == service_id,
            Series.anchor_on == start, Series.cadence == cadence,
        )
        take_turn(f"{client.id} {service_id}", at="turn of a service")
        existing = session.scalar(same)
        if existing is not None:
            return existing
        template_id = latest_published(service_id)
        if template_id is None:
            raise Refused("This service has no published version yet.")
        series = Series(
            id=series_id or new_id(), client_id=client.id, engagement_id=engagement_id, service_id=service_id,
            template_id=template_id, cadence=cadence, anchor_on=start, **vars(values),
        )
        session.add(series)
        session.flush()
        refresh_forecasts([series.id], by=by)
        record("planning.series.begin", series, by=by, title=_title(series), anchor_on=start, cadence=cadence)
        return series


def edit_series(
    series: Series, values: SeriesValues, *, by: Actor, version: int | None = None, because: str = ""
) -> None:
    """All that is not created yet follows; what is created stays as it is.

    Refused without a reason where jobs to come would be due later, and past a deadline.
    """
    authorize(by, can_edit_series, series)
    _check(values)
    with transaction():
        row = _locked(series, SeriesState.ACTIVE, SeriesState.PAUSED)
        check_version(row, version)
        if values.version_policy is VersionPolicy.PIN and row.version_policy is VersionPolicy.LATEST:
            row.template_id = latest_published(row.service_id) or row.template_id
        before = {each.id: each.due_on for each in _occurrences(row)}
        for name, value in vars(values).items():
            setattr(row, name, value)
        refresh_forecasts([row.id], by=by)
        because = check_reason(overrun_of_series(row, _occurrences(row), before), because)
        record("planning.series.edit", row, by=by, title=_title(row), reason=because)


def pause_series(series: Series, *, by: Actor) -> None:
    """No job is created until it is resumed; the forecasts stay in sight."""
    authorize(by, can_edit_series, series)
    with transaction():
        row = _locked(series)
        if row.state is SeriesState.ACTIVE:
            row.state = SeriesState.PAUSED
            record("planning.series.pause", row, by=by, title=_title(row))


def resume_series(series: Series, *, by: Actor, catch_up: bool = False) -> None:
    """Go on. Jobs that fell due meanwhile are passed over, or with `catch_up` created now."""
    authorize(by, can_edit_series, series)
    with transaction() as session:
        row = _locked(series)
        if row.state is not SeriesState.PAUSED:
            return
        row.state = SeriesState.ACTIVE
        refresh_forecasts([row.id], by=by)
        passed = 0
        if not catch_up:
            result: Any = session.execute(
                sa.update(Occurrence)
                .where(
                    Occurrence.series_id == row.id, Occurrence.state == OccurrenceState.FORECAST,
                    Occurrence.create_on <= today(),
                )
                .values(state=OccurrenceState.SKIPPED).execution_options(synchronize_session="fetch")
            )
            passed = result.rowcount
        record("planning.series.resume", row, by=by, title=_title(row), skipped=passed)


def end_series(series: Series, *, by: Actor) -> None:
    """For good: its forecasts vanish, its jobs stay."""
    authorize(by, can_edit_series, series)
    with transaction():
        row = _locked(series)
        if row.state is SeriesState.ENDED:
            return
        row.state = SeriesState.ENDED
        refresh_forecasts([row.id], by=by)
        record("planning.series.end", row, by=by, title=_title(row))


def _locked(series: Series, *states: SeriesState) -> Series:
    row = db.session.scalar(to_lock(sa.select(Series).where(Series.id == series.id)))
    if row is None:
        raise NotFound()
    if states and row.state not in states:
        raise Refused("This series has ended. Begin a new one.")
    return row


def _occurrences(series: Series) -> list[Occurrence]:
    return list(db.session.scalars(
        sa.select(Occurrence).where(Occurrence.series_id == series.id).order_by(Occurrence.period_start)
    ))


def _title(series: Series) -> str:
    """The service's name and the client's, for the timeline."""
    names = db.session.execute(sa.text(
        "SELECT s.name AS service, c.name AS client FROM service s, client c WHERE s.id = :s AND c.id = :c"
    ), {"s": series.service_id, "c": series.client_id}).one()
    return f"{names.service}, {names.client}"


def _check(values: SeriesValues) -> None:
    if not 0 <= values.ahead_days <= LONGEST_AHEAD:
        raise Refused(f"Jobs are created between 0 and {LONGEST_AHEAD} days ahead.", field="ahead_days")
    check_day(values.ends_on, "ends_on")
    if abs(values.offset_days) > LONGEST_OFFSET:
        said = f"Work starts at most {LONGEST_OFFSET} days before or after the period's end."
        raise Refused(said, field="offset_days")
