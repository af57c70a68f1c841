"""Finding clients, jobs, invoices, people and engagements by a few letters: one small query each, on an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Invoice
from app.billing.numbers import number_found
from app.billing.sight import bills_seen_by
from app.clients.models import Client, ClientContact, Contact, Engagement, EngagementStatus
from app.clients.policy import within_sight
from app.clients.queries import client_found, contacts_found, escape_like, read_typed
from app.core.actors import Actor
from app.core.db import db
from app.core.finding import Typed, has_words
from app.core.permissions import Permission, Role
from app.core.sorting import sort_key
from app.jobs.models import Job, JobStatus
from app.people.models import Person, PersonState

LETTERS, ENOUGH = 3, 300
_MOST: sa.BindParameter[int] = sa.bindparam("most", type_=sa.Integer)


@dataclass(frozen=True)
class Hit:
    """One thing found: its kind, what it is called, what stands beside it."""

    kind: str
    id: UUID
    text: str
    hint: str


def _prefix(text: str) -> str:
    return escape_like(text) + "%"


def find_clients(text: str, *, seen_by: Actor, limit: int = 6) -> list[Hit]:
    """By words of name, code, numbers, e-mail, telephone or of a contact; names that begin with the text come first."""
    typed = read_typed(text)
    begins = _prefix(sort_key(text))
    params = {**typed.params, "begins": begins, "most": limit}
    rows = db.session.execute(_clients(seen_by, typed if text else None), params)
    return [Hit("client", row.id, row.name, row.code) for row in rows]


# Statements are made once for what a viewer may see and the shape of what was typed. # why: making them took 4.3 ms of
# the 10 that a search took (of 100 clients), asking them 0.9.
@lru_cache(maxsize=512)
def _clients(seen_by: Actor, typed: Typed | None) -> sa.Select[UUID, str, str]:
    return sa.select(Client.id, Client.name, Client.code).where(
        Client.archived_at.is_(None), *within_sight(seen_by, Client.id), client_found(typed) if typed else sa.true()
    ).order_by(Client.sort_key.like(sa.bindparam("begins")).desc(), Client.sort_key).limit(_MOST)


def find_contacts(text: str, *, seen_by: Actor, limit: int = 5) -> list[Hit]:
    """By words of the name or an address, or by a telephone number; beside them whom they stand for."""
    if seen_by.is_contact:
        return []
    typed = read_typed(text)
    rows = db.session.execute(_contacts(seen_by, typed), {**typed.params, "most": limit})
    return [Hit("contact", row.id, row.name, row.clients or "") for row in rows]


@lru_cache(maxsize=512)
def _contacts(seen_by: Actor, typed: Typed) -> sa.Select[UUID, str, str]:
    in_sight = sa.select(ClientContact.contact_id).where(*within_sight(seen_by, ClientContact.client_id))
    some = sa.select(Contact.id, Contact.name, Contact.sort_key).where(
        Contact.id.in_(contacts_found(typed)), Contact.id.in_(in_sight)
    ).order_by(Contact.sort_key, Contact.id).limit(_MOST).subquery()
    stands_for = (
        sa.select(sa.func.string_agg(sa.distinct(Client.name), ", ")).join_from(ClientContact, Client)
        .where(ClientContact.contact_id == some.c.id, *within_sight(seen_by, Client.id)).scalar_subquery()
    )
    return sa.select(some.c.id, some.c.name, stands_for.label("clients")).order_by(some.c.sort_key)


def find_jobs(text: str, *, seen_by: Actor, limit: int = 6) -> list[Hit]:
    """By words of the title and number; open ones first."""
    typed = Typed.of(text if _is_long_enough(text) else "")
    begins = {"begins": _prefix(text.upper()), "most": limit}
    rows = db.session.execute(_jobs(seen_by, typed), {**typed.params, **begins})
    return [Hit("job", row.id, row.title, f"{row.name} · {row.number}") for row in rows]


@lru_cache(maxsize=512)
def _jobs(seen_by: Actor, typed: Typed) -> sa.Select[UUID, str, str, str]:
    """Only the first few hundred that match are put in order: a word that stands in every title costs no more."""
    some = sa.select(Job.id, Job.client_id, Job.title, Job.number, Job.status, Job.due_on).where(
        has_words(Job.found_by, typed) | Job.number.like(sa.bindparam("begins")),
        *within_sight(seen_by, Job.client_id, Job.engagement_id),
    ).limit(ENOUGH).subquery()
    return sa.select(some.c.id, some.c.title, some.c.number, Client.name).join(
        Client, Client.id == some.c.client_id
    ).order_by((some.c.status == JobStatus.ACTIVE).desc(), some.c.due_on.desc(), some.c.id).limit(_MOST)


def _is_long_enough(text: str) -> bool:
    """Whether one of its words is long enough for an index of trigrams."""
    return any(len(word) >= LETTERS for word in text.split())


def find_invoices(text: str, *, seen_by: Actor, limit: int = 5) -> list[Hit]:
    """By their number, whole or its beginning, with or without its noughts and signs; for whoever may see bills."""
    if not seen_by.may(Permission.WIP_SEE):
        return []
    rows = db.session.execute(
        sa.select(Invoice.id, Invoice.number, Client.name).join(Client, Client.id == Invoice.client_id)
        .where(number_found(text), *bills_seen_by(seen_by)).order_by(Invoice.number.desc()).limit(limit)
    )
    return [Hit("invoice", row.id, row.number, row.name) for row in rows]


def find_people(text: str, *, seen_by: Actor, limit: int = 5) -> list[Hit]:
    """Colleagues by words of their name or e-mail."""
    if seen_by.is_contact:
        return []
    typed = Typed.of(text)
    rows = db.session.execute(_people(typed if text else None), {**typed.params, "most": limit})
    return [Hit("person", row.id, row.name, str(row.role.value)) for row in rows]


@lru_cache(maxsize=64)
def _people(typed: Typed | None) -> sa.Select[UUID, str, Role]:
    return sa.select(Person.id, Person.name, Person.role).where(
        Person.state == PersonState.ACTIVE, has_words(Person.found_by, typed) if typed else sa.true()
    ).order_by(Person.sort_key).limit(_MOST)


def find_engagements(text: str, client_id: UUID | None, *, seen_by: Actor, limit: int = 20) -> list[Hit]:
    """Open engagements, of one client or of all, by part of their or their client's name."""
    statement = sa.select(Engagement.id, Engagement.name, Engagement.number, Client.name.label("client")).join(
        Client, Client.id == Engagement.client_id
    ).where(
        Engagement.status == EngagementStatus.OPEN, Client.archived_at.is_(None),
        *within_sight(seen_by, Engagement.client_id, Engagement.id),
    )
    typed = read_typed(text)
    name = has_words(Engagement.found_by, typed)
    if client_id:
        statement = statement.where(Engagement.client_id == client_id, name if text else sa.true())
    else:
        # Few clients first, then their engagements: no sorting of all there are.
        some = sa.select(Client.id).where(
            Client.archived_at.is_(None), *within_sight(seen_by, Client.id),
            client_found(typed, contacts=False) if text else sa.true(),
        ).order_by(Client.sort_key).limit(limit)
        alike = sa.select(Engagement.id).where(name, Engagement.status == EngagementStatus.OPEN).limit(limit)
        either = [Engagement.client_id.in_(some)] + ([Engagement.id.in_(alike)] if text else [])
        statement = statement.where(sa.or_(*either))
    rows = db.session.execute(statement.order_by(Client.sort_key, Engagement.name).limit(limit))
    return [Hit("engagement", r.id, r.name, r.number if client_id else r.client) for r in rows]


