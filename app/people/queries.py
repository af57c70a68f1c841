"""Reading people and their sessions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.core.actors import Actor, ActorKind
from app.core.clock import now, today
from app.core.db import db, get_or_404
from app.core.ids import token_hash
from app.core.permissions import ROLES
from app.people.models import Leave, Person, PersonSession, PersonState, WorkingPattern
from app.people.policy import can_edit_leave

IDLE = dt.timedelta(hours=12)


def live_session(token: str) -> PersonSession | None:
    """The session that a cookie names, if it still counts."""
    row = db.session.scalar(
        sa.select(PersonSession).where(PersonSession.token_hash == token_hash(token))
        .execution_options(populate_existing=True)
    )
    return row if row is not None and is_live(row) else None


def is_live(row: PersonSession) -> bool:
    """Not revoked, not expired, not idle, its person still active."""
    if row.revoked_at or row.person.state is not PersonState.ACTIVE:
        return False
    return row.expires_at > now() and row.last_seen_at > now() - IDLE


def as_actor(person: Person, *, address: str = "") -> Actor:
    """A person as who they are at their own door and account; screens of clients know their walls as well."""
    return Actor(
        kind=ActorKind.PERSON, id=person.id, name=person.name, role=person.role.value,
        permissions=frozenset(ROLES[person.role]), office_id=person.office_id, address=address,
    )


def list_own_sessions(*, seen_by: Actor) -> Sequence[PersonSession]:
    """Where one is signed in now, the latest first."""
    return db.session.scalars(
        sa.select(PersonSession)
        .where(PersonSession.person_id == seen_by.person_id, PersonSession.revoked_at.is_(None),
               PersonSession.expires_at > now(), PersonSession.last_seen_at > now() - IDLE)
        .order_by(PersonSession.last_seen_at.desc())
    ).all()


def get_person(person_id: UUID, *, seen_by: Actor) -> Person:
    return get_or_404(
        sa.select(Person).where(Person.id == person_id, sa.literal(not seen_by.is_contact))
        .options(joinedload(Person.office))
    )


def list_hours(person: Person, *, seen_by: Actor) -> Sequence[WorkingPattern]:
    """A person's weekly hours, the newest pattern first."""
    if seen_by.is_contact:
        return []
    return db.session.scalars(
        sa.select(WorkingPattern).where(WorkingPattern.person_id == person.id).order_by(WorkingPattern.from_on.desc())
    ).all()


def list_grades(*, seen_by: Actor) -> list[str]:
    """The grades in use, for suggesting them."""
    if seen_by.is_contact:
        return []
    return list(db.session.scalars(sa.select(Person.grade).where(Person.grade != "").distinct().order_by(Person.grade)))


def find_people(ids: Iterable[UUID | None], names: Iterable[str], *, seen_by: Actor) -> dict[UUID, str]:
    """Colleagues with one of these ids or exactly one of these names, whatever their case; asks nothing for nobody."""
    wanted, called = {each for each in ids if each}, {name.lower() for name in names if name}
    if not (wanted or called) or seen_by.is_contact:
        return {}
    either = sa.or_(Person.id.in_(wanted), sa.func.lower(Person.name).in_(called))
    return {row.id: row.name for row in db.session.execute(sa.select(Person.id, Person.name).where(either))}


def list_people(*, seen_by: Actor, everyone: bool = False) -> Sequence[Person]:
    """Colleagues in order of name; with `everyone` also the invited and the deactivated."""
    if seen_by.is_contact:
        return []
    statement = sa.select(Person).options(joinedload(Person.office)).order_by(Person.sort_key)
    return db.session.scalars(statement if everyone else statement.where(Person.state == PersonState.ACTIVE)).all()


@dataclass(frozen=True)
class LeaveRow:
    """Leave as a list shows it; `kind` is empty for those whom it does not concern."""

    id: UUID
    from_on: dt.date
    to_on: dt.date
    from_midday: bool
    until_midday: bool
    kind: str
    is_over: bool

    @property
    def halves(self) -> str:
        """What of the first and last day is worked."""
        said = [text for text, on in (("from midday", self.from_midday), ("until midday", self.until_midday)) if on]
        return ", ".join(said)


def list_leave(person: Person, *, seen_by: Actor) -> list[LeaveRow]:
    """When somebody is away, what is to come first; of what is over, the last year."""
    if seen_by.is_contact:
        return []
    shows = can_edit_leave(seen_by, person)
    rows = db.session.scalars(
        sa.select(Leave).where(
            Leave.person_id == person.id, Leave.cancelled_at.is_(None),
            Leave.to_on >= today() - dt.timedelta(days=366),
        ).order_by((Leave.to_on < today()), Leave.from_on)
    )
    return [
        LeaveRow(row.id, row.from_on, row.to_on, row.from_midday, row.until_midday, row.kind.value if shows else "",
                 row.to_on < today())
        for row in rows
    ]


def get_leave(leave_id: UUID, *, seen_by: Actor) -> Leave:
    """One row of leave, for whoever may change it."""
    found: Leave = get_or_404(
        sa.select(Leave).where(Leave.id == leave_id, Leave.cancelled_at.is_(None), sa.literal(not seen_by.is_contact))
        .options(joinedload(Leave.person))
    )
    return found


def leave_from(people: Iterable[UUID], on: dt.date) -> dict[UUID, list[Leave]]:
    """By person: the leave that is not over on a day."""
    found: dict[UUID, list[Leave]] = {}
    for row in db.session.scalars(
        sa.select(Leave).where(Leave.person_id.in_(list(people)), Leave.cancelled_at.is_(None), Leave.to_on >= on)
        .order_by(Leave.from_on)
    ):
        found.setdefault(row.person_id, []).append(row)
    return found
