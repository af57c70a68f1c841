"""The people of the firm: invited, changed, gone with their work handed over, and back again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from flask_babel import lazy_gettext as _

from app.activity.changes import apply_values
from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now, today
from app.core.db import check_version, db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.core.locking import lock_row, take_turn
from app.core.once import digest_of, made_before
from app.core.permissions import ROLES, Permission, Role, authorize
from app.core.sorting import sort_key
from app.delivery.commands import one_address, send_mail
from app.firm.models import Office
from app.people.commands.codes import clear_second_factor
from app.people.commands.handing import Handed, begin_hand_over, hand_over
from app.people.commands.links import LIFETIMES, end_links, make_link
from app.people.commands.notices import tell, tell_former_address
from app.people.commands.sessions import revoke_sessions
from app.people.models import LinkPurpose, Person, PersonState, WorkingPattern
from app.people.names import clean_name, initials_of, role_name
from app.people.policy import can_edit_people, can_edit_person, can_give_role

USUAL_WEEK = (450, 450, 450, 450, 450, 0, 0)
DAY_MINUTES = 24 * 60
HandOver = Callable[[Person, Person | None, Actor], None]
_on_deactivate: list[HandOver] = []


@dataclass(frozen=True, kw_only=True)
class PersonDetails:
    """What a partner or administrator says of a colleague."""

    name: str
    email: str
    role: Role
    office_id: UUID
    grade: str = ""


def on_deactivate(hook: HandOver) -> HandOver:
    """Register what a room does in the same transaction when somebody leaves: hook(person, successor, by)."""
    if hook not in _on_deactivate:
        _on_deactivate.append(hook)
    return hook


def invite_person(
    person_id: UUID, details: PersonDetails, *, by: Actor, minutes: Sequence[int] = USUAL_WEEK, invite: bool = True
) -> Person:
    """A colleague who can join by a mailed link within seven days. The same id again returns the same person."""
    authorize(by, can_edit_people)
    _check_role(by, details.role)
    said = digest_of(details, minutes)
    existing = made_before(Person, person_id, said)
    if existing is not None:
        return existing
    email = _free_address(details.email, None)
    name = clean_name(details.name)
    with transaction() as session:
        _check_office(details.office_id)
        person = Person(
            id=person_id, made_from=said, name=name, sort_key=sort_key(name), initials=initials_of(name), email=email,
            role=details.role, grade=details.grade.strip()[:60], office_id=details.office_id, state=PersonState.INVITED,
        )
        session.add(person)
        session.flush()
        session.add(WorkingPattern(person_id=person.id, from_on=today(), minutes=_week(minutes)))
        record("people.person.invite", person, by=by, name=name, email=email, role=details.role, grade=person.grade)
        if invite:
            _mail_invitation(person, by)
    return person


def resend_invitation(person: Person, *, by: Actor) -> None:
    authorize(by, can_edit_person, person)
    if person.state is not PersonState.INVITED:
        raise Refused(f"{person.name} has joined already.")
    with transaction():
        _mail_invitation(person, by)
        record("people.invitation.send", person, by=by, person=person.name)


def edit_person(person: Person, details: PersonDetails, *, by: Actor, version: int | None = None) -> None:
    """A new role counts at the person's next request. Nobody changes their own role.

    Who signs in already is told of a new role, and the former address of a new one. An invitation that lies in the
    former address is dead: the new address gets its own.
    """
    authorize(by, can_edit_person, person)
    if details.role is not person.role:
        if by.person_id == person.id:
            raise Refused("You cannot change your own role; a colleague can.", field="role")
        _check_role(by, details.role)
        _keep_somebody(person, details.role)
        _keep_a_way_through_walls(person, details.role)
    email = _free_address(details.email, person)
    with transaction():
        check_version(person, version)
        _check_office(details.office_id)
        changes = apply_values(
            person, name=clean_name(details.name), email=email, role=details.role, grade=details.grade.strip()[:60],
            office_id=details.office_id,
        )
        person.sort_key = sort_key(person.name)
        if changes:
            record("people.person.update", person, by=by, name=person.name, changes=changes)
        if "email" in changes:
            _follow_address(person, changes["email"][0], by)
        if "role" in changes and person.state is PersonState.ACTIVE:
            before, after = changes["role"]
            tell(person, "people.person.update", _("Your role was changed"), _(
                "%(by)s changed your role from %(before)s to %(after)s.", by=by.name, before=role_name(before),
                after=role_name(after),
            ))


def set_hours(person: Person, from_on: dt.date, minutes: Sequence[int], *, by: Actor) -> None:
    """The hours of each weekday from a date on, Monday first; what was before that date stays as it was."""
    authorize(by, can_edit_person, person)
    week = _week(minutes)
    with transaction() as session:
        pattern = session.scalar(
            sa.select(WorkingPattern).where(WorkingPattern.person_id == person.id, WorkingPattern.from_on == from_on)
        )
        before = pattern.minutes if pattern else None
        if pattern is None:
            session.add(WorkingPattern(person_id=person.id, from_on=from_on, minutes=week))
        else:
            pattern.minutes = week
        record("people.hours.set", person, by=by, name=person.name, from_on=from_on,
               changes={"hours": [before, week]})


def deactivate_person(
    person: Person, *, by: Actor, to: Person | None = None, instead: Mapping[UUID, Person | None] | None = None
) -> Handed:
    """They are out at once, everywhere; what they have in hand goes to `to` in the same transaction, or to nobody.

    What a wall keeps from `to` goes to whom `instead` names for that client. Raises NeedsAnother while it names nobody.
    """
    authorize(by, can_edit_person, person)
    if by.person_id == person.id:
        raise Refused("You cannot deactivate yourself; a colleague can.")
    if to is not None and (to.id == person.id or to.state is not PersonState.ACTIVE):
        raise Refused("Choose a colleague who works here.", field="to")
    if person.state is PersonState.DEACTIVATED:
        return Handed()
    _keep_somebody(person, None)
    _keep_a_way_through_walls(person, None)
    with transaction():
        begin_hand_over(person)
        person.state, person.deactivated_at = PersonState.DEACTIVATED, now()
        revoke_sessions(person, by=by)
        for purpose in (LinkPurpose.INVITE, LinkPurpose.RESET, LinkPurpose.SIGN_IN):
            end_links(purpose, person.id)
        handed = hand_over(person, by=by, to=to, instead=instead)
        for hook in _on_deactivate:
            hook(person, to, by)
        record("people.person.deactivate", person, by=by, name=person.name, to=to.id if to else None,
               given=handed.given, left=handed.left)
        return handed


def reactivate_person(person: Person, *, by: Actor) -> None:
    """Back with what they were; without a password they are invited anew."""
    authorize(by, can_edit_person, person)
    if person.state is not PersonState.DEACTIVATED:
        return
    with transaction():
        person.state = PersonState.ACTIVE if person.password_hash else PersonState.INVITED
        person.deactivated_at = None
        record("people.person.reactivate", person, by=by, name=person.name)
        if person.state is PersonState.INVITED:
            _mail_invitation(person, by)
        else:
            tell(person, "people.person.reactivate", _("You can sign in again"), _(
                "%(by)s opened your account again. You sign in as you did before.", by=by.name
            ))


def reset_second_factor(person: Person, *, by: Actor) -> None:
    """For a lost phone: the app is taken off, every session ends."""
    authorize(by, can_edit_person, person)
    if by.person_id == person.id:
        raise NotAllowed("You cannot reset your own second factor; a colleague can.")
    with transaction():
        lock_row(person, "totp_secret")
        if person.totp_secret is None:
            return
        clear_second_factor(person)
        revoke_sessions(person, by=by)
        record("people.second_factor.reset", person, by=by, person=person.name)
        tell(person, "people.second_factor.reset", _("Your second factor was taken off"), _(
            "%(by)s took the authenticator app off your account, and you were signed out everywhere. "
            "Set it up again once you are back in.", by=by.name,
        ))


def _follow_address(person: Person, before: str, by: Actor) -> None:
    """Links in the former mailbox die; who signs in is told there, who has yet to join is invited at the new one."""
    end_links(LinkPurpose.RESET, person.id)
    end_links(LinkPurpose.INVITE, person.id)
    if person.state is PersonState.ACTIVE:
        tell_former_address(person, before)
    elif person.state is PersonState.INVITED:
        _mail_invitation(person, by)


def _mail_invitation(person: Person, by: Actor) -> None:
    link = make_link(LinkPurpose.INVITE, person)
    send_mail(key=f"invite:{new_id()}", kind="people.invite", to=person.email, name=person.name,
              subject=_("You are invited to join"), template="invite",
              context={"name": person.name, "by": by.name, "link": link}, person_id=person.id, about=person, by=by,
              until=now() + LIFETIMES[LinkPurpose.INVITE])


def _check_role(by: Actor, role: Role) -> None:
    if not can_give_role(by, role):
        raise Refused("Only a partner can make somebody a partner.", field="role")


def _keep_somebody(person: Person, role: Role | None) -> None:
    """Somebody active must stay who may change people and settings."""
    if role is not None and Permission.PEOPLE_EDIT in ROLES[role]:
        return
    take_turn("people.able")
    able = [role for role, permissions in ROLES.items() if Permission.PEOPLE_EDIT in permissions]
    others = db.session.scalar(sa.select(sa.func.count()).select_from(Person).where(
        Person.id != person.id, Person.role.in_(able), Person.state == PersonState.ACTIVE
    ))
    if not others:
        raise Refused(f"{person.name} is the last who can change people and settings. Give somebody that role first.")


def _keep_a_way_through_walls(person: Person, role: Role | None) -> None:
    """Nobody goes, or is given another role, who alone can take down a wall; the database holds to it as well."""
    if role is not None and Permission.WALL_EDIT in ROLES[role]:
        return
    alone = db.session.scalar(sa.text("""
        SELECT coalesce(c.name, k.name) FROM wall w
        LEFT JOIN engagement e ON e.id = w.engagement_id LEFT JOIN client c ON c.id = w.client_id
        LEFT JOIN client k ON k.id = e.client_id
        WHERE NOT EXISTS (
            SELECT FROM person p WHERE p.id <> :person AND can_lower_walls(p.role, p.state) AND NOT EXISTS (
                SELECT FROM wall o WHERE o.person_id = p.id AND (
                    o.client_id = coalesce(w.client_id, e.client_id) OR o.engagement_id = w.engagement_id))
        ) AND NOT EXISTS (
            SELECT FROM wall o WHERE o.person_id = :person AND (
                o.client_id = coalesce(w.client_id, e.client_id) OR o.engagement_id = w.engagement_id)
        ) LIMIT 1
    """), {"person": person.id})
    if alone and person.state is PersonState.ACTIVE and Permission.WALL_EDIT in ROLES[person.role]:
        raise Refused(
            f"{person.name} is the last who can take down the wall around {alone}. Take it down first, or give "
            "somebody who is not behind it that right."
        )


def _free_address(email: str, person: Person | None) -> str:
    address = one_address(email)
    taken = sa.select(Person.id).where(Person.email == address)
    if db.session.scalar(taken if person is None else taken.where(Person.id != person.id)):
        raise Refused("Somebody here has this address already.", field="email")
    return address


def _check_office(office_id: UUID) -> None:
    if db.session.get(Office, office_id) is None:
        raise Refused("Choose an office.", field="office_id")


def _week(minutes: Sequence[int]) -> list[int]:
    if len(minutes) != 7 or any(not 0 <= m <= DAY_MINUTES for m in minutes):
        raise Refused("A week has seven days of at most 24 hours each.", field="hours")
    return list(minutes)

