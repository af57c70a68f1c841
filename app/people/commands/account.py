"""What people change of themselves: name, address, password; and proving again who one is."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa
from flask_babel import lazy_gettext as _

from app.activity.changes import apply_values
from app.activity.commands import record
from app.core.actors import SYSTEM, Actor
from app.core.clock import now
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.number_format import FORMATS
from app.core.permissions import authorize
from app.core.queue import send_or_refuse
from app.core.sorting import sort_key
from app.delivery.commands import one_address, send_mail
from app.people.commands.links import LIFETIMES, end_links, make_link, use_link
from app.people.commands.notices import tell, tell_former_address
from app.people.commands.sessions import open_session, revoke_sessions
from app.people.commands.throttle import CONFIRMATION, RESET, begin_try, end_try
from app.people.models import LinkPurpose, Person, PersonSession, PersonState
from app.people.names import clean_name, initials_of
from app.people.passwords import check_password, hash_password, verify_password
from app.people.policy import can_edit_self, can_knock
from app.people.queries import as_actor

FRESH = dt.timedelta(minutes=15)


def is_fresh(row: PersonSession) -> bool:
    """Whether the password was given within the last quarter of an hour."""
    return row.confirmed_at is not None and row.confirmed_at > now() - FRESH


def confirm(row: PersonSession, password: str, *, by: Actor) -> None:
    """Prove again who one is; raises Refused beside `current_password`, or Throttled."""
    authorize(by, can_edit_self, row.person)
    if row.person.password_hash is None:
        raise Refused("You have no password yet. Ask for one on the sign-in page.", field="current_password")
    if not password:
        raise Refused("Type your present password, so that nobody else changes this.", field="current_password")
    attempt = begin_try(CONFIRMATION, str(row.person_id), by.address)
    if not verify_password(row.person.password_hash, password):
        with transaction():
            record("people.confirmation.fail", row.person, by=by)
        raise Refused("This is not your password.", field="current_password")
    with transaction():
        end_try(attempt.id)
        row.confirmed_at = now()


def edit_profile(
    person: Person, *, by: Actor, name: str, initials: str, number_format: str | None = None,
    version: int | None = None,
) -> None:
    """`number_format` is a key of FORMATS, or None for what is usual in the office's country."""
    authorize(by, can_edit_self, person)
    if number_format is not None and number_format not in FORMATS:
        raise Refused("Choose one of the formats shown.", field="number_format")
    with transaction():
        check_version(person, version)
        clean = clean_name(name)
        changes = apply_values(
            person, name=clean, initials=initials.strip().upper()[:4] or initials_of(clean),
            number_format=number_format,
        )
        person.sort_key = sort_key(clean)
        if changes:
            record("people.person.update", person, by=by, name=clean, changes=changes)


def change_email(person: Person, email: str, *, by: Actor) -> None:
    """Asks no more: the caller has proven who they are. The old address is told."""
    authorize(by, can_edit_self, person)
    address, before = one_address(email), person.email
    if address.casefold() == before.casefold():
        return
    if db.session.scalar(sa.select(sa.exists().where(Person.email == address, Person.id != person.id))):
        raise Refused("Somebody else here has this address.", field="email")
    with transaction():
        person.email = address
        end_links(LinkPurpose.RESET, person.id)
        record("people.email.change", person, by=by, changes={"email": [before, address]})
        tell_former_address(person, before)


def change_password(
    person: Person, password: str, *, by: Actor, keep: UUID | None = None, end_others: bool = True
) -> None:
    """The caller has proven who they are. Open reset links die; other sessions too, if wished."""
    authorize(by, can_edit_self, person)
    check_password(password, about=(person.name, person.email, person.email.split("@")[0]))
    with transaction():
        _set_password(person, password)
        if end_others:
            revoke_sessions(person, by=by, keep=keep)
        record("people.password.change", person, by=by)
        tell(person, "people.password.change", _("Your password was changed"), _("Your password was changed just now."))


def ask_for_reset(email: str, *, by: Actor) -> None:
    """Takes any address alike and in the same time; only a worker finds out whose it is. Raises Throttled."""
    authorize(by, can_knock)
    begin_try(RESET, email, by.address)
    send_or_refuse("people.send_reset", email=email.strip()[:254])


def send_reset(email: str, *, by: Actor = SYSTEM) -> None:
    """Mail a reset link to the person with this address, if there is one."""
    authorize(by, can_knock)
    person = db.session.scalar(sa.select(Person).where(Person.email == email, Person.state == PersonState.ACTIVE))
    if person is None:
        return
    with transaction():
        link = make_link(LinkPurpose.RESET, person)
        record("people.password.ask_reset", person, by=by)
        send_mail(key=f"reset:{new_id()}", kind="people.reset", to=person.email, name=person.name,
                  subject=_("Choose a new password"), template="reset", context={"name": person.name, "link": link},
                  person_id=person.id, until=now() + LIFETIMES[LinkPurpose.RESET])


def reset_password(token: str, password: str, *, by: Actor) -> None:
    """Uses the link up and sets the password; nobody is signed in by it, and a second factor stays asked for."""
    authorize(by, can_knock)
    with transaction():
        person = use_link(LinkPurpose.RESET, token).person
        if person is None or person.state is not PersonState.ACTIVE:
            raise Refused("Nobody can sign in with this link.")
        check_password(password, about=(person.name, person.email, person.email.split("@")[0]))
        _set_password(person, password)
        revoke_sessions(person, by=by)
        record("people.password.reset", person, by=by)
        tell(person, "people.password.reset", _("Your password was changed"), _(
            "A new password was chosen with the link that we mailed you. You were signed out everywhere."
        ))


def accept_invitation(token: str, *, by: Actor, name: str, password: str, agent: str) -> str:
    """Uses the link up, sets name and password, and opens the first session: its token."""
    authorize(by, can_knock)
    with transaction():
        person = use_link(LinkPurpose.INVITE, token).person
        if person is None or person.state is not PersonState.INVITED:
            raise Refused("This invitation is over. Ask for a new one.")
        person.name = clean_name(name)
        check_password(password, about=(person.name, person.email, person.email.split("@")[0]))
        person.sort_key, person.initials = sort_key(person.name), initials_of(person.name)
        person.state = PersonState.ACTIVE
        _set_password(person, password)
        itself = as_actor(person, address=by.address)
        record("people.person.join", person, by=itself)
        return open_session(person, by=itself, agent=agent)


def _set_password(person: Person, password: str) -> None:
    person.password_hash = hash_password(password)
    person.password_changed_at = now()
    end_links(LinkPurpose.RESET, person.id)
