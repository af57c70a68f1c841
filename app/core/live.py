"""Telling open pages that something changed: topics, never content, published after commit; of a request, once it is
answered."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from functools import partial

import redis
from flask import Flask, Response, g, has_request_context

from app.core.db import db, on_commit
from app.core.queue import connection

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
    topics = list(db.session().info.pop("topics", {}))
    if has_request_context():
        g.setdefault("topics_to_tell", []).extend(topics)
    else:
        _tell(connection(), topics)


def _tell(store: redis.Redis, topics: Sequence[str]) -> None:
    with contextlib.suppress(redis.RedisError):
        for start in range(0, len(topics), 200):
            store.publish(CHANNEL, json.dumps(topics[start : start + 200]))


def init_app(app: Flask) -> None:
    @app.after_request
    def tell_once_answered(response: Response) -> Response:
        """Why not before: whoever made the change does not wait for Redis, a thirtieth of recording an entry."""
        if topics := g.pop("topics_to_tell", None):
            response.call_on_close(partial(_tell, connection(), topics))
        return response
