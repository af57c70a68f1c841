"""Reading people and their sessions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.core.actors import Actor, ActorKind
from app.core.clock import now
from app.core.db import db, get_or_404
from app.core.ids import token_hash
from app.core.permissions import ROLES
from app.people.models import Person, PersonSession, PersonState, WorkingPattern

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
