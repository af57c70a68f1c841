"""Events as lines to read: who, what, when and where, for whoever may see them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.models import Event
from app.activity.queries import Entry, EventFilter, list_events
from app.activity.sentences import address, told
from app.clients.models import Contact
from app.clients.policy import within_sight
from app.core.actors import SYSTEM, Actor, ActorKind
from app.core.db import db
from app.core.permissions import Permission
from app.people.models import Person

HIDDEN_WITHOUT = {
    "clients.wall.": Permission.WALL_EDIT, "billing.": Permission.WIP_SEE, "ledger.": Permission.WIP_SEE,
    "timekeeping.rate.": Permission.RATE_SEE,
}


@dataclass(frozen=True)
class Line:
    """One event in words."""

    id: int
    at: dt.datetime
    kind: str
    actor: str
    words: str
    icon: str
    quote: str
    url: str
    changes: list[tuple[str, str, str]]
    entry: Entry

    @property
    def told(self) -> str:
        return f"{self.actor} {self.words}"


def sight_of(actor: Actor) -> list[sa.ColumnElement[bool]]:
    """Whose events someone may read: those of what they may see; a contact reads none."""
    return [sa.false()] if actor.is_contact else within_sight(actor, Event.client_id, Event.engagement_id)


def tell(found: EventFilter, *, seen_by: Actor, limit: int = 50) -> list[Line]:
    """The newest events in words: two queries, however many there are."""
    hidden = [kind for kind, permission in HIDDEN_WITHOUT.items() if not seen_by.may(permission)]
    narrowed = replace(found, without=[*found.without, *hidden])
    return lines_of(list_events(narrowed, sight_of(seen_by), limit=limit))


def lines_of(entries: Iterable[Entry]) -> list[Line]:
    rows = list(entries)
    names = _names({row.actor_id for row in rows if row.actor_id})
    return [_line(row, names) for row in rows]


def _line(row: Entry, names: dict[UUID, str]) -> Line:
    actor = SYSTEM.name if row.actor_kind is ActorKind.SYSTEM else names.get(row.actor_id or UUID(int=0), "Somebody")
    if row.erased:
        words, icon, quote = f"did something since erased ({row.kind})", "history", ""
    else:
        words, icon, quote = told(row.kind, row.data)
    return Line(
        row.id, row.at, row.kind, actor, words, icon, quote, address(row.subject_kind, row.subject_id),
        changes_of(row.data), row,
    )


def _names(ids: set[UUID]) -> dict[UUID, str]:
    if not ids:
        return {}
    people = sa.select(Person.id, Person.name).where(Person.id.in_(ids))
    contacts = sa.select(Contact.id, Contact.name).where(Contact.id.in_(ids))
    return {row.id: row.name for row in db.session.execute(people.union_all(contacts))}


def changes_of(data: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(field, before, after) of what an event changed."""
    changes = data.get("changes")
    if not isinstance(changes, dict):
        return []
    return [
        (str(name).removesuffix("_id").replace("_", " "), said(pair[0]), said(pair[1]))
        for name, pair in changes.items() if isinstance(pair, list) and len(pair) == 2
    ]


def said(value: Any) -> str:
    if value is None or value == "":
        return "—"
    if isinstance(value, list):
        return ", ".join(map(said, value)) or "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
