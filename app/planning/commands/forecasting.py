"""Keeping the forecasts equal to their definition; each function may run twice, at once, and after any crash."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import joinedload

from app.activity.commands import record
from app.catalogue.models import JobTemplate, TemplateState
from app.catalogue.queries import get_blueprint
from app.core.actors import SYSTEM, Actor
from app.core.again import lost_a_race
from app.core.bulk import insert_rows
from app.core.clock import today
from app.core.db import db, transaction
from app.core.locking import to_lock
from app.core.permissions import authorize
from app.planning.facts import ClientFacts, client_facts
from app.planning.forecast import Forecast, forecasts_of, horizon
from app.planning.models import ByHand, Occurrence, OccurrenceState, Redating, Series, SeriesState, VersionPolicy
from app.planning.periods import Period
from app.planning.policy import can_edit_series
from app.planning.redating import touched_by

log = structlog.get_logger()
BATCH = 200
KEPT_FIELDS = (
    "period_end", "create_on", "starts_on", "due_on", "title", "starts_by_hand", "due_by_hand", "roles_by_hand",
    "title_by_hand", "note", "due_because",
)


def top_up_forecasts(*, by: Actor, limit: int = BATCH) -> int:
    """Lengthen the forecasts of the next active series that end too early. Returns how many series; 0: all are long.

    One that cannot be worked out is marked, tried again by itself, and holds up no other.
    """
    authorize(by, can_edit_series)
    try:
        return _lengthen(limit)
    except Exception as error:
        if _is_of_the_moment(error):
            raise
    ids = db.session.scalars(_too_short(limit).with_only_columns(Series.id)).all()
    each_or_stuck(ids)
    return len(ids)


def _too_short(limit: int) -> sa.Select[Series]:
    return sa.select(Series).where(
        Series.state == SeriesState.ACTIVE, ~Series.is_stuck,
        sa.func.coalesce(Series.forecast_until, dt.date.min) < horizon(today()),
    ).order_by(Series.id).limit(limit)


def _lengthen(limit: int) -> int:
    end = horizon(today())
    with transaction() as session:
        rows = session.scalars(to_lock(
            _too_short(limit).options(joinedload(Series.service, innerjoin=True)), of=Series, skip_taken=True,
        )).all()
        past = history_of([series.id for series in rows])
        found = [f for series, all_of in define(rows, end, past, only_new=True) for f in all_of]
        insert_rows(Occurrence, [f.row() for f in found], tail="ON CONFLICT (series_id, period_start) DO NOTHING")
        if rows:
            session.execute(
                sa.update(Series).where(Series.id.in_([series.id for series in rows])).values(forecast_until=end)
                .execution_options(synchronize_session=False)
            )
        return len(rows)


def refresh_forecasts(series_ids: Sequence[UUID], *, by: Actor) -> None:
    """Rebuild the forecasts of some series after their definition changed; what was created or skipped stays."""
    authorize(by, can_edit_series)
    with transaction():
        for start in range(0, len(series_ids), BATCH):
            _refresh(series_ids[start : start + BATCH])


def redate_next(*, by: Actor, limit: int = BATCH) -> bool:
    """The next piece of the oldest change that recurring work has to follow, in one transaction. False: none is left.

    A piece that was interrupted is done again, what was done before it is not.
    """
    authorize(by, can_edit_series)
    try:
        return _next_piece(limit)
    except Exception as error:
        if lost_a_race(error):
            raise
        db.session.rollback()
    return _one_by_one(limit)


def _next_piece(limit: int) -> bool:
    with transaction() as session:
        change = session.scalar(to_lock(sa.select(Redating).order_by(Redating.id).limit(1), skip_taken=True))
        if change is None:
            return False
        ids = session.scalars(touched_by(change).with_only_columns(Series.id).limit(limit)).all()
        if ids:
            refresh_forecasts(ids, by=SYSTEM)
            change.after_id = ids[-1]
        else:
            session.delete(change)
        return True


def _one_by_one(limit: int) -> bool:
    """The piece that failed, each series by itself; those that cannot be worked out are marked, and tried again."""
    change = db.session.scalar(sa.select(Redating).order_by(Redating.id).limit(1))
    if change is None:
        return False
    key, ids = change.id, db.session.scalars(touched_by(change).with_only_columns(Series.id).limit(limit)).all()
    each_or_stuck(ids)
    with transaction() as session:
        held = session.scalar(to_lock(sa.select(Redating).where(Redating.id == key)))
        if held is not None and ids:
            held.after_id = max(ids[-1], held.after_id or ids[-1])
    return True


def refresh_stuck(*, by: Actor, limit: int = BATCH) -> None:
    """Try those again whose dates could not be worked out: what stood in the way may have been put right."""
    authorize(by, can_edit_series)
    stuck = sa.select(Series.id).where(Series.is_stuck, Series.state != SeriesState.ENDED)
    each_or_stuck(db.session.scalars(stuck.order_by(Series.id).limit(limit)).all())


def each_or_stuck(ids: Sequence[UUID]) -> None:
    """Each series by itself; one that cannot be worked out is marked, and holds up no other."""
    for series_id in ids:
        try:
            refresh_forecasts([series_id], by=SYSTEM)
        except Exception as error:
            if _is_of_the_moment(error):
                raise
            log.exception("planning.series.stuck", series=str(series_id))
            _mark_stuck(series_id)


def refresh_or_mark(ids: Sequence[UUID]) -> None:
    """All of them inside another change, which none of them holds up: one that cannot be worked out is marked."""
    try:
        refresh_forecasts(ids, by=SYSTEM)
    except Exception as error:
        if _is_of_the_moment(error):
            raise
        each_or_stuck(ids)


def _mark_stuck(series_id: UUID) -> None:
    with transaction() as session:
        unmarked = sa.select(Series).where(Series.id == series_id, ~Series.is_stuck).options(
            joinedload(Series.service, innerjoin=True), joinedload(Series.client, innerjoin=True)
        )
        for series in session.scalars(to_lock(unmarked, of=Series)).all():
            series.is_stuck = True
            title = f"{series.service.name}, {series.client.name}"
            record("planning.series.stuck", series, by=SYSTEM, title=title)


def _is_of_the_moment(error: Exception) -> bool:
    """A lost race or a database that is not there: nothing is wrong with any series, and all of it is done again."""
    return lost_a_race(error) or isinstance(error, sa.exc.OperationalError)


def _refresh(series_ids: Sequence[UUID]) -> None:
    end = horizon(today())
    rows = db.session.scalars(
        to_lock(
            sa.select(Series).where(Series.id.in_(series_ids)).options(joinedload(Series.service, innerjoin=True)),
            of=Series,
        )
    ).all()
    kept: dict[UUID, list[Occurrence]] = {}
    for occurrence in db.session.scalars(
        sa.select(Occurrence).where(Occurrence.series_id.in_(series_ids)).execution_options(populate_existing=True)
    ):
        kept.setdefault(occurrence.series_id, []).append(occurrence)
    added: list[Forecast] = []
    settled = {key: settled_periods(each) for key, each in kept.items()}
    by_hand = {key: set_by_hand(each) for key, each in kept.items()}
    for series, wanted in define(rows, end, settled, by_hand=by_hand):
        added += _adjust(series, kept.get(series.id, []), wanted)
        series.forecast_until = end if series.state is not SeriesState.ENDED else None
        series.is_stuck = False
    db.session.flush()
    rows_to_add = [forecast.row() for forecast in added]
    insert_rows(Occurrence, rows_to_add, tail="ON CONFLICT (series_id, period_start) DO NOTHING")


def _adjust(series: Series, kept: list[Occurrence], wanted: list[Forecast]) -> list[Forecast]:
    """Bring what is still forecast into line; returns what is not there yet."""
    _tell_of_what_is_lost(series, kept, wanted)
    by_start = {forecast.period_start: forecast for forecast in wanted}
    for occurrence in kept:
        forecast = by_start.pop(occurrence.period_start, None)
        if occurrence.state is not OccurrenceState.FORECAST:
            continue
        if forecast is None:
            db.session.delete(occurrence)
            continue
        for name in KEPT_FIELDS:
            setattr(occurrence, name, getattr(forecast, name))
    return list(by_start.values())


def _tell_of_what_is_lost(series: Series, kept: list[Occurrence], wanted: list[Forecast]) -> None:
    """What was set by hand and whose period is gone, or now has what was set for an earlier one, is let go in sight."""
    for occurrence in kept:
        if occurrence.state is OccurrenceState.FORECAST and occurrence.by_hand:
            there = next((f for f in wanted if f.period_start <= occurrence.period_start <= f.period_end), None)
            if there is None or there.by_hand != occurrence.by_hand:
                record("planning.occurrence.drop", series, by=SYSTEM, title=occurrence.title,
                       before=occurrence.by_hand.told())


def set_by_hand(occurrences: Iterable[Occurrence]) -> dict[dt.date, ByHand]:
    """What was set for forecasts one by one, by the beginning of their period."""
    return {
        each.period_start: each.by_hand for each in occurrences
        if each.state is OccurrenceState.FORECAST and each.by_hand
    }


def by_hand_of(series_ids: Sequence[UUID]) -> dict[UUID, dict[dt.date, ByHand]]:
    """The same by series, in one query."""
    found: dict[UUID, dict[dt.date, ByHand]] = {}
    rows = db.session.scalars(sa.select(Occurrence).where(
        Occurrence.series_id.in_(series_ids), Occurrence.state == OccurrenceState.FORECAST,
        Occurrence.is_by_hand(),
    ))
    for occurrence in rows:
        found.setdefault(occurrence.series_id, {})[occurrence.period_start] = occurrence.by_hand
    return found


def settled_periods(occurrences: Iterable[Occurrence]) -> list[Period]:
    """The periods that are no forecast any more: created, skipped or cancelled."""
    return [each.period for each in occurrences if each.state is not OccurrenceState.FORECAST]


def history_of(series_ids: Sequence[UUID]) -> dict[UUID, list[Period]]:
    """The settled periods of each series, in one query."""
    found: dict[UUID, list[Period]] = {}
    rows = db.session.execute(
        sa.select(Occurrence.series_id, Occurrence.period_start, Occurrence.period_end)
        .where(Occurrence.series_id.in_(series_ids), Occurrence.state != OccurrenceState.FORECAST)
    )
    for series_id, start, last_day in rows:
        found.setdefault(series_id, []).append(Period(start, last_day + dt.timedelta(days=1)))
    return found


def define(
    rows: Iterable[Series], end: dt.date, history: Mapping[UUID, Sequence[Period]], *, only_new: bool = False,
    by_hand: Mapping[UUID, Mapping[dt.date, ByHand]] | None = None,
) -> list[tuple[Series, list[Forecast]]]:
    """What the forecasts of these series (loaded with their service) are, by definition, beside what is settled."""
    series_list = list(rows)
    facts = facts_for(series_list)
    templates = templates_for(series_list)
    return [
        (series, forecasts_of(
            series, get_blueprint(templates[series.id]), series.service.name, facts[series.id], end,
            history=history.get(series.id, ()), since=series.forecast_until if only_new else None,
            by_hand=(by_hand or {}).get(series.id),
        ))
        for series in series_list
    ]


def facts_for(rows: Sequence[Series]) -> dict[UUID, ClientFacts]:
    """Client facts by series; one statement a service."""
    by_service: dict[UUID, list[Series]] = {}
    for series in rows:
        by_service.setdefault(series.service_id, []).append(series)
    found: dict[UUID, ClientFacts] = {}
    for service_id, those in by_service.items():
        facts = client_facts([series.client_id for series in those], service_id, seen_by=SYSTEM)
        found |= {series.id: facts[series.client_id] for series in those}
    return found


def templates_for(rows: Sequence[Series]) -> dict[UUID, UUID]:
    """The version that each series is made from now: its own when pinned, else the service's latest."""
    latest = dict(
        db.session.execute(
            sa.select(JobTemplate.service_id, JobTemplate.id)
            .where(
                JobTemplate.service_id.in_({series.service_id for series in rows}),
                JobTemplate.state == TemplateState.PUBLISHED,
            )
            .order_by(JobTemplate.number)
        ).all()
    )
    return {
        series.id: latest.get(series.service_id, series.template_id)
        if series.version_policy is VersionPolicy.LATEST else series.template_id
        for series in rows
    }
