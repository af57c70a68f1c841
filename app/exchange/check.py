"""What `firmament check` says of the record: files found wrong by the daily reading, and how old the last anchor is."""

from __future__ import annotations

import datetime as dt

import psycopg

from app.core.clock import now
from app.core.health import SECONDS, Finding
from app.exchange.anchors import WRITTEN

FILES, ANCHOR = "stored files", "anchor of the event log"
OLD = dt.timedelta(days=2)
_FAULTS = "SELECT count(*), min(key) FROM object_check WHERE found <> ''"
# Nothing to anchor while nothing but the last anchor itself was sealed since.
_ANCHOR = """
    SELECT a.at, s.position, (SELECT min(at) FROM event) AS first_at,
           s.position > coalesce((p.data->>'position')::bigint + 1, 0) AS waiting
    FROM (SELECT max(position) AS position FROM event_seal) s
    LEFT JOIN (SELECT id, at FROM event WHERE kind = %s ORDER BY id DESC LIMIT 1) a ON true
    LEFT JOIN event_payload p ON p.event_id = a.id
    WHERE s.position IS NOT NULL
"""


def evidence(url: str) -> list[Finding]:
    """Asked of the database alone; of one without our tables nothing is said."""
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(plain, connect_timeout=SECONDS) as connection:
        try:
            wrong = connection.execute(_FAULTS).fetchone()
            anchored = connection.execute(_ANCHOR, (WRITTEN,)).fetchone()
        except psycopg.errors.UndefinedTable:
            return []
    found = [Finding(FILES, not wrong or not wrong[0], _wrong(*wrong) if wrong else "")]
    if anchored is not None:
        at, position, first_at, waiting = anchored
        old = waiting and now() - (at or first_at) > OLD
        last = f"last written {at.astimezone(dt.UTC):%-d %B %Y, %H:%M} UTC" if at else "never written"
        found.append(Finding(ANCHOR, not old, f"{last}; the log ends at {position}"))
    return found


def _wrong(count: int, key: str | None) -> str:
    several = f"{count} are" if count != 1 else "one is"
    return f"{several} not what was kept, such as {key}"
