"""Mails to contacts whose way into the portal was changed, so that nobody changes it behind their back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import current_app
from flask_babel import lazy_gettext as _l

from app.clients.models import AddressKind, Client, ClientContact, Contact, ContactAddress
from app.core.db import db
from app.core.ids import new_id
from app.delivery.commands import send_mail


def clients_let_in(contact_id: UUID) -> Sequence[str]:
    """The names of the clients that a contact sees in the portal, or would if they were not archived themselves."""
    return db.session.scalars(
        sa.select(Client.name).join(ClientContact, ClientContact.client_id == Client.id)
        .where(ClientContact.contact_id == contact_id, ClientContact.portal_access, Client.archived_at.is_(None))
        .order_by(Client.sort_key)
    ).all()


def emails_of(contact_id: UUID) -> Sequence[str]:
    return db.session.scalars(
        sa.select(ContactAddress.value)
        .where(ContactAddress.contact_id == contact_id, ContactAddress.kind == AddressKind.EMAIL)
        .order_by(ContactAddress.position)
    ).all()


def tell_let_in(contact: Contact, clients: Collection[str]) -> None:
    """In the caller's transaction, like the rest here: they may see these clients from now on."""
    _tell(contact, emails_of(contact.id)[:1], clients, "clients.access.given", _l("You can use our portal"), _l(
        "You can now see the requests, jobs, documents and invoices of %(clients)s in our portal. Sign in there with "
        "this e-mail address.", clients=", ".join(clients),
    ))


def tell_shut_out(contact: Contact, clients: Collection[str]) -> None:
    _tell(contact, emails_of(contact.id)[:1], clients, "clients.access.taken",
          _l("Your access to our portal was changed"),
          _l("You no longer see %(clients)s in our portal.", clients=", ".join(clients)))


def compare_emails(before: Sequence[str], after: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which of these addresses are gone, and which are new."""
    had, has = {each.casefold() for each in before}, {each.casefold() for each in after}
    return [each for each in before if each.casefold() not in has], [e for e in after if e.casefold() not in had]


def tell_addresses(contact: Contact, before: Sequence[str], after: Sequence[str]) -> None:
    """Each address that opens the portal no more, each that does now, and those beside which there is another one. None
    is told which: the other may be a stranger's."""
    gone, new = compare_emails(before, after)
    clients = clients_let_in(contact.id) if gone or new else ()
    _tell(contact, gone, clients, "clients.access.taken", _l("Your access to our portal was changed"),
          _l("This e-mail address no longer opens our portal."))
    _tell(contact, new, clients, "clients.access.given", _l("You can use our portal"),
          _l("From now on you sign in to our portal with this e-mail address."))
    if new:
        kept = [each for each in before if each not in gone]
        _tell(contact, kept, clients, "clients.access.changed", _l("Your access to our portal was changed"),
              _l("From now on another e-mail address opens our portal in your name too."))


def _tell(
    contact: Contact, addresses: Sequence[str], clients: Collection[str], kind: str, subject: Any, what: Any
) -> None:
    if not clients or contact.archived_at is not None:
        return
    for address in addresses:
        send_mail(
            key=f"{kind}:{new_id()}", kind=kind, to=address, name=contact.name, language=contact.language,
            subject=subject, template="access_changed", contact_id=contact.id, context={
                "name": contact.name, "what": what, "is_given": kind == "clients.access.given",
                "portal": f"{current_app.config['SETTINGS'].public_url}/portal/",
            },
        )
