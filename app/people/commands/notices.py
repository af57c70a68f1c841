"""Mails to whoever's way in was changed, so that nobody changes it behind their back."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _

from app.core.ids import new_id
from app.delivery.commands import send_mail
from app.people.models import Person


def tell(person: Person, kind: str, subject: Any, what: Any) -> None:
    """In the caller's transaction. `kind` is the event's; `what` is one sentence or two, beginning with a capital."""
    send_mail(
        key=f"{kind}:{new_id()}", kind=kind, to=person.email, name=person.name, subject=subject,
        template="account_changed", context={"name": person.name, "what": what}, person_id=person.id,
    )


def tell_former_address(person: Person, before: str) -> None:
    """The address that opens the account no more is told which one does."""
    send_mail(
        key=f"email-changed:{new_id()}", kind="people.email.change", to=before, name=person.name,
        subject=_("Your sign-in address was changed"), template="email_changed",
        context={"name": person.name, "email": person.email}, person_id=person.id,
    )
