"""When somebody is away: added and cancelled. Two of one person never overlap, by the database's word."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.people.models import Leave, LeaveKind, Person, PersonState
from app.people.policy import can_edit_leave

LONGEST = dt.timedelta(days=366 * 2)


@dataclass(frozen=True, kw_only=True)
class NewLeave:
    """First and last day, both away; `from_midday` and `until_midday` leave half of that day to work."""

    id: UUID
    kind: LeaveKind
    from_on: dt.date
    to_on: dt.date
    from_midday: bool = False
    until_midday: bool = False


def add_leave(person: Person, new: NewLeave, *, by: Actor) -> Leave:
    """Somebody is away. Plans and capacity go by it from now on."""
    authorize(by, can_edit_leave, person)
    said = digest_of(person.id, new)
    known = made_before(Leave, new.id, said)
    if known is not None:
        return known
    if person.state is PersonState.DEACTIVATED:
        raise Refused(f"{person.name} does not work here any more.")
    if new.to_on < new.from_on:
        raise Refused("The last day is on or after the first.", field="to_on")
    if new.to_on - new.from_on > LONGEST:
        raise Refused("Leave lasts two years at most. Add what follows by itself.", field="to_on")
    if new.from_on == new.to_on and new.from_midday and new.until_midday:
        raise Refused("From midday until midday of one day is no time at all.", field="to_on")
    leave = Leave(
        id=new.id, made_from=said, person_id=person.id, kind=new.kind, from_on=new.from_on, to_on=new.to_on,
        from_midday=new.from_midday, until_midday=new.until_midday, added_by=by.person_id,
    )
    try:
        with transaction() as session:
            session.add(leave)
            session.flush()
            record("people.leave.added", leave, by=by, topics=(f"person:{person.id}",), person=person.id,
                   name=person.name, from_on=new.from_on, to_on=new.to_on)
    except IntegrityError as error:
        if "ex_leave_once" in str(error.orig):
            raise Refused("This overlaps leave that is there already. Cancel that first.", field="from_on") from None
        raise
    return leave


def cancel_leave(leave: Leave, *, by: Actor) -> None:
    """They are not away after all; the row stays with when it was taken back."""
    person = db.session.get_one(Person, leave.person_id)
    authorize(by, can_edit_leave, person)
    with transaction() as session:
        cancelled = session.execute(
            sa.update(Leave).where(Leave.id == leave.id, Leave.cancelled_at.is_(None))
            .values(cancelled_at=now(), version=Leave.version + 1).returning(Leave.id)
            .execution_options(synchronize_session=False)
        ).first()
        session.refresh(leave)
        if cancelled is None:
            return
        record("people.leave.cancelled", leave, by=by, topics=(f"person:{person.id}",), person=person.id,
               name=person.name, from_on=leave.from_on, to_on=leave.to_on)
