"""Which series a change of a calendar or a service touches, and which of them still wait for it."""

from __future__ import annotations

import sqlalchemy as sa

from app.clients.models import Client
from app.firm.days_off import REACH
from app.planning.models import Occurrence, OccurrenceState, Redating, Series, SeriesState


def waits() -> sa.ColumnElement[bool]:
    """Of a series: some change has not come to it yet, so that its dates are being worked out."""
    return sa.exists().where(*_touched(), _of_day()).correlate(Series)


def touched_by(change: Redating) -> sa.Select[Series]:
    """The series that a change still has to come to, in the order in which it does."""
    return sa.select(Series).where(
        sa.exists().where(Redating.id == change.id, *_touched(), _of_day()).correlate(Series)
    ).order_by(Series.id)


def _touched() -> list[sa.ColumnElement[bool]]:
    office = sa.select(Client.office_id).where(Client.id == Series.client_id).correlate(Series).scalar_subquery()
    return [
        Series.state != SeriesState.ENDED,
        sa.or_(Redating.after_id.is_(None), Series.id > Redating.after_id),
        sa.or_(Redating.office_id.is_(None), Redating.office_id == office),
        sa.or_(Redating.service_id.is_(None), Redating.service_id == Series.service_id),
    ]


def _of_day() -> sa.ColumnElement[bool]:
    """A day off concerns a series that has a forecast around it."""
    earliest = sa.func.least(Occurrence.period_start, Occurrence.starts_on)
    latest = sa.func.greatest(Occurrence.period_end, Occurrence.starts_on, Occurrence.due_on)
    return sa.or_(
        Redating.closed_on.is_(None),
        sa.exists().where(
            Occurrence.series_id == Series.id, Occurrence.state == OccurrenceState.FORECAST,
            Redating.closed_on.between(earliest - REACH, latest + REACH),
        ).correlate(Series, Redating),
    )
