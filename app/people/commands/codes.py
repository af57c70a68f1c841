"""The second factor: enrolling an authenticator app, new recovery codes, taking it off again."""

from __future__ import annotations

from uuid import UUID

from flask_babel import lazy_gettext as _

from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import transaction
from app.core.errors import Refused
from app.core.locking import lock_row
from app.core.permissions import authorize
from app.core.sealing import seal
from app.people.commands.notices import tell
from app.people.commands.sessions import open_session, revoke_sessions
from app.people.models import Person, PersonSession
from app.people.policy import can_edit_self
from app.people.second_factor import PURPOSE
from app.people.totp import matching_step, new_recovery_codes, recovery_hash

MISFIT = "This code does not fit. Check that the clock of your phone is right, and type the next one."


def enrol(row: PersonSession, *, by: Actor, secret: str, code: str, agent: str) -> tuple[str, list[str]]:
    """Switch the app on after its first right code. Returns a new session's token and the recovery codes, shown once.

    Every other session ends: each has to come back through the second factor.
    """
    authorize(by, can_edit_self, row.person)
    person = row.person
    step = matching_step(secret, code, now())
    if step is None:
        raise Refused(MISFIT, field="code")
    codes = new_recovery_codes()
    with transaction():
        lock_row(person, "totp_secret")
        if person.totp_secret is not None:
            raise Refused("An authenticator app is set up already. Remove it first.")
        person.totp_secret, person.totp_counter = seal(secret, purpose=PURPOSE), step
        person.recovery_hashes = [recovery_hash(code) for code in codes]
        revoke_sessions(person, by=by)
        record("people.second_factor.add", person, by=by)
        tell(person, "people.second_factor.add", _("A second factor was set up"), _(
            "An authenticator app was set up for your account. From now on signing in asks for its code too."
        ))
        token = open_session(person, by=by, agent=agent, second_factor=True, confirmed=row.confirmed_at is not None)
    return token, codes


def renew_recovery_codes(person: Person, *, by: Actor) -> list[str]:
    """Ten new codes; the former ones are dead. The caller has proven who they are."""
    authorize(by, can_edit_self, person)
    codes = new_recovery_codes()
    with transaction():
        lock_row(person, "totp_secret")
        if person.totp_secret is None:
            raise Refused("There is no authenticator app to recover from.")
        person.recovery_hashes = [recovery_hash(code) for code in codes]
        record("people.recovery_codes.renew", person, by=by)
        tell(person, "people.recovery_codes.renew", _("New recovery codes"), _(
            "New recovery codes were made for your account; the former ones no longer work."
        ))
    return codes


def remove_second_factor(person: Person, *, by: Actor, keep: UUID | None, required: bool) -> None:
    """Take the app off; refused while the firm requires one. The caller has proven who they are."""
    authorize(by, can_edit_self, person)
    if required:
        raise Refused("The firm asks everybody for a second factor. To change phones, ask a partner to reset it.")
    with transaction():
        lock_row(person, "totp_secret")
        if person.totp_secret is None:
            return
        clear_second_factor(person)
        revoke_sessions(person, by=by, keep=keep)
        record("people.second_factor.remove", person, by=by)
        tell(person, "people.second_factor.remove", _("Your second factor is off"), _(
            "The authenticator app was taken off your account. From now on your password alone signs you in."
        ))


def clear_second_factor(person: Person) -> None:
    person.totp_secret = person.totp_counter = person.recovery_hashes = None
