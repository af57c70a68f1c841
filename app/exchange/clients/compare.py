"""Holding a file's clients against those that the firm has: known by key, alike by name, or new."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager, selectinload

from app.clients.changes import Effect
from app.clients.models import AddressKind, Client, ClientContact, ClientKind, Contact, ContactAddress
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import db
from app.core.sorting import sort_key
from app.exchange.clients.formats import Source
from app.exchange.clients.prospects import Person, Prospect
from app.exchange.clients.values import LABELS, Names, plain, same_groups, shown
from app.exchange.models import ImportKey


class Action(enum.StrEnum):
    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    MATCH = "match"
    UNKNOWN = "unknown"
    REFUSED = "refused"


@dataclass(frozen=True)
class Change:
    """What a field of a client is now and would be, as one reads it."""

    head: str
    before: str
    after: str


@dataclass
class Planned:
    """What an import would do with one client. A match, and a code that nobody here has, wait for somebody's word.

    `values` are those that it would be given; `effects` what of its recurring work moves with them, None where its
    periods stay.
    """

    prospect: Prospect
    action: Action
    client: Client | None = None
    why: str = ""
    changes: list[Change] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    effects: list[Effect] | None = None


@dataclass
class Known:
    """What the firm has, loaded once for a whole file."""

    by_key: dict[str, tuple[UUID, dict[str, Any]]]
    hidden_keys: set[str]
    clients: dict[UUID, Client]
    by_name: dict[str, list[Client]]
    mails: dict[UUID, set[str]]
    of_source: set[UUID]
    links: dict[UUID, list[ClientContact]] = field(default_factory=dict)


SAME = {"and": "", "limited": "ltd", "incorporated": "inc", "company": "co", "corporation": "corp"}


def plain_name(name: str) -> str:
    """A name without what people leave out or spell in two ways: punctuation, "and", "Limited"."""
    words = re.sub(r"[^\w\s]", "", sort_key(name).replace("&", " ")).split()
    return " ".join(filter(None, (SAME.get(word, word) for word in words)))


def load_known(source: Source, *, seen_by: Actor) -> Known:
    """Four queries, whatever the file holds."""
    sight = within_sight(seen_by, Client.id)
    clients = {c.id: c for c in db.session.scalars(sa.select(Client).where(Client.is_firm.is_(False), *sight))}
    keys = db.session.execute(
        sa.select(ImportKey.key, ImportKey.client_id, ImportKey.values).where(ImportKey.source == source.value)
    ).all()
    links: dict[UUID, list[ClientContact]] = {}
    for link in db.session.scalars(
        sa.select(ClientContact).join(ClientContact.contact).where(*within_sight(seen_by, ClientContact.client_id))
        .options(contains_eager(ClientContact.contact).selectinload(Contact.addresses)).order_by(ClientContact.id)
    ):
        links.setdefault(link.client_id, []).append(link)
    by_name: dict[str, list[Client]] = {}
    for client in clients.values():
        by_name.setdefault(plain_name(client.name), []).append(client)
    mails = {client_id: _mails(client, links.get(client_id, ())) for client_id, client in clients.items()}
    return Known(
        {k.key: (k.client_id, k.values) for k in keys if k.client_id in clients},
        {k.key for k in keys if k.client_id not in clients}, clients, by_name, mails,
        {k.client_id for k in keys}, links,
    )


def _mails(client: Client, links: Iterable[ClientContact]) -> set[str]:
    mails = {client.email.casefold()} if client.email else set()
    for link in links:
        mails |= {a.value.casefold() for a in link.contact.addresses if a.kind is AddressKind.EMAIL}
    return mails


def plan(prospects: Sequence[Prospect], source: Source, names: Names, *, seen_by: Actor) -> list[Planned]:
    """What importing would do, in the file's order. Nothing is written."""
    known = load_known(source, seen_by=seen_by)
    planned: dict[int, Planned] = {}
    loose: list[Prospect] = []
    for prospect in prospects:
        at = id(prospect)
        if prospect.errors:
            planned[at] = Planned(prospect, Action.REFUSED, why=prospect.errors[0].message)
        elif prospect.key in known.by_key:
            client_id, said = known.by_key[prospect.key]
            client = known.clients[client_id]
            told = list(_told(client, prospect, said, known.links.get(client_id, []), names))
            action = Action.UPDATE if told else Action.UNCHANGED
            values = changes_for(client, prospect, said)
            planned[at] = Planned(prospect, action, client, changes=told, values=values)
        elif prospect.key in known.hidden_keys:
            planned[at] = Planned(prospect, Action.UNCHANGED)
        else:
            loose.append(prospect)
    free = {client_id for client_id in known.clients if client_id not in known.of_source}
    for look in (_by_name_and_mail, _by_name, _by_mail):
        for prospect in loose:
            if id(prospect) in planned:
                continue
            match = look(prospect, known, free)
            if match is not None:
                free.discard(match.id)
                why, values = f"looks like {match.code} {match.name}", changes_for(match, prospect, {})
                planned[id(prospect)] = Planned(prospect, Action.MATCH, match, why, values=values)
    return [planned.get(id(p)) or Planned(p, Action.CREATE) for p in prospects]


