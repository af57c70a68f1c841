"""Who is named in a series for the jobs to come, as it is handed over."""

from __future__ import annotations

from collections.abc import Sequence
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
from app.planning.models import Series, SeriesState


def _find(person_id: UUID, scope: Scope) -> list[Holding]:
    running = sa.select(Series, Service.name, Client.name).join(Service, Service.id == Series.service_id).join(
        Client, Client.id == Series.client_id
    ).where(Series.state != SeriesState.ENDED, sa.cast(Series.roles, sa.Text).contains(str(person_id)))
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


def _lock(person_id: UUID) -> None:
    """Before the person and their clients: whoever makes the jobs of a series has it first."""
    theirs = sa.cast(Series.roles, sa.Text).contains(str(person_id))
    db.session.execute(to_lock(sa.select(Series).where(theirs), of=Series))


locked_first.append(_lock)
register_holdings(Kind("series", 30, _find, _give))
