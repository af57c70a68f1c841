"""What happens to people and at their door, in words."""

from __future__ import annotations

from uuid import UUID

from app.activity.sentences import Data, changed, place, sentence
from app.people.names import role_name


@place("person")
def person_address(person_id: UUID) -> str:
    return f"/people/{person_id}"


@sentence("people.session.open", icon="key")
def came_in(data: Data) -> str:
    return "signed in with a second factor" if data.get("second_factor") else "signed in"


@sentence("people.session.end", icon="sign-out")
def went_out(data: Data) -> str:
    count = data.get("count")
    return f"ended {count} {'session' if count == 1 else 'sessions'}" if count else "signed out"


@sentence("people.sign_in.fail", icon="shield")
def failed(data: Data) -> str:
    what = "a wrong code" if data["door"] == "code" else "a wrong password"
    return f"turned somebody away with {what}" + ("" if data["known"] else " for an address that nobody has")


@sentence("people.sign_in.lock", icon="lock")
def locked(data: Data) -> str:
    return "closed the door for a quarter of an hour after too many wrong tries"


@sentence("people.confirmation.fail", icon="shield")
def not_confirmed(data: Data) -> str:
    return "typed a wrong password when asked to prove who they are"


@sentence("people.person.invite", icon="person-add")
def invited(data: Data) -> str:
    return f"invited {data['name']} as {role_name(data['role'])}"


@sentence("people.person.join", icon="person")
def joined(data: Data) -> str:
    return "joined the firm"


@sentence("people.person.update", icon="edit")
def updated(data: Data) -> str:
    return f"changed {changed(data)} of {data['name']}"


@sentence("people.person.deactivate", icon="archive")
def left(data: Data) -> str:
    return f"deactivated {data['name']}"


@sentence("people.person.reactivate", icon="undo")
def back(data: Data) -> str:
    return f"brought {data['name']} back"


@sentence("people.hours.set", icon="time")
def hours(data: Data) -> str:
    return f"set the weekly hours of {data['name']} from {data['from_on']} on"


@sentence("people.invitation.send", icon="mail")
def invited_again(data: Data) -> str:
    return f"sent {data['person']} another invitation"


@sentence("people.email.change", icon="mail")
def moved(data: Data) -> str:
    return "changed the address with which they sign in"


@sentence("people.password.change", icon="key")
def changed_password(data: Data) -> str:
    return "changed their password"


@sentence("people.password.ask_reset", icon="mail")
def asked_for_reset(data: Data) -> str:
    return "mailed a link for a new password"


@sentence("people.password.reset", icon="key")
def reset(data: Data) -> str:
    return "let a forgotten password be chosen anew by a mailed link"


@sentence("people.second_factor.add", icon="shield")
def second_factor(data: Data) -> str:
    return "set up a second factor"


@sentence("people.second_factor.remove", icon="shield")
def no_second_factor(data: Data) -> str:
    return "took their second factor off"


@sentence("people.second_factor.reset", icon="shield")
def second_factor_reset(data: Data) -> str:
    return f"took the second factor of {data['person']} off"


@sentence("people.recovery_codes.renew", icon="shield")
def recovery_codes(data: Data) -> str:
    return "made new recovery codes"


@sentence("people.leave.added", icon="calendar")
def away(data: Data) -> str:
    return f"said that {data['name']} is away from {data['from_on']} to {data['to_on']}"


@sentence("people.leave.cancelled", icon="calendar")
def not_away(data: Data) -> str:
    return f"took back that {data['name']} is away from {data['from_on']} to {data['to_on']}"