def _told(
    client: Client, prospect: Prospect, said: Mapping[str, Any], links: Sequence[ClientContact], names: Names
) -> Iterator[Change]:
    """What would be filled or replaced, and who would be added, as one reads it."""
    for name, value in changes_for(client, prospect, said).items():
        yield Change(LABELS.get(name, name), shown(name, getattr(client, name), names), shown(name, value, names))
    for person, contact, missing in new_people(links, prospect):
        has = ", ".join(a.value for a in contact.addresses) if contact else ""
        more = ", ".join(missing if contact else (person.name, *missing))
        yield Change(f"Contact {contact.name}" if contact else "Contact", has, f"{has}, {more}" if has else more)


def _alike(prospect: Prospect, known: Known, free: set[UUID]) -> list[Client]:
    return [c for c in known.by_name.get(plain_name(prospect.name), ()) if c.id in free]


def _by_name_and_mail(prospect: Prospect, known: Known, free: set[UUID]) -> Client | None:
    alike = [c for c in _alike(prospect, known, free) if known.mails[c.id] & prospect.emails]
    return alike[0] if len(alike) == 1 else None


def _by_name(prospect: Prospect, known: Known, free: set[UUID]) -> Client | None:
    """People often share a name: for them, addresses that differ speak against it."""
    alike = _alike(prospect, known, free)
    person = prospect.is_person or any(c.kind is ClientKind.PERSON for c in alike)
    if person:
        alike = [c for c in alike if not known.mails[c.id] or not prospect.emails]
    return alike[0] if len(alike) == 1 else None


def _by_mail(prospect: Prospect, known: Known, free: set[UUID]) -> Client | None:
    """The same address and nearly the same name: Alder and Finch, Alder & Finch Ltd."""
    near = [
        known.clients[client_id] for client_id in free
        if prospect.emails & known.mails[client_id] and _near(prospect.name, known.clients[client_id].name)
    ]
    return near[0] if len(near) == 1 else None


def _near(one: str, other: str) -> bool:
    return SequenceMatcher(None, plain_name(one), plain_name(other)).ratio() >= 0.8


def changes_for(client: Client, prospect: Prospect, said_before: Mapping[str, Any]) -> dict[str, Any]:
    """{column: new value}: what is empty is filled, what this system said last is replaced, the rest stays ours."""
    changes: dict[str, Any] = {}
    present = {name: plain(getattr(client, name)) for name in prospect.values}
    for name, value in prospect.values.items():
        now = present[name]
        if name == "tags":
            missing = [tag for tag in value if tag not in client.tags]
            if missing:
                changes[name] = [*client.tags, *missing]
        elif now != value and (now in ("", None) or (name in said_before and said_before[name] == now)):
            changes[name] = value
    return same_groups(changes, prospect.values, present)


def new_people(links: Sequence[ClientContact], prospect: Prospect) -> list[tuple[Person, Contact | None, list[str]]]:
    """(person, contact already there, what is missing of their addresses): only those that bring something new."""
    found = []
    for person in prospect.people:
        contact = _same_contact(links, person)
        have = {a.value.casefold() for a in contact.addresses} if contact else set()
        missing = [value for value in (*person.emails, *person.phones) if value.casefold() not in have]
        if contact is None or missing:
            found.append((person, contact, missing))
    return found


def _same_contact(links: Sequence[ClientContact], person: Person) -> Contact | None:
    mails = {mail.casefold() for mail in person.emails}
    for link in links:
        if any(a.kind is AddressKind.EMAIL and a.value.casefold() in mails for a in link.contact.addresses):
            return link.contact
    return next((link.contact for link in links if sort_key(link.contact.name) == sort_key(person.name)), None)


def contact_elsewhere(person: Person, *, seen_by: Actor) -> Contact | None:
    """The one contact of this name and address, whichever client they stand for."""
    if not person.emails:
        return None
    holds = sa.select(ContactAddress.contact_id).where(
        ContactAddress.kind == AddressKind.EMAIL, ContactAddress.value.in_(person.emails)
    )
    visible = sa.select(ClientContact.contact_id).where(*within_sight(seen_by, ClientContact.client_id))
    rows = db.session.scalars(
        sa.select(Contact).options(selectinload(Contact.addresses)).where(
            Contact.id.in_(holds), Contact.id.in_(visible), Contact.sort_key == sort_key(person.name),
            Contact.archived_at.is_(None),
        ).limit(2)
    ).all()
    return rows[0] if len(rows) == 1 else None
