"""Coming in: password, then code; every try counted, told as an event, and answered alike."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.people.commands.links import end_links, use_link
from app.people.commands.sessions import open_session
from app.people.commands.throttle import CODE, PASSWORD, Door, begin_try, end_try, is_now_locked
from app.people.models import LinkPurpose, Person, PersonSession, PersonState, SignInAttempt
from app.people.passwords import hash_password, is_outdated, verify_password
from app.people.policy import can_edit_self, can_knock
from app.people.queries import as_actor
from app.people.second_factor import take_code

WRONG = "The e-mail address and the password do not belong together."
WRONG_CODE = "This code is not right, or it was used already. Wait for the next one."


@dataclass(frozen=True)
class Entrance:
    """A session's token, and whether the code of the second factor is still to come."""

    token: str
    needs_code: bool


def sign_in(email: str, password: str, *, by: Actor, agent: str) -> Entrance:
    """Raises Refused, the same for an unknown address as for a wrong password, or Throttled."""
    authorize(by, can_knock)
    attempt = begin_try(PASSWORD, email, by.address)
    person = _person_at(email)
    right = verify_password(person.password_hash if person else None, password)
    if person is None or not right or person.state is not PersonState.ACTIVE:
        _note_failure(PASSWORD, attempt, person, by=by)
        raise Refused(WRONG)
    needs_code = person.totp_secret is not None
    with transaction():
        end_try(attempt.id)
        if person.password_hash and is_outdated(person.password_hash):
            person.password_hash = hash_password(password)
        end_links(LinkPurpose.RESET, person.id)
        itself = as_actor(person, address=by.address)
        return Entrance(open_session(person, by=itself, agent=agent, pending=needs_code), needs_code)


def enter_code(row: PersonSession, code: str, *, by: Actor, agent: str) -> str:
    """The second half: exchanges the waiting session for a whole one. Raises Refused or Throttled."""
    authorize(by, can_edit_self, row.person)
    person = row.person
    attempt = begin_try(CODE, str(person.id), by.address)
    with transaction():
        right = take_code(person, code)
        if right:
            end_try(attempt.id)
            row.revoked_at = now()
            return open_session(person, by=by, agent=agent, second_factor=True)
    _note_failure(CODE, attempt, person, by=by)
    raise Refused(WRONG_CODE, field="code")


def sign_in_by_link(token: str, *, by: Actor, agent: str) -> str:
    """The development link, used up. Raises NotFound."""
    authorize(by, can_knock)
    with transaction():
        person = use_link(LinkPurpose.SIGN_IN, token).person
        if person is None or person.state is not PersonState.ACTIVE:
            raise Refused("Nobody can sign in with this link.")
        itself = as_actor(person, address=by.address)
        return open_session(person, by=itself, agent=agent, second_factor=True)


def _person_at(email: str) -> Person | None:
    return db.session.scalar(
        sa.select(Person).where(Person.email == email.strip()).execution_options(populate_existing=True)
    )


def _note_failure(door: Door, attempt: SignInAttempt, person: Person | None, *, by: Actor) -> None:
    with transaction():
        record("people.sign_in.fail", person or attempt, by=by, door=door.name, known=person is not None)
        if is_now_locked(door, attempt):
            record("people.sign_in.lock", person or attempt, by=by, door=door.name)