def find_matters(text: str, *, seen_by: Actor, limit: int = 6) -> list[Hit]:
    """Engagements, open and closed, by words of their name, number and scope (where parties and references stand), or
    by the beginning of the number; open ones first."""
    typed = Typed.of(text if _is_long_enough(text) else "")
    begins = {"begins": _prefix(text.upper()), "most": limit}
    rows = db.session.execute(_matters(seen_by, typed), {**typed.params, **begins})
    return [
        Hit("engagement", r.id, r.name, " · ".join((r.client, r.number, *(["closed"] if r.status != "open" else []))))
        for r in rows
    ]


@lru_cache(maxsize=512)
def _matters(seen_by: Actor, typed: Typed) -> sa.Select[UUID, str, str, str, EngagementStatus]:
    return (
        sa.select(Engagement.id, Engagement.name, Engagement.number, Client.name.label("client"), Engagement.status)
        .join(Client, Client.id == Engagement.client_id)
        .where(
            has_words(Engagement.found_by, typed) | Engagement.number.like(sa.bindparam("begins")),
            *within_sight(seen_by, Engagement.client_id, Engagement.id),
        )
        .order_by((Engagement.status == EngagementStatus.OPEN).desc(), Engagement.name, Engagement.id).limit(_MOST)
    )


def find_anything(text: str, *, seen_by: Actor) -> Sequence[tuple[str, list[Hit]]]:
    """Six queries at most, in groups; empty groups are left out."""
    groups = [
        ("Clients", find_clients(text, seen_by=seen_by)),
        ("Contacts", find_contacts(text, seen_by=seen_by) if len(text) >= LETTERS else []),
        ("Jobs", find_jobs(text, seen_by=seen_by) if len(text) > 1 else []),
        ("Engagements", find_matters(text, seen_by=seen_by) if len(text) > 1 else []),
        ("Invoices", find_invoices(text, seen_by=seen_by) if any(c.isdigit() for c in text) else []),
        ("People", find_people(text, seen_by=seen_by)),
    ]
    return [(label, hits) for label, hits in groups if hits]
