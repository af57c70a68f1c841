"""Recording what happened, sealing it into the chain, and handing it to its readers once each."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.covers import COVERS, ERASED, LEDGER, digests_of
from app.activity.models import Event, EventPayload, EventSeal, Outbox, ReaderPosition
from app.core import live
from app.core.actors import Actor
from app.core.causes import because_of, cause_now
from app.core.clock import now
from app.core.db import at_commit, db, transaction
from app.core.errors import Refused
from app.core.locking import to_lock, try_turn
from app.core.permissions import Permission, authorize

request_mark: ContextVar[tuple[str, str]] = ContextVar("request_mark", default=("", ""))
SEAL_LOCK = 7_140_001
BATCH = 2_000

_INSERT = sa.text("""
    WITH next AS MATERIALIZED (SELECT nextval('event_id_seq') AS id),
    made AS (
        INSERT INTO event (id, kind, subject_kind, subject_id, client_id, engagement_id, job_id,
                           actor_kind, actor_id, at, request_id, address, cause, payload_hash)
        SELECT id, :kind, :subject_kind, CAST(:subject_id AS uuid), CAST(:client_id AS uuid),
               CAST(:engagement_id AS uuid), CAST(:job_id AS uuid), :actor_kind, CAST(:actor_id AS uuid),
               CAST(:at AS timestamptz), :request_id, :address, :cause, CAST(:payload_hash AS bytea)
        FROM next
    ), waiting AS (
        INSERT INTO outbox (event_id) SELECT id FROM next
    )
    INSERT INTO event_payload (event_id, salt, data)
    SELECT id, CAST(:salt AS bytea), CAST(:data AS jsonb) FROM next
