"""Sessions: opened at the door, listed, ended; what dies at once when somebody leaves."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotFound
from app.core.ids import new_token, token_hash
from app.core.permissions import authorize
from app.people.models import Person, PersonSession
from app.people.policy import can_edit_self

LONGEST = dt.timedelta(days=30)
PENDING = dt.timedelta(minutes=10)
SEEN_EVERY = dt.timedelta(minutes=1)


def open_session(
    person: Person, *, by: Actor, agent: str, second_factor: bool = False, confirmed: bool = True, pending: bool = False
) -> str:
    """A new session's token; with `pending` it is good for the code of the second factor only, for ten minutes."""
    authorize(by, can_edit_self, person)
    token = new_token()
    with transaction() as session:
        row = PersonSession(
            person_id=person.id, token_hash=token_hash(token), created_at=now(), last_seen_at=now(),
            expires_at=now() + (PENDING if pending else LONGEST), second_factor_at=now() if second_factor else None,
            confirmed_at=now() if confirmed else None, address=by.address, agent=agent[:300],
        )
        session.add(row)
        if not pending:
            person.signed_in_at = now()
            session.flush()
            record("people.session.open", person, by=by, session=row.id, second_factor=second_factor)
    return token


def end_session(row: PersonSession, *, by: Actor) -> None:
    """Ends it for good; ending an ended one changes nothing."""
    authorize(by, can_edit_self, row.person)
    with transaction() as session:
        ended = session.scalar(
            sa.update(PersonSession).where(PersonSession.id == row.id, PersonSession.revoked_at.is_(None))
            .values(revoked_at=now()).returning(PersonSession.id)
        )
        if ended is not None:
            record("people.session.end", row.person, by=by, session=row.id)


def end_other_sessions(person: Person, *, by: Actor, keep: UUID | None = None) -> int:
    """Ends all of a person's sessions but the one to keep; returns how many."""
    authorize(by, can_edit_self, person)
    with transaction():
        return revoke_sessions(person, by=by, keep=keep)


def revoke_sessions(person: Person, *, by: Actor, keep: UUID | None = None) -> int:
    """The same within another command that was allowed for its own reason."""
    statement = sa.update(PersonSession).where(
        PersonSession.person_id == person.id, PersonSession.revoked_at.is_(None), PersonSession.expires_at > now()
    )
    ended = db.session.execute(
        (statement.where(PersonSession.id != keep) if keep else statement).values(revoked_at=now())
        .returning(PersonSession.id)
    ).all()
    if ended:
        record("people.session.end", person, by=by, count=len(ended))
    return len(ended)


def get_own_session(session_id: UUID, *, seen_by: Actor) -> PersonSession:
    row = db.session.get(PersonSession, session_id)
    if row is None or row.person_id != seen_by.person_id:
        raise NotFound()
    return row


def touch(row: PersonSession) -> None:
    """Note that it is in use, at most once a minute."""
    if now() - row.last_seen_at >= SEEN_EVERY:
        with transaction() as session:
            session.execute(
                sa.update(PersonSession).where(PersonSession.id == row.id).values(last_seen_at=now())
                .execution_options(synchronize_session=False)
            )
