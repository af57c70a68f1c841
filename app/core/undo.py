"""Ways back: an act that can be undone says how, the message about it offers it, and it is refused once things changed.

A room declares a way back with `@way_back("jobs.task.completed")`; a view that did the act hands `undo_of(...)` to the
message. What has to be known travels in the address, signed and for its person only; nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import current_app, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer

from app.core.actors import Actor
from app.core.errors import Refused

LONGEST, HOURS = 1500, 12
Way = Callable[..., str]
_ways: dict[str, Way] = {}


def way_back(name: str) -> Callable[[Way], Way]:
    """Register what undoes an act: `way(by, **facts)` does it by a command, and returns the message that says so."""

    def register(way: Way) -> Way:
        _ways[name] = way
        return way

    return register


def undo_of(name: str, *, by: Actor, **facts: Any) -> str:
    """The address that undoes an act just done by somebody; none where it would be too long to carry."""
    if name not in _ways:
        raise LookupError(f"There is no way back named {name}.")
    token = _signer().dumps([name, str(by.person_id), facts])
    return url_for("undo.create", token=token) if len(token) <= LONGEST else ""


def take_back(token: str, *, by: Actor) -> str:
    """Do what the address says. Raises Refused when it is too old, somebody else's, or things changed meanwhile."""
    try:
        name, person, facts = _signer().loads(token, max_age=HOURS * 3600)
        way = _ways[name]
    except (BadSignature, ValueError, KeyError):
        raise Refused("This can no longer be undone here.") from None
    if person != str(by.person_id):
        raise Refused("Only the person who did it can undo it here.")
    return way(by, **facts)


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or "", salt="undo")
