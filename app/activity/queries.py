"""Reading the event log: a thing's timeline, the audit list, the proof of the chain."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import SEAL_COLUMNS, canonical, link_hash, payload_hash
from app.activity.covers import ERASED
from app.activity.models import Event, EventPayload, EventSeal, Outbox
from app.core.actors import ActorKind
from app.core.db import db

Sight = Sequence[sa.ColumnElement[bool]]
Name = sa.ColumnElement[str]


@dataclass(frozen=True)
class Entry:
    """One event with its payload; an erased payload reads as empty."""

    id: int
    kind: str
    subject_kind: str
    subject_id: UUID
    client_id: UUID | None
    actor_kind: ActorKind
    actor_id: UUID | None
    at: dt.datetime
    request_id: str
    address: str
    data: dict[str, Any]
    erased: bool
    actor_name: str = ""
    cause: str | None = None


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Which events are asked for; empty means all. `kinds` are beginnings such as `jobs.` or whole kinds."""

    client_id: UUID | None = None
    engagement_id: UUID | None = None
    job_id: UUID | None = None
    subject_kind: str = ""
    subject_id: UUID | None = None
    actor_id: UUID | None = None
    kinds: Sequence[str] = ()
    without: Sequence[str] = ()
    from_at: dt.datetime | None = None
    to_at: dt.datetime | None = None
    before: int | None = None


_COLUMNS = (
    Event.id, Event.kind, Event.subject_kind, Event.subject_id, Event.client_id, Event.actor_kind, Event.actor_id,
    Event.at, Event.request_id, Event.address, Event.cause, EventPayload.data, EventPayload.erased_at,
)


def list_events(found: EventFilter, sight: Sight, name: Name, *, limit: int = 50) -> list[Entry]:
    """The newest matching events first.

    `sight` is the visibility clause of whoever asks, and `name` says who did it, both over Event's columns.
    """
    return [_entry(row) for row in db.session.execute(_select(found, sight, name).limit(limit))]


def every_event(found: EventFilter, sight: Sight, name: Name) -> Iterator[Entry]:
    """All matching events, streamed, for an export."""
    for row in db.session.execute(_select(found, sight, name).execution_options(yield_per=500)):
        yield _entry(row)


def _select(found: EventFilter, sight: Sight, named: Name) -> sa.Select[Any]:
    columns = (*_COLUMNS, named.label("actor_name"))
    statement = sa.select(*columns).outerjoin(EventPayload, EventPayload.event_id == Event.id).where(*sight)
    for name in ("client_id", "engagement_id", "job_id", "subject_kind", "subject_id", "actor_id"):
        value = getattr(found, name)
        if value:
            statement = statement.where(getattr(Event, name) == value)
    if found.kinds:
        statement = statement.where(sa.or_(*(_kind(kind) for kind in found.kinds)))
    for kind in found.without:
        statement = statement.where(sa.not_(_kind(kind)))
    if found.from_at:
        statement = statement.where(Event.at >= found.from_at)
    if found.to_at:
        statement = statement.where(Event.at < found.to_at)
    if found.before:
        statement = statement.where(Event.id < found.before)
    return statement.order_by(Event.id.desc())


def _kind(kind: str) -> sa.ColumnElement[bool]:
    """A beginning is a span from `jobs.` up to `jobs/`: what an index answers, in whatever order the database sorts."""
    if not kind.endswith("."):
        return Event.kind == kind
    return sa.and_(Event.kind.bool_op("~>=~")(kind), Event.kind.bool_op("~<~")(kind[:-1] + chr(ord(".") + 1)))


def _entry(row: Any) -> Entry:
    values = dict(row._mapping)
    erased = values.pop("erased_at") is not None
    return Entry(**{**values, "data": row.data or {}, "actor_name": row.actor_name or ""}, erased=erased)


@dataclass(frozen=True)
class ChainReport:
    """How much of the log was checked; `broken` names the first link that does not hold."""

    checked: int
    unsealed: int
    broken: str = ""


