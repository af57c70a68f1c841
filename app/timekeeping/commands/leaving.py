"""When somebody leaves, their timers become entries: what they worked is not lost."""

from __future__ import annotations

import contextlib
import datetime as dt

import sqlalchemy as sa

from app.core.actors import SYSTEM, Actor
from app.core.db import db
from app.core.errors import Refused
from app.people.commands.people import on_deactivate
from app.people.models import Person
from app.timekeeping.commands.timers import FORGOTTEN_AFTER, elapsed, stop_timer
from app.timekeeping.models import Timer


@on_deactivate
def stop_timers(person: Person, to: Person | None, by: Actor) -> None:
    """At most ten hours each; one that no entry can be made of stays as it is and keeps nobody from leaving."""
    theirs = sa.select(Timer).where(Timer.person_id == person.id, Timer.discarded_at.is_(None))
    for timer in db.session.scalars(theirs).all():
        with contextlib.suppress(Refused):
            stop_timer(timer, by=SYSTEM, recorded=max(dt.timedelta(minutes=1), min(elapsed(timer), FORGOTTEN_AFTER)))
