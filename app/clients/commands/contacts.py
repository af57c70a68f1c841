"""Contacts: one person may stand for several clients, be reached at several addresses, and see each client or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.commands._shared import apply_changes, lock_version, positions
from app.clients.commands.access_notices import (
    clients_let_in,
    emails_of,
    tell_addresses,
    tell_let_in,
    tell_shut_out,
)
from app.clients.models import AddressKind, Client, ClientContact, Contact, ContactAddress
from app.clients.names import clean_name
from app.clients.policy import can_edit_client, reachable
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.locking import to_lock
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.reached import check_email, format_phone
from app.core.sorting import sort_key

LONGEST_ROLE = 100


@dataclass(frozen=True, kw_only=True)
class ContactFacts:
    name: str
    emails: Sequence[str] = ()
    phones: Sequence[str] = ()
    language: str = "en"
    zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a contact is to one client."""

    role: str = ""
    portal_access: bool = False
    is_primary: bool = False


def create_contact(
    contact_id: UUID, facts: ContactFacts, client: Client, standing: Standing = Standing(), *, by: Actor,
    quietly: bool = False,
) -> Contact:
    """A new contact of a client; the first one of a client becomes its primary contact.

    Whoever is let into the portal is told by mail, unless `quietly`: of a whole list each hears with the first request.
    """
    authorize(by, can_edit_client, client)
    with transaction() as session:
        said = digest_of(facts, client.id, standing)
        existing = made_before(Contact, contact_id, said)
        if existing is not None:
            return existing
        name = clean_name(facts.name)
        contact = Contact(
            id=contact_id, made_from=said, name=name, sort_key=sort_key(name), language=facts.language, zone=facts.zone,
            addresses=[
                ContactAddress(kind=kind, value=value, position=at)
                for at, (kind, value) in enumerate(_addresses(facts, client))
            ],
        )
        session.add(contact)
        session.flush()
        link = _attach(client, contact, standing)
        record("clients.contact.create", contact, by=by, client_id=client.id, name=name, role=link.role,
               portal_access=link.portal_access, is_primary=link.is_primary)
        if link.portal_access and not quietly:
            tell_let_in(contact, [client.name])
        return contact


def update_contact(contact: Contact, facts: ContactFacts, *, by: Actor, version: int | None = None) -> Contact:
    """Name and addresses, in every client they stand for. The contact's `addresses` must be loaded.

    Whoever uses the portal is told at each address that opens it no more, and at each that does now.
    """
    authorize(by, can_edit_client)
    with transaction() as session:
        check_contact(contact, by=by)
        lock_version(contact, version)
        name = clean_name(facts.name)
        wanted = _addresses(facts, None)
        before = [address.value for address in contact.addresses]
        mails = emails_of(contact.id)
        changes = apply_changes(contact, {
            "name": name, "sort_key": sort_key(name), "language": facts.language, "zone": facts.zone,
        })
        changes.pop("sort_key", None)
        if before != [value for _, value in wanted]:
            have = {(a.kind, a.value.casefold()): a for a in contact.addresses}
            kept = []
            for at, (kind, value) in enumerate(wanted):
                address = have.get((kind, value.casefold())) or ContactAddress(kind=kind, value=value)
                address.value, address.position = value, at
                kept.append(address)
            contact.addresses = kept
            changes["addresses"] = [before, [value for _, value in wanted]]
        if changes:
            session.flush()
            tell_addresses(contact, mails, emails_of(contact.id))
            record("clients.contact.update", contact, by=by, name=name, changes=changes)
        return contact


def archive_contact(contact: Contact, *, by: Actor) -> None:
    """Nobody signs in as them any more; what they gave stays under their name."""
    authorize(by, can_edit_client)
    with transaction():
        check_contact(contact, by=by)
        lock_version(contact, None)
        if contact.archived_at is None:
            tell_shut_out(contact, clients_let_in(contact.id))
            contact.archived_at = now()
            record("clients.contact.archive", contact, by=by, name=contact.name)


def restore_contact(contact: Contact, *, by: Actor) -> None:
    authorize(by, can_edit_client)
    with transaction():
        check_contact(contact, by=by)
        lock_version(contact, None)
        if contact.archived_at is not None:
            contact.archived_at = None
            tell_let_in(contact, clients_let_in(contact.id))
            record("clients.contact.restore", contact, by=by, name=contact.name)