""")


_COLUMNS = {
    "kind": "text", "subject_kind": "text", "subject_id": "uuid", "client_id": "uuid", "engagement_id": "uuid",
    "job_id": "uuid", "actor_kind": "text", "actor_id": "uuid", "at": "timestamptz", "request_id": "text",
    "address": "text", "cause": "text", "payload_hash": "bytea", "salt": "bytea", "data": "text",
}  # fmt: skip
_FIELDS = ", ".join(name for name in _COLUMNS if name not in ("salt", "data"))
# Several events of one transaction at once, with ids in the order in which they were recorded.
_INSERT_MANY = sa.text(f"""
    WITH told AS MATERIALIZED (
        SELECT nextval('event_id_seq') AS id, one.* FROM (
            SELECT * FROM unnest({", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _COLUMNS.items())})
                WITH ORDINALITY AS each ({", ".join(_COLUMNS)}, place) ORDER BY place
        ) AS one
    ), made AS (
        INSERT INTO event (id, {_FIELDS}) SELECT id, {_FIELDS} FROM told
    ), waiting AS (
        INSERT INTO outbox (event_id) SELECT id FROM told
    )
    INSERT INTO event_payload (event_id, salt, data) SELECT id, salt, CAST(data AS jsonb) FROM told
""")


@dataclass(frozen=True)
class _Posted:
    """A ledger transaction of this unit of work and the digest of its rows: the unit's first event keeps it."""

    id: int
    digest: str


def keep_posted(transaction_id: int, digest: str) -> None:
    """Let the first event of this unit of work vouch for what was posted. A unit that posts and tells nothing fails."""
    at_commit(_write, _Posted(transaction_id, digest))


def _write(handed: list[Any]) -> None:
    """Append the events of a transaction, with the digests of what they vouch for as it stands now."""
    events = [one for one in handed if isinstance(one, dict)]
    posted = {str(one.id): one.digest for one in handed if isinstance(one, _Posted)}
    if posted and not events:
        raise RuntimeError("What is posted is told by an event of the same transaction.")
    connection = db.session.connection()
    wanted: dict[str, set[Any]] = {}
    for event in events:
        for kind, row_id in event["covers"]:
            wanted.setdefault(kind, set()).add(row_id)
    told = digests_of(connection, wanted)
    rows = []
    for event in events:
        kept: dict[str, Any] = {LEDGER: posted} if posted else {}
        posted = {}
        for kind, row_id in event["covers"]:
            kept.setdefault(COVERS, {}).setdefault(kind, {})[str(row_id)] = told[kind][str(row_id)]
        text = canonical(json.loads(event["data"]) | kept) if kept else event["data"]
        salt = secrets.token_bytes(16)
        rows.append({**event, "data": text, "salt": salt, "payload_hash": payload_hash(salt, text)})
    append(connection, rows)


def append(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    """Write events as they are: the columns of `event`, the payload's salt and its canonical text as `data`."""
    if len(rows) == 1:
        connection.execute(_INSERT, {name: rows[0][name] for name in _COLUMNS})
    else:
        connection.execute(_INSERT_MANY, {name: [row[name] for row in rows] for name in _COLUMNS})


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.timedelta):
        return int(value.total_seconds())
    if isinstance(value, (UUID, dt.date, dt.datetime)):
        return str(value) if isinstance(value, UUID) else value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be told in an event.")


def canonical(data: Mapping[str, Any]) -> str:
    """The one spelling of a payload that is hashed and stored, without null characters: no database keeps them."""
    text = _spelled(data)
    return _spelled(_without_nulls(json.loads(text))) if "\\u0000" in text else text


def _spelled(data: Any) -> str:
    return json.dumps(data, default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {_without_nulls(key): _without_nulls(part) for key, part in value.items()}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def payload_hash(salt: bytes, text: str) -> bytes:
    return hashlib.sha256(salt + text.encode()).digest()


def record(
    kind: str,
    subject: Any,
    *,
    by: Actor,
    client_id: UUID | None = None,
    engagement_id: UUID | None = None,
    job_id: UUID | None = None,
    topics: tuple[str, ...] = (),
    covers: Iterable[tuple[str, Any]] = (),
    **data: Any,
) -> None:
    """Append one event to the current transaction, written with its others right before it commits.

    `kind` is `room.noun.verb`; `data` holds values, never prose.

    `covers` names rows by kind and id (`activity/covers.py`): the payload keeps their digests as they are committed.
    The subject's own client, engagement and job are taken over when it has them. After the commit the topics of
    the subject, client and job are published to open pages, with any further `topics`.
    """
    table = subject.__tablename__
    client_id = client_id or (subject.id if table == "client" else getattr(subject, "client_id", None))
    engagement_id = engagement_id or (subject.id if table == "engagement" else getattr(subject, "engagement_id", None))
    job_id = job_id or (subject.id if table == "job" else getattr(subject, "job_id", None))
    request_id, address = request_mark.get()
    db.session.flush()
    at_commit(
        _write,
        {
            "kind": kind,
            "subject_kind": table,
            "subject_id": subject.id,
            "client_id": client_id,
            "engagement_id": engagement_id,
            "job_id": job_id,
            "actor_kind": by.kind.value,
            "actor_id": by.id,
            "at": now(),
            "request_id": request_id,
            "address": by.address or address,
            "cause": cause_now(),
            "data": canonical(data),
            "covers": tuple(covers),
        },
    )
    told = [f"{table}:{subject.id}", *topics]
    told += [f"client:{client_id}"] if client_id else []
    told += [f"job:{job_id}"] if job_id else []
    live.publish(*told)


def _can_erase(by: Actor) -> bool:
    """Who may take the words of an event away: the firm by its command line, or whoever sets the firm up."""
    return by.is_system or by.may(Permission.SETTINGS_EDIT)


def erase_payloads(event_ids: Iterable[int], reason: str, *, by: Actor) -> int:
    """Erase the words and values of events, for good, and tell who did so and why. Returns how many it erased.

    The digests that they kept of rows say nothing of anybody; the new event keeps them instead. An event that was
    erased before stays as it is. Raises Refused without a reason or for an event that does not exist.
    """
    authorize(by, _can_erase)
    if not reason.strip():
        raise Refused("Say why the words of these events are erased.", field="reason")
    wanted = sorted(set(event_ids))
    with transaction() as session:
        rows = session.scalars(
            to_lock(sa.select(EventPayload).where(EventPayload.event_id.in_(wanted)))
        ).all()
        if lacking := set(wanted) - {row.event_id for row in rows}:
            raise Refused(f"There is no event {min(lacking)}.", field="event")
        kept: dict[str, Any] = {}
        for row in rows:
            if row.data is not None:
                kept[str(row.event_id)] = {key: row.data[key] for key in (LEDGER, COVERS) if key in row.data}
                row.data, row.erased_at = None, now()
        if kept:
            firm = sa.table("firm", sa.column("id"))
            record(ERASED, _Firm(session.scalar(sa.select(firm.c.id))), by=by, reason=reason.strip(), kept=kept)
        return len(kept)


class _Firm:
    """The subject of what concerns the whole log."""

    __tablename__ = "firm"

    def __init__(self, firm_id: UUID | None) -> None:
        self.id = firm_id or UUID(int=0)


def link_hash(previous: bytes, event: Any) -> bytes:
    """The next link of the chain: of format 1 where the event has no cause to tell, else of format 2, with it."""
    fields = [
        event.id,
        event.kind,
        event.subject_kind,
        event.subject_id,
        event.client_id,
        event.engagement_id,
        event.job_id,
        event.actor_kind,
        event.actor_id,
        event.at.astimezone(dt.UTC).isoformat(),
        event.request_id,
        event.address,
        event.payload_hash.hex(),
        *([] if event.cause is None else [event.cause]),
    ]
    return hashlib.sha256(previous + json.dumps(fields, default=str, separators=(",", ":")).encode()).digest()


SEAL_COLUMNS = [
    Event.id,
    Event.kind,
    Event.subject_kind,
    Event.subject_id,
    Event.client_id,
    Event.engagement_id,
    Event.job_id,
    sa.cast(Event.actor_kind, sa.Text).label("actor_kind"),
    Event.actor_id,
    Event.at,
    Event.request_id,
    Event.address,
    Event.cause,
    Event.payload_hash,
]


# What waits is taken and read by one statement, and sealed by another: the sealer shares its processors with writers.
_waiting = sa.select(Outbox.event_id).order_by(Outbox.event_id).limit(sa.bindparam("limit"))
_taken = sa.delete(Outbox).where(Outbox.event_id.in_(_waiting)).returning(Outbox.event_id).cte("taken")
_TAKE = sa.select(*SEAL_COLUMNS).join(_taken, _taken.c.event_id == Event.id).order_by(Event.id)
_SEAL = sa.text("""
    INSERT INTO event_seal (position, event_id, hash)
    SELECT * FROM unnest(CAST(:places AS bigint[]), CAST(:ids AS bigint[]), CAST(:hashes AS bytea[]))
""")


def seal_events(limit: int = BATCH) -> int:
    """Give the next committed events their position in the chain; one sealer at a time. Returns how many."""
    with transaction() as session:
        if not try_turn(SEAL_LOCK):
            return 0
        last = session.execute(
            sa.select(EventSeal.position, EventSeal.hash).order_by(EventSeal.position.desc()).limit(1)
        ).one_or_none()
        position, previous = (last.position, last.hash) if last else (0, b"")
        rows = session.execute(_TAKE, {"limit": limit}).all()
        places, ids, hashes = [], [], []
        for row in rows:
            position, previous = position + 1, link_hash(previous, row)
            places.append(position)
            ids.append(row.id)
            hashes.append(previous)
        if rows:
            session.execute(_SEAL, {"places": places, "ids": ids, "hashes": hashes})
        return len(rows)


Reader = Callable[[Event, dict[str, Any]], None]
_readers: dict[str, tuple[frozenset[str], Reader]] = {}


def reads(name: str, *kinds: str) -> Callable[[Reader], Reader]:
    """Register a reader: called once, in the database's sense, for every event of these kinds, in chain order."""

    def register(reader: Reader) -> Reader:
        _readers[name] = (frozenset(kinds), reader)
        return reader

    return register


def run_reader(name: str, limit: int = 200) -> int:
    """Give the next event to one reader, moving its position in the same transaction. Returns how many it passed,
    those of other kinds among them.

    One at a time, for each locks what it is about in the order of the house; of several together nobody could.
    """
    kinds, reader = _readers[name]
    with transaction() as session:
        position = session.scalar(
            to_lock(sa.select(ReaderPosition.position).where(ReaderPosition.reader == name), skip_taken=True)
        )
        if position is None:
            if session.scalar(sa.select(sa.exists().where(ReaderPosition.reader == name))):
                return 0
            session.execute(sa.text("INSERT INTO reader_position VALUES (:r, 0) ON CONFLICT DO NOTHING"), {"r": name})
            return 1
        top = session.scalar(sa.select(sa.func.max(EventSeal.position))) or 0
        end = min(top, position + limit)
        if end <= position:
            return 0
        row = session.execute(
            sa.select(Event, EventPayload.data, EventSeal.position)
            .join(EventSeal, EventSeal.event_id == Event.id)
            .outerjoin(EventPayload, EventPayload.event_id == Event.id)
            .where(EventSeal.position > position, EventSeal.position <= end, Event.kind.in_(kinds))
            .order_by(EventSeal.position)
            .limit(1)
        ).one_or_none()
        if row is not None:
            event, data, end = row
            with because_of("event", event.id):
                reader(event, data or {})
        session.execute(sa.update(ReaderPosition).where(ReaderPosition.reader == name).values(position=end))
        return end - position


def unread_by(name: str) -> sa.Select[Any]:
    """(subject_id) of the events that a reader has still to read, sealed or not; for whoever proves what it keeps."""
    kinds, _reader = _readers[name]
    position = sa.select(ReaderPosition.position).where(ReaderPosition.reader == name).scalar_subquery()
    return sa.select(Event.subject_id).outerjoin(EventSeal, EventSeal.event_id == Event.id).where(
        Event.kind.in_(kinds), sa.or_(EventSeal.position.is_(None), EventSeal.position > sa.func.coalesce(position, 0))
    )


def readers() -> list[str]:
    return list(_readers)
