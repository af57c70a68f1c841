"""When somebody leaves, their timers become entries: what they worked is not lost."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from app.clients.commands.walls import on_wall
from app.core.actors import SYSTEM, Actor
from app.core.db import db
from app.core.errors import Refused
from app.core.locking import takes
from app.jobs.commands.handover import locked_beside
from app.people.commands.handing import locked_next
from app.people.commands.people import on_deactivate
from app.people.holdings import Scope
from app.people.models import Person
from app.timekeeping.commands.timers import FORGOTTEN_AFTER, LOCKED, elapsed, hold_for_timers, stop_timer
from app.timekeeping.models import Timer


def _take_timers(person_id: UUID) -> None:
    """Their timers are locked before anything of clients and jobs is."""
    takes("turn of a person", [person_id])
    db.session.connection().execute(LOCKED, {"person": str(person_id)})


def _steps_timed(person_id: UUID) -> Sequence[UUID]:
    timed = sa.select(Timer.task_id).where(Timer.person_id == person_id, Timer.discarded_at.is_(None))
    return [step for step in db.session.scalars(timed) if step is not None]


locked_next.append(_take_timers)
locked_beside.append(_steps_timed)


@on_deactivate
def _stop_timers(person: Person, to: Person | None, by: Actor) -> None:
    """At most ten hours each; one that no entry can be made of stays as it is and keeps nobody from leaving."""
    _stop(person)


@on_wall
def stop_timers_there(person: Person, scope: Scope) -> None:
    """Whoever is kept from a client sees their timer there no more; it becomes an entry, as when they leave."""
    if scope.client_id is not None:
        _stop(person, Timer.client_id == scope.client_id)
    else:
        _stop(person, Timer.engagement_id == scope.engagement_id)


def _stop(person: Person, *where: sa.ColumnElement[bool]) -> None:
    theirs = sa.select(Timer).where(Timer.person_id == person.id, Timer.discarded_at.is_(None), *where)
    took = {
        timer: max(dt.timedelta(minutes=1), min(elapsed(timer), FORGOTTEN_AFTER))
        for timer in db.session.scalars(theirs.order_by(Timer.id)).all()
    }
    hold_for_timers(took, by=SYSTEM)
    for timer, recorded in took.items():
        with contextlib.suppress(Refused):
            stop_timer(timer, by=SYSTEM, recorded=recorded)
