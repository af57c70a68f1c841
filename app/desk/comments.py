"""What comments are written on, and who is named in them."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Invoice
from app.billing.sight import bills_seen_by
from app.clients.models import Client
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.core.errors import NotFound
from app.core.ids import new_id
from app.core.permissions import Permission
from app.jobs.models import Job, Task
from app.marks.models import Comment
from app.marks.queries import list_comments
from app.people.models import Person, PersonState

SUBJECTS: dict[str, Any] = {"job": Job, "task": Task, "client": Client, "invoice": Invoice}
AUTHOR = sa.select(Person.name).where(Person.id == Comment.author_id).scalar_subquery()


def sight_of(actor: Actor) -> list[sa.ColumnElement[bool]]:
    return within_sight(actor, Comment.client_id, Comment.engagement_id)


def subject_of(kind: str, subject_id: UUID, *, seen_by: Actor) -> Any:
    """The thing that is commented on, if it may be seen; else as if it did not exist."""
    table = SUBJECTS.get(kind)
    if table is None or not seen_by.is_person or (table is Invoice and not seen_by.may(Permission.WIP_SEE)):
        raise NotFound()
    client_id = table.id if table is Client else table.client_id
    engagement_id = getattr(table, "engagement_id", None)
    sight = bills_seen_by(seen_by) if table is Invoice else within_sight(seen_by, client_id, engagement_id)
    return get_or_404(sa.select(table).where(table.id == subject_id, *sight))


def mentioned(body: str) -> list[UUID]:
    """The active colleagues named as @Name in a text; the longest name that fits wins, "@Sam Price" before "@Sam"."""
    if "@" not in body:
        return []
    people = db.session.execute(
        sa.select(Person.id, Person.name).where(Person.state == PersonState.ACTIVE)
        .order_by(sa.func.length(Person.name).desc())
    ).all()
    found: list[UUID] = []
    rest = body
    for person in people:
        pattern = re.compile(rf"@{re.escape(person.name)}(?!\w)", re.IGNORECASE)
        if pattern.search(rest):
            found.append(person.id)
            rest = pattern.sub("", rest)
    first_names: dict[str, list[UUID]] = {}
    for person in people:
        first_names.setdefault(person.name.split()[0].casefold(), []).append(person.id)
    for word in re.findall(r"@(\w+)", rest):
        who = first_names.get(word.casefold(), [])
        if len(who) == 1 and who[0] not in found:
            found.append(who[0])
    return found


def drawn(kind: str, subject_id: UUID, *, seen_by: Actor) -> dict[str, Any]:
    """What marks/_comments.html needs, for whoever includes it in a page."""
    comments = list_comments(kind, subject_id, sight_of(seen_by), AUTHOR, seen_by=seen_by)
    return {"kind": kind, "subject_id": subject_id, "comments": comments, "new_id": new_id()}
