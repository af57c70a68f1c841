"""The end of the event chain, kept outside the database: written to storage daily and with every backup.

An anchor is an object of its own, named by its position and hash, so that one is only ever added. Whoever deletes the
end of the log, or writes it anew from somewhere on, is found by the first anchor that no longer fits.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.activity.commands import record
from app.activity.models import Event, EventPayload
from app.activity.queries import Anchor, chain_end, first_difference
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.core.proofs import Finding, proof
from app.core.reading import read_bytes_apart
from app.core.storage import Storage, storage
from app.exchange.anchor_mail import DAILY, mail_anchor
from app.exchange.archive import table_member, whole_archive
from app.exchange.letters import plain_text
from app.firm.queries import get_firm

SMALL = 200_000
PREFIX, WRITTEN = "anchors/", "activity.anchor.written"
_KEY = re.compile(PREFIX + r"(\d{12})-([0-9a-f]{64})\.json")
_MAIL = re.compile(r"^MIME-Version:", re.M | re.I)
_TYPED = re.compile(r"(\d{1,18})[:\s]+([0-9a-f]{64})")


def can_anchor(by: Actor) -> bool:
    return by.is_system


def key_of(anchor: Anchor) -> str:
    return f"{PREFIX}{anchor.position:012d}-{anchor.hash}.json"


def put_anchor(anchor: Anchor, place: Storage) -> None:
    body = {"position": anchor.position, "hash": anchor.hash, "at": now().isoformat()}
    place.put(key_of(anchor), json.dumps(body).encode(), "application/json")


def write_anchor(*, by: Actor) -> Anchor | None:
    """Anchor the chain's end in storage, tell of it and mail it to those who want it.

    None when nothing but anchors was sealed since the last one.
    """
    authorize(by, can_anchor)
    told = sa.select(EventPayload.data).join(Event, Event.id == EventPayload.event_id).where(Event.kind == WRITTEN)
    with transaction() as session:  # ended before storage is spoken to
        end, firm = chain_end(), get_firm()
        last: dict[str, Any] = session.scalar(told.order_by(Event.id.desc()).limit(1)) or {}
    if firm is None or end.position <= int(last.get("position", -1)) + 1:
        return None
    put_anchor(end, storage())
    with transaction():
        record(WRITTEN, firm, by=by, position=end.position, hash=end.hash)
        mail_anchor(end, DAILY, by=by)
    return end


def last_anchored() -> tuple[Anchor, dt.datetime] | None:
    """The newest anchor that the log tells of, and when it was written."""
    told = (
        sa.select(EventPayload.data, Event.at).join(Event, Event.id == EventPayload.event_id)
        .where(Event.kind == WRITTEN).order_by(Event.id.desc()).limit(1)
    )  # fmt: skip
    row = db.session.execute(told).one_or_none()
    return (Anchor(int(row.data["position"]), str(row.data["hash"])), row.at) if row and row.data else None


def stored_anchors() -> list[Anchor]:
    """Those in storage, in order of position; other objects beside them are none."""
    found = (_KEY.fullmatch(key) for key, _size in storage().keys(PREFIX))
    return sorted(Anchor(int(match[1]), match[2]) for match in found if match)


@proof("events.anchors")
def anchors_hold() -> Iterator[Finding]:
    """The log still holds what was anchored outside of it, and no anchor that it tells of is gone."""
    anchors = stored_anchors()
    if wrong := first_difference(anchors):
        yield Finding("event log", wrong)
    there = {anchor.position: anchor.hash for anchor in anchors}
    told = sa.select(EventPayload.data).join(Event, Event.id == EventPayload.event_id).where(Event.kind == WRITTEN)
    for data in db.session.scalars(told.order_by(Event.id)):
        if data and there.get(data["position"]) != data["hash"]:
            yield Finding("storage", f"the anchor of position {data['position']} is gone")
    end, newest = chain_end().position, max(there, default=0)
    if end > newest:
        yield Finding("event log", f"{end - newest} events since the last anchor are chained, not anchored", note=True)


def differences_from(given: str) -> Iterator[Finding]:
    """The same by an anchor in hand: `POSITION:HASH`, a file that holds one, or a backup, link by link."""
    typed = _TYPED.fullmatch(given.strip())
    if typed:
        wrong = first_difference([Anchor(int(typed[1]), typed[2])])
    else:
        path = Path(given)
        text = _small_text(path)
        match = _TYPED.search(text) if text else None
        if text and text.lstrip().startswith("{"):
            body = json.loads(text)
            wrong = first_difference([Anchor(int(body["position"]), str(body["hash"]))])
        elif match:
            wrong = first_difference([Anchor(int(match[1]), match[2])])
        else:
            with whole_archive(path) as (archive, _manifest), archive.open(table_member("event_seal")) as lines:
                wrong = first_difference(sorted(_link(json.loads(line)) for line in lines))
    if wrong:
        yield Finding("event log", wrong)


def _link(row: dict[str, Any]) -> Anchor:
    return Anchor(int(row["position"]), str(row["hash"]).removeprefix("\\x"))


def _small_text(path: Path) -> str:
    """What a small file of text says, and the text of a saved mail; nothing for any other file. Raises Refused when it
    cannot be read."""
    try:
        body = path.read_bytes() if path.stat().st_size < SMALL else b""
        text = body.decode()
    except UnicodeDecodeError:
        return ""
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    if not _MAIL.search(text[:SMALL // 2]):
        return text
    return read_bytes_apart(plain_text, body) or text
