"""Finding clients, jobs, invoices, people and engagements by a few letters: one small query each, on an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Invoice
from app.billing.sight import bills_seen_by
from app.clients.models import Client, Engagement, EngagementStatus
from app.clients.names import sort_key
from app.clients.policy import within_sight
from app.clients.queries import escape_like, like
from app.core.actors import Actor
from app.core.db import db
from app.core.permissions import Permission
from app.firm.models import Entity, NumberSeries
from app.jobs.models import Job, JobStatus
from app.people.models import Person, PersonState

LETTERS, ENOUGH = 3, 300


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
    """By part of the name or the beginning of the code; those whose name begins with the text come first."""
    key = sort_key(text)
    begins = Client.sort_key.startswith(key, autoescape=True)
    rows = db.session.execute(
        sa.select(Client.id, Client.name, Client.code).where(
            Client.archived_at.is_(None), *within_sight(seen_by, Client.id),
            sa.or_(Client.sort_key.like(like(text)), Client.code.like(_prefix(text.upper()))) if key else sa.true(),
        ).order_by(*([begins.desc()] if key else []), Client.sort_key).limit(limit)
    )
    return [Hit("client", row.id, row.name, row.code) for row in rows]


def find_jobs(text: str, *, seen_by: Actor, limit: int = 6) -> list[Hit]:
    """By part of the title (from three letters on) or the beginning of the number; open ones first.

    Only the first few hundred that match are put in order: a word that stands in every title costs no more.
    """
    alike = [Job.number.like(_prefix(text.upper()))]
    if len(text) >= LETTERS:
        alike.append(sa.func.lower(Job.title).like(f"%{escape_like(text.lower())}%"))
    some = sa.select(Job.id, Job.client_id, Job.title, Job.number, Job.status, Job.due_on).where(
        sa.or_(*alike), *within_sight(seen_by, Job.client_id, Job.engagement_id)
    ).limit(ENOUGH).subquery()
    rows = db.session.execute(
        sa.select(some.c.id, some.c.title, some.c.number, Client.name).join(Client, Client.id == some.c.client_id)
        .order_by((some.c.status == JobStatus.ACTIVE).desc(), some.c.due_on.desc(), some.c.id).limit(limit)
    )
    return [Hit("job", row.id, row.title, f"{row.name} · {row.number}") for row in rows]


def find_invoices(text: str, *, seen_by: Actor, limit: int = 5) -> list[Hit]:
    """By the beginning of the number, or by its digits alone (12 finds INV-00012); for whoever may see bills."""
    if not seen_by.may(Permission.WIP_SEE):
        return []
    statement = sa.select(Invoice.id, Invoice.number, Client.name).join(Client, Client.id == Invoice.client_id)
    if text.isascii() and text.isdigit():
        digits = sa.func.lpad(text, sa.func.greatest(NumberSeries.padding, len(text)), "0")
        statement = statement.join(NumberSeries, sa.and_(
            NumberSeries.entity_id == Invoice.entity_id, NumberSeries.prefix + digits == Invoice.number
        ))
    else:
        statement = statement.join(Entity, Entity.id == Invoice.entity_id).where(
            Invoice.number.like(_prefix(text.upper()))
        )
    rows = db.session.execute(
        statement.where(*bills_seen_by(seen_by)).order_by(Invoice.number.desc()).limit(limit)
    )
    return [Hit("invoice", row.id, row.number, row.name) for row in rows]


def find_people(text: str, *, seen_by: Actor, limit: int = 5) -> list[Hit]:
    """Colleagues by part of their name."""
    if seen_by.is_contact:
        return []
    rows = db.session.execute(
        sa.select(Person.id, Person.name, Person.role).where(
            Person.state == PersonState.ACTIVE,
            sa.or_(sa.func.lower(Person.name).like(f"%{escape_like(text.lower())}%"), Person.sort_key.like(like(text))),
        ).order_by(Person.sort_key).limit(limit)
    )
    return [Hit("person", row.id, row.name, str(row.role.value)) for row in rows]


def find_engagements(text: str, client_id: UUID | None, *, seen_by: Actor, limit: int = 20) -> list[Hit]:
    """Open engagements, of one client or of all, by part of their or their client's name."""
    statement = sa.select(Engagement.id, Engagement.name, Engagement.number, Client.name.label("client")).join(
        Client, Client.id == Engagement.client_id
    ).where(
        Engagement.status == EngagementStatus.OPEN, Client.archived_at.is_(None),
        *within_sight(seen_by, Engagement.client_id, Engagement.id),
    )
    name = sa.func.lower(Engagement.name).like(f"%{escape_like(text.lower())}%")
    if client_id:
        statement = statement.where(Engagement.client_id == client_id, name if text else sa.true())
    else:
        # Few clients first, then their engagements: no sorting of all there are.
        some = sa.select(Client.id).where(
            Client.archived_at.is_(None), *within_sight(seen_by, Client.id), Client.sort_key.like(like(text))
        ).order_by(Client.sort_key).limit(limit)
        alike = sa.select(Engagement.id).where(name, Engagement.status == EngagementStatus.OPEN).limit(limit)
        either = [Engagement.client_id.in_(some)] + ([Engagement.id.in_(alike)] if text else [])
        statement = statement.where(sa.or_(*either))
    rows = db.session.execute(statement.order_by(Client.sort_key, Engagement.name).limit(limit))
    return [Hit("engagement", r.id, r.name, r.number if client_id else r.client) for r in rows]


def find_matters(text: str, *, seen_by: Actor, limit: int = 6) -> list[Hit]:
    """Engagements, open and closed, by part of their name or scope (where parties and references stand) from three
    letters on, or by the beginning of the number; open ones first."""
    alike = [Engagement.number.like(_prefix(text.upper()))]
    if len(text) >= LETTERS:
        alike.append(Engagement.words.like(f"%{escape_like(text.lower())}%"))
    rows = db.session.execute(
        sa.select(Engagement.id, Engagement.name, Engagement.number, Client.name.label("client"), Engagement.status)
        .join(Client, Client.id == Engagement.client_id)
        .where(sa.or_(*alike), *within_sight(seen_by, Engagement.client_id, Engagement.id))
        .order_by((Engagement.status == EngagementStatus.OPEN).desc(), Engagement.name, Engagement.id).limit(limit)
    )
    return [
        Hit("engagement", r.id, r.name, " · ".join((r.client, r.number, *(["closed"] if r.status != "open" else []))))
        for r in rows
    ]


def find_anything(text: str, *, seen_by: Actor) -> Sequence[tuple[str, list[Hit]]]:
    """Five queries at most, in groups; empty groups are left out."""
    groups = [
        ("Clients", find_clients(text, seen_by=seen_by)),
        ("Jobs", find_jobs(text, seen_by=seen_by) if len(text) > 1 else []),
        ("Engagements", find_matters(text, seen_by=seen_by) if len(text) > 1 else []),
        ("Invoices", find_invoices(text, seen_by=seen_by) if any(c.isdigit() for c in text) else []),
        ("People", find_people(text, seen_by=seen_by)),
    ]
    return [(label, hits) for label, hits in groups if hits]
