"""Events as lines to read: who, what, when and where, for whoever may see them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from app.activity.models import Event
from app.activity.queries import Entry, EventFilter, list_events
from app.activity.sentences import address, told
from app.billing.sight import hidden_bills
from app.clients.models import Contact
from app.clients.policy import within_sight
from app.core.actors import SYSTEM, Actor, ActorKind
from app.core.permissions import Permission
from app.people.models import Person

HIDDEN_WITHOUT = {
    "clients.wall.": Permission.WALL_EDIT, "billing.": Permission.WIP_SEE, "ledger.": Permission.WIP_SEE,
    "timekeeping.rate.": Permission.RATE_SEE,
}

CAUSES = {
    "run": "as part of a run", "series": "because it recurs", "sweep": "because its time had come",
    "event": "because of what had happened before",
}

ACTOR_NAME = sa.func.coalesce(
    sa.select(Person.name).where(Person.id == Event.actor_id).scalar_subquery(),
    sa.select(Contact.name).where(Contact.id == Event.actor_id).scalar_subquery(),
)


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

    @property
    def because(self) -> str:
        """What led to it, where that was not simply whoever did it."""
        return CAUSES.get((self.entry.cause or "").partition(" ")[0], "")


def sight_of(actor: Actor) -> list[sa.ColumnElement[bool]]:
    """Whose events someone may read: those of what they may see; a contact reads none. A bill is seen as a whole."""
    if actor.is_contact:
        return [sa.false()]
    sight, hidden = within_sight(actor, Event.client_id, Event.engagement_id), hidden_bills(actor)
    if hidden is not None:
        sight.append(sa.or_(Event.subject_kind != "invoice", Event.subject_id.not_in(hidden)))
    return sight


def tell(found: EventFilter, *, seen_by: Actor, limit: int = 50) -> list[Line]:
    """The newest events in words: one query, however many there are."""
    hidden = [kind for kind, permission in HIDDEN_WITHOUT.items() if not seen_by.may(permission)]
    narrowed = replace(found, without=[*found.without, *hidden])
    return [line_of(entry) for entry in list_events(narrowed, sight_of(seen_by), ACTOR_NAME, limit=limit)]


def line_of(row: Entry) -> Line:
    actor = SYSTEM.name if row.actor_kind is ActorKind.SYSTEM else row.actor_name or "Somebody"
    if row.erased:
        words, icon, quote = f"did something since erased ({row.kind})", "history", ""
    else:
        words, icon, quote = told(row.kind, row.data)
    return Line(
        row.id, row.at, row.kind, actor, words, icon, quote, address(row.subject_kind, row.subject_id),
        changes_of(row.data), row,
    )


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
