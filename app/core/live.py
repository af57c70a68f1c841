"""Telling open pages that something changed: topics, never content, published right after commit."""

from __future__ import annotations

import contextlib
import json

import redis

from app.core.db import db, on_commit

CHANNEL = "live"


def publish(*topics: str) -> None:
    """Announce topics (`job:<id>`, `person:<id>`, `requests`) after the outermost commit; repeated ones once."""
    info = db.session().info
    waiting: dict[str, None] = info.setdefault("topics", {})
    if _send not in info.get("hooks", ()):
        waiting.clear()
        on_commit(_send)
    waiting.update(dict.fromkeys(topics))


def _send() -> None:
    from app.core.queue import connection

    topics = list(db.session().info.pop("topics", {}))
    with contextlib.suppress(redis.RedisError):
        for start in range(0, len(topics), 200):
            connection().publish(CHANNEL, json.dumps(topics[start : start + 200]))
