"""Who may change people, and what of themselves."""

from __future__ import annotations

from app.core.actors import Actor
from app.core.permissions import Permission, Role
from app.people.models import Person


def can_knock(by: Actor) -> bool:
    """Whoever has not signed in acts as the system with an address; only the door itself makes such an actor."""
    return by.is_system


def can_edit_people(by: Actor) -> bool:
    return by.may(Permission.PEOPLE_EDIT)


def can_edit_person(by: Actor, person: Person) -> bool:
    """Partners are changed by partners; everyone else also by an administrator."""
    return can_edit_people(by) and (person.role is not Role.PARTNER or by.is_system or by.role == Role.PARTNER)


def can_give_role(by: Actor, role: Role) -> bool:
    """Nobody below a partner makes a partner."""
    return can_edit_people(by) and (role is not Role.PARTNER or by.is_system or by.role == Role.PARTNER)


def can_hand_over(by: Actor) -> bool:
    """Give what one person has in hand to another."""
    return by.may(Permission.PEOPLE_EDIT) or by.may(Permission.JOB_EDIT)


def can_edit_self(by: Actor, person: Person) -> bool:
    return by.is_system or by.person_id == person.id


def can_edit_leave(by: Actor, person: Person | None = None) -> bool:
    """One's own, or a manager's business. The kind of leave is shown to the same people."""
    return by.may(Permission.LEAVE_EDIT) or (person is not None and by.is_person and by.person_id == person.id)