def link_contact(
    client: Client, contact: Contact, standing: Standing = Standing(), *, by: Actor, quietly: bool = False
) -> ClientContact:
    """Let a contact stand for a client, or change what they are to it. `quietly` as in `create_contact`."""
    authorize(by, can_edit_client, client)
    _check_reachable(contact, by=by)
    with transaction() as session:
        _lock(client)
        link = _link(client, contact)
        if link is None:
            link = _attach(client, contact, standing)
            record("clients.contact.link", contact, by=by, client_id=client.id, name=contact.name, role=link.role,
                   portal_access=link.portal_access, is_primary=link.is_primary)
            if link.portal_access and not quietly:
                tell_let_in(contact, [client.name])
            return link
        if standing.is_primary and not link.is_primary:
            _clear_primary(client)
        changes = apply_changes(link, {
            "role": _role(standing), "portal_access": standing.portal_access,
            "is_primary": standing.is_primary or link.is_primary,
        })
        if changes:
            session.flush()
            record("clients.contact.change", contact, by=by, client_id=client.id, name=contact.name, changes=changes)
            if "portal_access" in changes and not quietly:
                (tell_let_in if link.portal_access else tell_shut_out)(contact, [client.name])
        return link


def unlink_contact(client: Client, contact: Contact, *, by: Actor) -> None:
    """They no longer stand for this client and no longer see it; the next one becomes primary."""
    authorize(by, can_edit_client, client)
    _check_reachable(contact, by=by)
    with transaction() as session:
        _lock(client)
        link = _link(client, contact)
        if link is None:
            return
        was_primary, was_let_in = link.is_primary, link.portal_access
        session.delete(link)
        session.flush()
        if was_primary:
            heir = session.scalar(
                sa.select(ClientContact).where(ClientContact.client_id == client.id).order_by(ClientContact.id).limit(1)
            )
            if heir is not None:
                heir.is_primary = True
        record("clients.contact.unlink", contact, by=by, client_id=client.id, name=contact.name)
        if was_let_in:
            tell_shut_out(contact, [client.name])


def check_contact(contact: Contact, *, by: Actor) -> None:
    """A contact is changed by who sees every client they stand for: their address opens the portal to all of these.

    Raises NotFound for somebody of walled clients only, Refused where some of them are.
    """
    _check_reachable(contact, by=by)
    standing = sa.select(ClientContact.id).where(
        ClientContact.contact_id == contact.id, ClientContact.client_id.in_(by.walled_clients)
    )
    if by.walled_clients and db.session.scalar(standing.limit(1)) is not None:
        raise Refused(
            f"{contact.name} also stands for a client that you may not see. Ask a colleague to change this contact."
        )


def _check_reachable(contact: Contact, *, by: Actor) -> None:
    """Somebody of walled clients only is there for nobody behind those walls."""
    if by.walled_clients and db.session.scalar(
        sa.select(Contact.id).where(Contact.id == contact.id, reachable(by))
    ) is None:
        raise NotFound()


def _addresses(facts: ContactFacts, client: Client | None) -> list[tuple[AddressKind, str]]:
    emails = positions(check_email(value, field="emails") for value in facts.emails)
    phones = positions(format_phone(value, client.country if client else None) for value in facts.phones)
    return [(AddressKind.EMAIL, value) for value in emails] + [(AddressKind.PHONE, value) for value in phones]


def _attach(client: Client, contact: Contact, standing: Standing) -> ClientContact:
    """A new link; the first one of a client is its primary, a new primary takes the place of the old."""
    _lock(client)
    has_primary = db.session.scalar(
        sa.select(sa.true()).where(ClientContact.client_id == client.id, ClientContact.is_primary)
    )
    if standing.is_primary and has_primary:
        _clear_primary(client)
    link = ClientContact(
        id=new_id(), client_id=client.id, contact_id=contact.id, role=_role(standing),
        portal_access=standing.portal_access, is_primary=standing.is_primary or not has_primary,
    )
    db.session.add(link)
    db.session.flush()
    return link


def _role(standing: Standing) -> str:
    role = standing.role.strip()
    if len(role) > LONGEST_ROLE:
        raise Refused(f"A role is at most {LONGEST_ROLE} characters long.", field="role")
    return role


def _lock(client: Client) -> None:
    """One change of a client's contacts at a time: there is one primary."""
    db.session.execute(to_lock(sa.select(Client.id).where(Client.id == client.id), lightly=True))


def _link(client: Client, contact: Contact) -> ClientContact | None:
    return db.session.scalar(
        sa.select(ClientContact).where(ClientContact.client_id == client.id, ClientContact.contact_id == contact.id)
    )


def _clear_primary(client: Client) -> None:
    for link in db.session.scalars(
        sa.select(ClientContact).where(ClientContact.client_id == client.id, ClientContact.is_primary)
    ):
        link.is_primary = False
    db.session.flush()
