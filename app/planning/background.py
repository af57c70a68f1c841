"""What planning does by itself: the hourly sweep over series, one client of a run, forecasts after a change."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import reads
from app.activity.models import Event
from app.clients.policy import check_served
from app.core.actors import SYSTEM, Actor
from app.core.db import db
from app.core.errors import Refused
from app.core.locking import to_lock
from app.core.queue import BULK, LONGEST, background
from app.planning import following, outcome, proofs, sentences, ways_back
from app.planning.commands import editions
from app.planning.commands import following as carrying_out
from app.planning.commands.applications import KIND
from app.planning.commands.applying import SHELF, apply_to_client, shelved
from app.planning.commands.finding import tell_of_editions
from app.planning.commands.forecasting import BATCH, redate_next, refresh_or_mark, refresh_stuck, top_up_forecasts
from app.planning.commands.occurrences import create_occurrences, due_occurrences, skip_unserved
from app.planning.models import Application, Occurrence, Redating, Series, SeriesState
from app.runs.commands import Skip, works
from app.runs.models import ItemState, Run, RunItem

__all__ = ["carrying_out", "editions", "following", "outcome", "proofs", "sentences", "ways_back"]


@background("planning.recurrence", every=3600, queue=BULK, seconds=LONGEST)
def recur() -> None:
    """Hourly, so that an outage is caught up soon; the second run of a day finds nothing to do."""
    refresh_stuck(by=SYSTEM)
    db.session.expire_all()
    while top_up_forecasts(by=SYSTEM):
        db.session.expire_all()
    while skip_unserved(by=SYSTEM):
        db.session.expire_all()
    create_due()


@background("planning.editions", every=3600, queue=BULK, seconds=LONGEST)
def find_editions() -> None:
    """An update of the product may have brought a newer edition; so may a job that counts by an older one."""
    tell_of_editions(by=SYSTEM)


def create_due() -> int:
    """Create every job that is due by today; whatever cannot be created is passed and tried again next time."""
    made, after = 0, None
    while True:
        due = due_occurrences(BATCH, by=SYSTEM, after=after)
        if not due:
            return made
        made += create_occurrences([row.id for row in due], by=SYSTEM)
        after = (due[-1].create_on, due[-1].id)
        db.session.expire_all()


@background("planning.redate", every=15, queue=BULK, seconds=LONGEST)
def redate() -> None:
    """Bring recurring work into line with changed calendars and services, piece by piece."""
    while redate_next(by=SYSTEM):
        db.session.expire_all()


@works(KIND)
def apply_one(run: Run, item: RunItem, by: Actor) -> dict[str, Any]:
    client_id = UUID(item.payload["client_id"])
    try:
        check_served(client_id)
    except Refused as refusal:
        raise Skip(refusal.message) from None
    kept = shelved(run.id, client_id)
    if kept is not None:
        return apply_to_client(kept, client_id, by=by)
    ahead = db.session.scalars(
        sa.select(RunItem.payload["client_id"].astext)
        .where(RunItem.run_id == run.id, RunItem.state == ItemState.WAITING, RunItem.position > item.position)
        .order_by(RunItem.position).limit(SHELF)
    ).all()
    application = db.session.get_one(Application, run.id)
    return apply_to_client(application, client_id, by=by, ahead=[UUID(each) for each in ahead])


CHANGES = (
    "catalogue.template.publish", "catalogue.service.edit", "clients.client.update",
)


@reads("planning.forecasts", *CHANGES)
def follow(event: Event, data: dict[str, Any]) -> None:
    """A new version, name or year end changes what is forecast, never what is created."""
    if event.kind == "clients.client.update":
        which = sa.select(Series.id).where(Series.state != SeriesState.ENDED, Series.client_id == event.subject_id)
        ids = db.session.scalars(to_lock(which)).all()
        db.session.execute(to_lock(sa.select(Occurrence.id).where(Occurrence.series_id.in_(ids))))
        refresh_or_mark(ids)
    else:
        service_id = UUID(str(data["service_id"])) if event.kind.endswith("publish") else event.subject_id
        db.session.add(Redating(service_id=service_id))