@dataclass(frozen=True, order=True)
class Anchor:
    """The end of the chain at a moment, to be kept where the database's owner cannot reach it: hash in hex."""

    position: int
    hash: str


def chain_end() -> Anchor:
    """Where the chain ends; position 0 while nothing is sealed."""
    row = db.session.execute(
        sa.select(EventSeal.position, EventSeal.hash).order_by(EventSeal.position.desc()).limit(1)
    ).one_or_none()
    return Anchor(row.position, bytes(row.hash).hex()) if row else Anchor(0, "")


def first_difference(anchors: Iterable[Anchor], *, batch: int = 5_000) -> str:
    """What is wrong by the first anchor, in order of position, that the log does not hold; empty when all do."""
    end, waiting = chain_end().position, iter(anchors)
    while some := list(itertools.islice(waiting, batch)):
        rows = db.session.execute(
            sa.select(EventSeal.position, EventSeal.hash).where(EventSeal.position.in_([a.position for a in some]))
        )
        found = {row.position: bytes(row.hash).hex() for row in rows}
        for anchor in some:
            if anchor.position > end:
                gone = "all of it is gone" if not end else f"it ends at {end}: its end is gone"
                return f"the log once reached position {anchor.position}, and {gone}"
            if found.get(anchor.position) != anchor.hash:
                return f"the log differs at position {anchor.position} from what was anchored"
    return ""


def verify_chain(*, batch: int = 5_000) -> ChainReport:
    """Compute every hash again, payloads included (erased ones apart), and stop at the first that differs."""
    position, previous, checked = 0, b"", 0
    columns = [*SEAL_COLUMNS, EventSeal.position, EventSeal.hash, EventPayload.salt, EventPayload.data,
               EventPayload.erased_at]
    erased = set(db.session.scalars(_ERASED, {"kind": ERASED}))
    unsealed = db.session.scalar(sa.select(sa.func.count()).select_from(Outbox)) or 0
    while True:
        rows = db.session.execute(
            sa.select(*columns).select_from(EventSeal).outerjoin(Event, Event.id == EventSeal.event_id)
            .outerjoin(EventPayload, EventPayload.event_id == EventSeal.event_id)
            .where(EventSeal.position > position).order_by(EventSeal.position).limit(batch)
        ).all()
        if not rows:
            break
        for row in rows:
            fault = _fault(row, position, previous, erased)
            if fault:
                return ChainReport(checked, unsealed, fault)
            position, previous, checked = row.position, bytes(row.hash), checked + 1
    lost = db.session.scalar(
        sa.select(Event.id).outerjoin(EventSeal, EventSeal.event_id == Event.id)
        .outerjoin(Outbox, Outbox.event_id == Event.id)
        .where(EventSeal.event_id.is_(None), Outbox.event_id.is_(None)).limit(1)
    )
    return ChainReport(checked, unsealed, f"event {lost} is neither sealed nor waiting to be" if lost else "")


_ERASED = sa.text("""
    SELECT jsonb_object_keys(p.data->'kept')::bigint FROM event e JOIN event_payload p ON p.event_id = e.id
    WHERE e.kind = :kind
""")


def _fault(row: Any, position: int, previous: bytes, erased: set[int]) -> str:
    where = f"link {row.position} (event {row.id})"
    if row.position != position + 1:
        return f"link {position + 1} is missing"
    if row.id is None:
        return f"link {row.position} seals an event that is gone"
    if link_hash(previous, row) != bytes(row.hash):
        return f"{where} does not follow from the one before"
    if row.salt is None:
        return f"{where} has lost its payload"
    if row.erased_at is None and row.data is None:
        return f"{where} has an empty payload that was not erased"
    if row.data is None and row.id not in erased:
        return f"{where} had its payload erased by hand: no event tells of it"
    if row.data is not None and payload_hash(bytes(row.salt), canonical(row.data)) != bytes(row.payload_hash):
        return f"{where} has a payload that was changed"
    return ""
