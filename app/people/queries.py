"""Reading people and their sessions."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db
from app.core.ids import token_hash
from app.people.models import Person, PersonSession, PersonState


def live_session(token: str) -> PersonSession | None:
    """The session that a cookie names, if it still counts: not revoked, not expired, its person still active."""
    row = db.session.scalar(sa.select(PersonSession).where(PersonSession.token_hash == token_hash(token)))
    if row is None or row.revoked_at or row.expires_at <= now() or row.person.state is not PersonState.ACTIVE:
        return None
    return row


def list_people(*, seen_by: Actor, everyone: bool = False) -> Sequence[Person]:
    """Colleagues in order of name; with `everyone` also the invited and the deactivated."""
    if seen_by.is_contact:
        return []
    statement = sa.select(Person).order_by(Person.sort_key)
    return db.session.scalars(statement if everyone else statement.where(Person.state == PersonState.ACTIVE)).all()
