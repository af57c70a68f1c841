"""Who is named in a series, or for one of its periods alone, as it is handed over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.models import Service
from app.clients.models import Client
from app.core.actors import Actor
from app.core.db import db
from app.core.locking import to_lock
from app.people.commands.handing import locked_first
from app.people.holdings import Holding, Kind, Scope, register_holdings
from app.people.models import Person
from app.planning.models import Occurrence, OccurrenceState, Series, SeriesState


def _find(person_id: UUID, scope: Scope) -> list[Holding]:
    running = sa.select(Series, Service.name, Client.name).join(Service, Service.id == Series.service_id).join(
        Client, Client.id == Series.client_id
    ).where(Series.state != SeriesState.ENDED, _names(Series.roles, person_id))
    if scope.client_id is not None:
        running = running.where(Series.client_id == scope.client_id)
    if scope.engagement_id is not None:
        running = running.where(Series.engagement_id == scope.engagement_id)
    return [
        Holding("series", series.id, f"Named as {role} in the recurring work", service, series.client_id, client,
                series.engagement_id, role)
        for series, service, client in db.session.execute(running.order_by(Series.id))
        for role, named in sorted(series.roles.items()) if named == str(person_id)
    ]


def _give(held: Sequence[Holding], person: Person, to: Person | None, by: Actor) -> None:
    """Without a successor the role is resolved anew for each job: from the engagement's and the client's team."""
    parts: dict[UUID, list[str]] = {}
    for each in held:
        parts.setdefault(each.id, []).append(each.part)
    for series_id in sorted(parts):
        series = db.session.get_one(Series, series_id)
        kept = {role: named for role, named in series.roles.items() if role not in parts[series_id]}
        series.roles = kept | (dict.fromkeys(parts[series_id], str(to.id)) if to else {})
        series.version += 1
        named = next(each for each in held if each.id == series_id)
        record("planning.series.edit", series, by=by, title=f"{named.name} · {named.client}", left=person.id,
               to=to.id if to else None, roles=parts[series_id])


def _find_single(person_id: UUID, scope: Scope) -> list[Holding]:
    """Periods to come that name them for that one alone."""
    coming = sa.select(Occurrence, Series.engagement_id, Client.name).join(
        Series, Series.id == Occurrence.series_id
    ).join(Client, Client.id == Series.client_id).where(
        Occurrence.state == OccurrenceState.FORECAST, _names(Occurrence.roles_by_hand, person_id)
    )
    if scope.client_id is not None:
        coming = coming.where(Series.client_id == scope.client_id)
    if scope.engagement_id is not None:
        coming = coming.where(Series.engagement_id == scope.engagement_id)
    return [
        Holding("occurrences", row.id, f"Named as {role} for one period", row.title, row.client_id, client,
                engagement_id, role)
        for row, engagement_id, client in db.session.execute(coming.order_by(Occurrence.id))
        for role, named in sorted(row.roles_by_hand.items()) if named == str(person_id)
    ]


def _give_single(held: Sequence[Holding], person: Person, to: Person | None, by: Actor) -> None:
    """Without a successor the period goes by its series again."""
    for occurrence_id in sorted({each.id for each in held}):
        row, parts = db.session.get_one(Occurrence, occurrence_id), [e.part for e in held if e.id == occurrence_id]
        before, series = row.by_hand.told(), db.session.get_one(Series, row.series_id)
        kept = {role: named for role, named in row.roles_by_hand.items() if role not in parts}
        row.roles_by_hand = kept | (dict.fromkeys(parts, str(to.id)) if to else {})
        record("planning.occurrence.set", series, by=by, title=row.title, left=person.id, to=to.id if to else None,
               before=before, after=row.by_hand.told())


def _names(roles: sa.orm.InstrumentedAttribute[dict[str, Any]], person_id: UUID) -> sa.ColumnElement[bool]:
    return sa.cast(roles, sa.Text).contains(str(person_id))


def _lock(person_id: UUID) -> None:
    """Before the person and their clients: whoever makes the jobs of a series has it first, and its periods after."""
    single = sa.select(Occurrence).where(
        Occurrence.state == OccurrenceState.FORECAST, _names(Occurrence.roles_by_hand, person_id)
    )
    theirs = sa.or_(
        _names(Series.roles, person_id), Series.id.in_(single.with_only_columns(Occurrence.series_id))
    )
    db.session.execute(to_lock(sa.select(Series).where(theirs), of=Series))
    db.session.execute(to_lock(single, of=Occurrence))


locked_first.append(_lock)
register_holdings(Kind("series", 30, _find, _give))
register_holdings(Kind("occurrences", 31, _find_single, _give_single))
