"""Contacts: made once, changed, archived and brought back, let stand for a client and no longer, tagging a client."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from app.clients.commands import ContactFacts, Standing, link_contact
from app.clients.commands.clients import tag_client
from app.clients.commands.contacts import (
    archive_contact,
    create_contact,
    restore_contact,
    unlink_contact,
    update_contact,
)
from app.clients.models import Client, ClientContact, Contact
from app.core.errors import Conflict, NotAllowed, Refused, Stale
from app.core.ids import new_id
from app.core.permissions import Permission
from tests.make import Cast, count, make_contact

NORA = ContactFacts(name=" Nora  Quinn ", emails=["nora@acme.example", "NORA@acme.example"], phones=["020 7946 0000"])


def events(session: Session, kind: str) -> int:
    return session.scalar(sa.text("SELECT count(*) FROM event WHERE kind = :kind"), {"kind": kind}) or 0


def loaded(session: Session, contact: Contact) -> Contact:
    found = sa.select(Contact).where(Contact.id == contact.id).options(joinedload(Contact.addresses))
    return session.scalars(found.execution_options(populate_existing=True)).unique().one()


def link_of(session: Session, client: Client, contact: Contact) -> ClientContact | None:
    return session.scalar(sa.select(ClientContact).where(
        ClientContact.client_id == client.id, ClientContact.contact_id == contact.id
    ))


def test_a_contact_is_made_once_with_each_address_once(cast: Cast, session: Session) -> None:
    mel, contact_id = cast.actor(cast.mel), new_id()
    made = create_contact(contact_id, NORA, cast.acme, Standing(role="Director"), by=mel)
    assert create_contact(contact_id, NORA, cast.acme, Standing(role="Director"), by=mel).id == made.id
    assert count(Contact) == 3 and events(session, "clients.contact.create") == 1
    contact = loaded(session, made)
    assert contact.name == "Nora Quinn" and [each.value for each in contact.addresses][0] == "nora@acme.example"
    assert len(contact.addresses) == 2
    with pytest.raises(Conflict):
        create_contact(contact_id, replace(NORA, name="Somebody else"), cast.acme, by=mel)


def test_a_contact_without_a_name_or_with_no_address_is_refused(cast: Cast, session: Session) -> None:
    mel = cast.actor(cast.mel)
    with pytest.raises(Refused):
        create_contact(new_id(), replace(NORA, name=" "), cast.acme, by=mel)
    with pytest.raises(Refused):
        create_contact(new_id(), replace(NORA, emails=["not an address"]), cast.acme, by=mel)
    with pytest.raises(Refused, match="at most"):
        create_contact(new_id(), NORA, cast.acme, Standing(role="x" * 1000), by=mel)
    assert session.scalar(sa.select(Contact.id).where(Contact.name == "Nora Quinn")) is None


def test_nobody_makes_or_links_contacts_of_a_client_behind_their_wall(cast: Cast, session: Session) -> None:
    mel = cast.actor(cast.mel)
    walled = replace(mel, walled_clients=frozenset({cast.acme.id}))
    plain = replace(mel, permissions=mel.permissions - {Permission.CLIENT_EDIT})
    for by in (walled, plain):
        with pytest.raises(NotAllowed):
            create_contact(new_id(), NORA, cast.acme, by=by)
        with pytest.raises(NotAllowed):
            link_contact(cast.acme, cast.otto, by=by)
        with pytest.raises(NotAllowed):
            unlink_contact(cast.acme, cast.cleo, by=by)
        with pytest.raises(NotAllowed):
            tag_client(cast.acme, "vat", by=by)
    for act in (archive_contact, restore_contact):
        with pytest.raises(NotAllowed):
            act(cast.cleo, by=plain)
    with pytest.raises(NotAllowed):
        update_contact(loaded(session, cast.cleo), NORA, by=plain)


def test_a_change_is_told_once_and_a_stale_one_refused(cast: Cast, session: Session) -> None:
    mel, contact = cast.actor(cast.mel), loaded(session, cast.cleo)
    version = contact.version
    update_contact(contact, replace(NORA, name="Cleo May"), by=mel, version=version)
    contact = loaded(session, contact)
    assert contact.name == "Cleo May" and len(contact.addresses) == 2
    update_contact(contact, replace(NORA, name="Cleo May"), by=mel, version=contact.version)
    assert events(session, "clients.contact.update") == 1
    with pytest.raises(Stale):
        update_contact(loaded(session, contact), NORA, by=mel, version=version)


def test_archiving_and_bringing_back_happen_once(cast: Cast, session: Session) -> None:
    mel = cast.actor(cast.mel)
    for _ in range(2):
        archive_contact(cast.cleo, by=mel)
    assert session.get_one(Contact, cast.cleo.id).archived_at and events(session, "clients.contact.archive") == 1
    for _ in range(2):
        restore_contact(cast.cleo, by=mel)
    assert session.get_one(Contact, cast.cleo.id).archived_at is None
    assert events(session, "clients.contact.restore") == 1


def test_there_is_one_primary_contact_and_another_one_follows_when_they_go(cast: Cast, session: Session) -> None:
    mel, nora = cast.actor(cast.mel), make_contact("Nora", cast.rival)
    link_contact(cast.acme, cast.cleo, Standing(is_primary=True), by=mel)
    link_contact(cast.acme, nora, Standing(role="Auditor", is_primary=True), by=mel)
    first, second = link_of(session, cast.acme, cast.cleo), link_of(session, cast.acme, nora)
    assert first and second and (first.is_primary, second.is_primary) == (False, True)
    for _ in range(2):
        unlink_contact(cast.acme, nora, by=mel)
    assert link_of(session, cast.acme, nora) is None and link_of(session, cast.rival, nora)
    session.refresh(first)
    assert first.is_primary and events(session, "clients.contact.unlink") == 1


def test_a_tag_is_put_on_once(cast: Cast, session: Session) -> None:
    for tag in (" VAT ", "vat"):
        tag_client(cast.acme, tag, by=cast.actor(cast.mel))
    assert session.get_one(Client, cast.acme.id).tags == ["VAT"] and events(session, "clients.client.update") == 1
